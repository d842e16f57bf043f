//! Listening sockets, and the reason why one cannot be had.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener},
    sync::Arc,
};

use socket2::SockRef;

use super::sockets;
use crate::config::clash;

/// Clients that the system lets wait for an answer; it may allow fewer.
const BACKLOG: i32 = 4096;

/// Sockets of a reload that gave up their addresses for others.
#[derive(Default)]
pub(super) struct Moves(Vec<Arc<TcpListener>>);

impl Moves {
    /// Listens at an address. Those of `movable` that are in its way give up theirs.
    ///
    /// # Errors
    /// Returns the system's error, with a hint on a line of its own.
    pub(super) fn listen(
        &mut self,
        address: SocketAddr,
        keys: &str,
        movable: &[Arc<TcpListener>],
    ) -> io::Result<TcpListener> {
        listen(address, keys).or_else(|error| {
            let is_in_way =
                |socket: &&Arc<TcpListener>| socket.local_addr().is_ok_and(|other| clash(other, address));
            let in_way: Vec<_> = movable.iter().filter(is_in_way).collect();
            if error.kind() != io::ErrorKind::AddrInUse || in_way.is_empty() {
                return Err(error);
            }
            for socket in in_way {
                close(socket);
                self.0.push(Arc::clone(socket));
            }
            listen(address, keys)
        })
    }

    /// Makes the sockets listen again, and returns them. Those that took their addresses must be closed.
    pub(super) fn undo(self) -> Vec<Arc<TcpListener>> {
        for socket in &self.0 {
            // Nobody else can have the address: it is still bound.
            if SockRef::from(&**socket).listen(BACKLOG).is_ok()
                && let Ok(address) = socket.local_addr()
            {
                sockets::keep(address, socket);
            }
        }
        self.0
    }
}

/// Stops listening at a socket, whoever else has it open.
pub(super) fn close(socket: &TcpListener) {
    let socket = SockRef::from(socket);
    // One that was closed before has left its address to another socket.
    if socket.is_listener().unwrap_or(false)
        && let Some(address) = socket.local_addr().ok().and_then(|address| address.as_socket())
    {
        sockets::forget(address);
    }
    let _ = socket.shutdown(Shutdown::Both);
}

/// Listens at an address, with the socket that systemd passed for it if there is one. `keys` are the configuration keys
/// and options that choose it, for the hint of an error.
///
/// # Errors
/// Returns the system's error, with a hint on a line of its own.
pub fn listen(address: SocketAddr, keys: &str) -> io::Result<TcpListener> {
    if let Some(listener) = sockets::take(address) {
        return Ok(listener);
    }
    let listener = bind(address).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                let other =
                    listener_at(address.port()).unwrap_or_else(|| "perhaps a second smartmeter".to_owned());
                format!("another program serves there, {other}: stop it, or choose another port with {keys}")
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 belong to root: choose a higher one".to_owned()
            }
            _ => format!("{keys} must be an address of this machine, or 0.0.0.0 for all of them"),
        };
        io::Error::new(error.kind(), format!("could not listen on {address}: {error}\nhint: {hint}"))
    })?;
    sockets::keep(address, &listener);
    Ok(listener)
}

/// Binds an address. A socket that systemd kept for an address of an earlier run may be in its way: `127.0.0.1:8080` is in
/// that of `0.0.0.0:8080`. systemd has it open as well, so that closing it here would not be enough.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).or_else(|error| {
        if error.kind() != io::ErrorKind::AddrInUse {
            return Err(error);
        }
        sockets::take_in_way(address).iter().for_each(close);
        TcpListener::bind(address)
    })
}

/// Returns the program that listens on a TCP port, if this user can see it in `/proc` (proc(5)).
fn listener_at(port: u16) -> Option<String> {
    // `  0: 0100007F:1F90 00000000:0000 0A … inode`: addresses are hexadecimal, and state 0A listens.
    let inodes: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| {
            std::fs::read_to_string(table).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|line| {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            let (_, at) = fields.get(1)?.rsplit_once(':')?;
            let listens = u16::from_str_radix(at, 16) == Ok(port) && fields.get(3) == Some(&"0A");
            listens.then(|| Some(format!("socket:[{}]", fields.get(9)?)))?
        })
        .collect();
    let is_it = |file: std::fs::DirEntry| {
        let target = std::fs::read_link(file.path()).unwrap_or_default();
        inodes.iter().any(|inode| target.as_os_str() == inode.as_str())
    };
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let pid = process.file_name().to_str()?.parse::<u32>().ok()?;
        let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
        files.any(is_it).then(|| format!("`{}` (process {pid})", name.trim_end()))
    })
}

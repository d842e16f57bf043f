//! Listening sockets from systemd: those that it kept over a restart, so that clients wait instead of being refused, and
//! those of a `.socket` unit.

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::{AsFd as _, BorrowedFd},
};

use socket2::SockRef;
use tracing::{debug, warn};

use super::{kept, notify};
use crate::config::clash;

/// First bytes of the name of each socket that this program has given to systemd.
const OURS: &str = "listen-";

/// Returns the socket at an address, if systemd passed it.
pub(super) fn take(address: SocketAddr) -> Option<TcpListener> {
    let is_it = |_: &str, file: BorrowedFd<'_>| address_of(file).is_some_and(|found| is_same(found, address));
    let (name, socket) = kept::take(is_it)?;
    debug!("listening on {address} with the socket `{name}` from systemd");
    Some(socket.into())
}

/// Returns the sockets of earlier runs that keep this program from listening at an address.
pub(super) fn take_in_way(address: SocketAddr) -> Vec<TcpListener> {
    let is_in_way = |name: &str, file: BorrowedFd<'_>| {
        name.starts_with(OURS) && address_of(file).is_some_and(|kept| clash(kept, address))
    };
    std::iter::from_fn(|| kept::take(is_in_way)).map(|(_, socket)| socket.into()).collect()
}

/// Has systemd keep a socket over restarts. One on a port of the system's choice would not be found again.
pub(super) fn keep(address: SocketAddr, listener: &TcpListener) {
    if address.port() != 0 {
        notify::keep(&name(address), listener.as_fd());
    }
}

/// Has systemd close the socket at an address that nobody serves any more. Clients would wait there for ever.
pub(super) fn forget(address: SocketAddr) {
    notify::forget(&name(address));
}

/// Closes the sockets that nobody has taken: their addresses are no longer in the configuration.
pub(super) fn forget_rest() {
    for (name, file) in kept::take_rest() {
        if name.starts_with(OURS) {
            notify::forget(&name);
            continue;
        }
        match address_of(file.as_fd()) {
            Some(address) => warn!(
                "systemd passed a socket for {address}, but no `listen` is that address: write it there, or change \
                 `ListenStream=` of the unit `{name}`"
            ),
            None => warn!("systemd passed `{name}`, which is not a listening TCP socket"),
        }
    }
}

/// Returns the address of a listening TCP socket.
fn address_of(file: BorrowedFd<'_>) -> Option<SocketAddr> {
    let socket = SockRef::from(&file);
    socket.is_listener().unwrap_or(false).then(|| socket.local_addr().ok()?.as_socket())?
}

/// Returns the name under which systemd keeps the socket of an address. It must not have a colon.
fn name(address: SocketAddr) -> String {
    format!("{OURS}{address}").replace(':', "_")
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

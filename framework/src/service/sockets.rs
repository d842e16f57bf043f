//! Listening sockets that systemd passes: those that it kept over a restart, so that clients wait instead of being refused,
//! and those of a `.socket` unit.

use std::{
    env,
    net::{SocketAddr, TcpListener},
    sync::{LazyLock, Mutex, PoisonError},
};

use listenfd::ListenFd;
use tracing::{debug, warn};

use super::notify;
use crate::config::clash;

/// First bytes of the name of each socket that this program has given to systemd.
const OURS: &str = "listen-";

/// Sockets that nobody has taken yet: whoever listens looks here first.
static PASSED: LazyLock<Mutex<Vec<Passed>>> = LazyLock::new(|| Mutex::new(passed()));

/// Socket from systemd.
struct Passed {
    name: String,
    address: SocketAddr,
    listener: TcpListener,
}

/// Takes over the sockets from the environment (sd_listen_fds(3)).
fn passed() -> Vec<Passed> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut all = ListenFd::from_env();
    let mut passed = Vec::new();
    for number in 0..all.len() {
        let name = names.next().unwrap_or_default().to_owned();
        match all.take_tcp_listener(number) {
            Ok(Some(listener)) => match listener.local_addr() {
                Ok(address) => passed.push(Passed { name, address, listener }),
                Err(error) => warn!("systemd passed a socket `{name}` without an address: {error}"),
            },
            Ok(None) => {}
            Err(error) => warn!("systemd passed `{name}`, which is not a listening TCP socket: {error}"),
        }
    }
    passed
}

/// Returns the socket at an address, if systemd passed it.
pub(super) fn take(address: SocketAddr) -> Option<TcpListener> {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let at = passed.iter().position(|socket| is_same(socket.address, address))?;
    let socket = passed.swap_remove(at);
    debug!("listening on {address} with the socket `{}` from systemd", socket.name);
    Some(socket.listener)
}

/// Returns the sockets of earlier runs that keep this program from listening at an address.
pub(super) fn take_in_way(address: SocketAddr) -> Vec<TcpListener> {
    let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
    let in_way =
        passed.extract_if(.., |socket| socket.name.starts_with(OURS) && clash(socket.address, address));
    in_way.map(|socket| socket.listener).collect()
}

/// Has systemd keep a socket over restarts. One on a port of the system's choice would not be found again.
pub(super) fn keep(address: SocketAddr, listener: &TcpListener) {
    if address.port() != 0 {
        notify::keep(&name(address), listener);
    }
}

/// Has systemd close the socket at an address that nobody serves any more. Clients would wait there for ever.
pub(super) fn forget(address: SocketAddr) {
    notify::forget(&name(address));
}

/// Closes the sockets that nobody has taken: their addresses are no longer in the configuration.
pub(super) fn forget_rest() {
    for socket in PASSED.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        if socket.name.starts_with(OURS) {
            notify::forget(&socket.name);
        } else {
            warn!(
                "systemd passed a socket for {}, but no `listen` is that address: write it there, or change \
                 `ListenStream=` of the unit `{}`",
                socket.address, socket.name
            );
        }
    }
}

/// Returns the name under which systemd keeps the socket of an address. It must not have a colon.
fn name(address: SocketAddr) -> String {
    format!("{OURS}{address}").replace(':', "_")
}

fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

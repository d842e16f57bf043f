//! Messages to systemd (sd_notify(3)). Where nobody waits for them they go nowhere.

use std::{os::fd::BorrowedFd, time::Duration};

use sd_notify::NotifyState;
use tracing::debug;

/// Time that systemd grants a start for each sign of life: a damaged journal is copied before it is open.
const START: Duration = Duration::from_secs(90);

/// Returns whether somebody waits for messages.
pub(super) fn is_wanted() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Returns the time after which systemd restarts a service that gives no sign of life (`WatchdogSec=`).
pub(super) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

/// Reports that the program serves, with its status line.
pub(super) fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports that the start takes longer, and why.
pub(super) fn starting(status: &str) {
    let micros = u32::try_from(START.as_micros()).unwrap_or(u32::MAX);
    send(&[NotifyState::ExtendTimeoutUsec(micros), NotifyState::Status(status)]);
}

/// Reports that the program ends.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("ending")]);
}

/// Sets the line that `systemctl status` shows.
pub(super) fn status(line: &str) {
    send(&[NotifyState::Status(line)]);
}

/// Gives a sign of life.
pub(super) fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// Has systemd keep an open file over restarts.
pub(super) fn keep(name: &str, file: BorrowedFd<'_>) {
    let states = [NotifyState::FdStore, NotifyState::FdName(name)];
    log(sd_notify::notify_with_fds(&states, &[file]));
}

/// Has systemd close a file that it keeps.
pub(super) fn forget(name: &str) {
    send(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]);
}

/// Reload that systemd knows of, until it is dropped.
#[derive(Debug)]
pub(super) struct Reloading(());

impl Reloading {
    /// Reports that a reload begins.
    pub(super) fn begin() -> Self {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => send(&[NotifyState::Reloading, now]),
            Err(error) => debug!("could not read the clock: {error}"),
        }
        Self(())
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        send(&[NotifyState::Ready]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    log(sd_notify::notify(states));
}

/// Nothing depends on a message: without the signs of life systemd acts by itself.
fn log(sent: std::io::Result<()>) {
    if let Err(error) = sent {
        debug!("could not send a message to systemd: {error}");
    }
}

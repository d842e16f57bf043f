//! Program's end of a line, for the tests.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_setfl},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

use crate::pty::open_slave;

/// Longer than any test waits, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The deadline of whoever waits from now on.
pub(crate) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

pub(crate) struct Port(File);

impl Port {
    pub(crate) fn open(path: &Path) -> Self {
        let file = open_slave(path).unwrap();
        fcntl_setfl(&file, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        Self(file)
    }

    pub(crate) fn set_baud(&self, baud: u32) {
        let mut settings = tcgetattr(&self.0).unwrap();
        settings.set_speed(baud).unwrap();
        tcsetattr(&self.0, OptionalActions::Now, &settings).unwrap();
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Returns the bytes so far.
    pub(crate) fn read_now(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        match self.0.read(&mut bytes) {
            Ok(count) => bytes.truncate(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => bytes.clear(),
            Err(error) => panic!("{error}"),
        }
        bytes
    }

    /// Returns the bytes up to the point where they are `enough`.
    pub(crate) fn read_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        let deadline = soon();
        while !enough(&bytes) {
            let Some(more) = self.read_next(deadline) else {
                panic!("the device went after \"{}\"", bytes.escape_ascii());
            };
            bytes.extend(more);
        }
        bytes
    }

    /// Reads, and forgets, all until the device goes.
    pub(crate) fn read_to_hangup(&mut self) {
        let deadline = soon();
        while self.read_next(deadline).is_some() {}
    }

    /// The next bytes, or none when the device has gone.
    fn read_next(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut line = [PollFd::new(&self.0, PollFlags::IN)];
        let ready = poll(&mut line, Some(&Timespec::try_from(left).unwrap())).unwrap();
        assert!(ready == 1 && !left.is_zero(), "what was expected did not come in {PATIENCE:?}");
        let mut bytes = vec![0; 4096];
        match self.0.read(&mut bytes) {
            Ok(count) => bytes.truncate(count),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => bytes.clear(),
            Err(error) => panic!("{error}"),
        }
        (!bytes.is_empty()).then_some(bytes)
    }
}

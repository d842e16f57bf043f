//! Program's end of a line.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    termios::{ControlModes, InputModes, OptionalActions, tcgetattr, tcsetattr},
};

/// Longer than any test waits, however busy the machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the deadline of whoever waits from now on.
pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Port as a program has opened it.
#[derive(Debug)]
pub struct Port(File);

impl Port {
    /// Opens the port at `path`.
    ///
    /// # Panics
    ///
    /// Panics, as all of these functions do, when it cannot.
    pub fn open(path: &Path) -> Self {
        // Not the controlling terminal: a hang-up must not end this process.
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits() as i32;
        Self(OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap())
    }

    /// Sets the baud rate of both directions.
    pub fn set_baud(&self, baud: u32) {
        let mut settings = tcgetattr(&self.0).unwrap();
        settings.set_speed(baud).unwrap();
        tcsetattr(&self.0, OptionalActions::Now, &settings).unwrap();
    }

    /// Sets the baud rate of both directions, and whether characters have an even parity bit.
    pub fn set_line(&self, baud: u32, is_even: bool) {
        let mut settings = tcgetattr(&self.0).unwrap();
        settings.set_speed(baud).unwrap();
        settings.input_modes.set(InputModes::INPCK, is_even);
        settings.control_modes.set(ControlModes::PARENB, is_even);
        tcsetattr(&self.0, OptionalActions::Now, &settings).unwrap();
    }

    /// Sends all bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// Returns the bytes so far.
    pub fn read_now(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        match self.0.read(&mut bytes) {
            Ok(count) => bytes.truncate(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => bytes.clear(),
            Err(error) => panic!("{error}"),
        }
        bytes
    }

    /// Returns the bytes up to the point where they are `enough`.
    pub fn read_until(&mut self, enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
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
    pub fn read_to_hangup(&mut self) {
        let deadline = soon();
        while self.read_next(deadline).is_some() {}
    }

    /// Returns the next bytes, or none when the device has gone.
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

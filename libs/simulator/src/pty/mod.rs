//! Pseudo terminals: serial lines without hardware.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fmt, fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{OpenOptionsExt, symlink},
        },
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{OFlags, fcntl_setfl},
    io::Errno,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{InputModes, OptionalActions, tcgetattr, tcsetattr},
};

/// Interval of looks whether a program has opened the port: poll cannot wait for that.
const READER_CHECK: Duration = Duration::from_millis(5);

/// Device's end of a serial line; a program opens the other end at [`path`](Self::path).
///
/// The line is raw in both directions, and its baud rate does not matter but for a [`Wire`]. Dropping the `Pty` unplugs
/// the device: the program's next read ends with `Ok(0)` or `EIO`.
///
/// As on a real line, bytes sent while nobody has the port open are lost; [`held`](Self::held) changes that. Unlike a
/// real line, a pty that a killed program had opened with `TIOCEXCL` stays busy for everybody but root: put a new `Pty`
/// behind the same [`linked`](Self::linked) path.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    path: PathBuf,
    link: Option<Link>,
    held: Option<fs::File>,
    wire: Option<Mutex<Box<dyn Wire>>>,
}

/// Wire from the device to the program, which may change the bytes.
pub trait Wire: fmt::Debug + Send {
    /// Returns the bytes that a program with these settings reads when the device sends `bytes` now, followed by an idle
    /// line if they are the `last` ones.
    fn carry(&mut self, bytes: &[u8], program: Line, last: bool) -> Vec<u8>;
}

/// Settings of one end of a line, of eight bits each character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bits per second.
    pub baud: u32,
    /// Whether a parity bit makes the number of high ones even.
    pub is_even: bool,
}

/// Symbolic link that is removed with its device.
#[derive(Debug)]
struct Link(PathBuf);

impl Drop for Link {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0); // somebody else may have removed its directory
    }
}

impl Pty {
    /// Opens a new pseudo terminal.
    ///
    /// # Errors
    ///
    /// Fails where the system has none left.
    pub fn open() -> io::Result<Self> {
        // Close-on-exec: a child process that kept this end open would keep the device plugged in.
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        let path = PathBuf::from(OsStr::from_bytes(ptsname(&master, Vec::new())?.as_bytes()));

        // Settings outlive their maker. Only after a first opening and closing does the system tell this end whether
        // the other one is open.
        let slave = open_slave(&path)?;
        match tcgetattr(&slave) {
            Ok(mut settings) => {
                settings.make_raw();
                tcsetattr(&slave, OptionalActions::Now, &settings)?;
            }
            // qemu-user lacks the system call. The program that opens the other end makes its own settings.
            Err(Errno::NOSYS) => {}
            Err(err) => return Err(err.into()),
        }
        Ok(Self { master, path, link: None, held: None, wire: None })
    }

    /// Keeps the other end open from here too: bytes wait (the system keeps some 16 kB) for a program that opens the
    /// port later, and nothing sent between two openings is lost. Good for tests that send first; bad for a meter that
    /// pushes for ever, whose reader would begin with old telegrams.
    ///
    /// # Errors
    ///
    /// Fails where the other end cannot be opened.
    pub fn held(mut self) -> io::Result<Self> {
        self.held = Some(open_slave(&self.path)?);
        Ok(self)
    }

    /// Makes a symbolic link at `link`, which [`path`](Self::path) returns from now on. Dropping the `Pty` removes it;
    /// the next one can take its place, as a device that is plugged in again does.
    ///
    /// # Errors
    ///
    /// Fails where the link cannot be made, for example because there already is one.
    pub fn linked(mut self, link: impl Into<PathBuf>) -> io::Result<Self> {
        let link = link.into();
        symlink(&self.path, &link)?;
        self.link = Some(Link(link));
        Ok(self)
    }

    /// Sends everything through this wire. Each message is followed by an idle line.
    pub fn through(mut self, wire: impl Wire + 'static) -> Self {
        self.wire = Some(Mutex::new(Box::new(wire)));
        self
    }

    /// Returns the baud rate that the program has set for reading; 38400 before it has set one. It stays when the port
    /// is closed.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn baud(&self) -> io::Result<u32> {
        Ok(tcgetattr(&self.master)?.input_speed())
    }

    /// Returns the path that a program opens: the link where there is one, otherwise the terminal itself.
    pub fn path(&self) -> &Path {
        self.link.as_ref().map_or(&self.path, |link| &link.0)
    }

    /// Returns whether the other end is open; always so for a [`held`](Self::held) one.
    ///
    /// # Errors
    ///
    /// Returns the system's error.
    pub fn has_reader(&self) -> io::Result<bool> {
        Ok(!self.poll(PollFlags::empty(), Duration::ZERO)?.contains(PollFlags::HUP))
    }

    /// Sends as much as the line takes and returns at once. Bytes for which there is no reader, or no room because the
    /// reader does not read, are lost.
    ///
    /// # Errors
    ///
    /// Returns any I/O error, none of them because of the reader.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_some(&self.as_read(bytes, true)?).map(drop)
    }

    /// Like [`write_all`](Self::write_all), but more bytes follow directly.
    ///
    /// # Errors
    ///
    /// Returns any I/O error, none of them because of the reader.
    pub fn write_part(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_some(&self.as_read(bytes, false)?).map(drop)
    }

    /// Sends back bytes of the program, past the wire.
    ///
    /// # Errors
    ///
    /// Returns any I/O error, none of them because of the reader.
    pub fn reflect(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_some(bytes).map(drop)
    }

    /// Sends all of `bytes`, as fast as the other end takes them, and waits for it to be opened.
    ///
    /// # Errors
    ///
    /// `TimedOut` at the deadline, with a part of the bytes sent.
    pub fn write_blocking(&self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let mut sent = 0;
        self.wait(PollFlags::OUT, deadline)?; // its speed counts
        let bytes = self.as_read(bytes, true)?;
        while sent < bytes.len() {
            if !self.wait(PollFlags::OUT, deadline)? {
                let text = format!("nobody took more than {sent} of {} bytes", bytes.len());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            sent += self.write_some(&bytes[sent..])?;
        }
        Ok(())
    }

    /// Reads bytes that the program has sent to the device, waiting for the first one until the deadline. Returns their
    /// number, 0 if none came.
    ///
    /// # Errors
    ///
    /// Returns any I/O error, none of them because the other end is closed.
    pub fn read(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        if !self.wait(PollFlags::IN, deadline)? {
            return Ok(0);
        }
        match rustix::io::read(&self.master, buffer) {
            Err(Errno::AGAIN | Errno::IO) => Ok(0), // closed in between
            result => Ok(result?),
        }
    }

    /// Returns the bytes that the program reads when the device sends `bytes` now.
    fn as_read<'a>(&self, bytes: &'a [u8], last: bool) -> io::Result<Cow<'a, [u8]>> {
        let Some(wire) = &self.wire else { return Ok(bytes.into()) };
        let mut wire = wire.lock().unwrap_or_else(PoisonError::into_inner);
        let settings = tcgetattr(&self.master)?;
        // A pseudo terminal has no parity bits, so it forgets `PARENB`; a program that wants them has them checked too.
        let is_even = settings.input_modes.contains(InputModes::INPCK);
        Ok(wire.carry(bytes, Line { baud: settings.input_speed(), is_even }, last).into())
    }

    /// Sends until the line is full; returns the number of bytes sent.
    fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        // The system would keep bytes for the next reader, even after the last one has gone.
        while sent < bytes.len() && self.has_reader()? {
            match rustix::io::write(&self.master, &bytes[sent..]) {
                Err(Errno::AGAIN | Errno::IO) => break,
                result => sent += result?,
            }
        }
        Ok(sent)
    }

    /// Waits until the line is ready and the other end is open; returns `false` at the deadline.
    fn wait(&self, ready: PollFlags, deadline: Instant) -> io::Result<bool> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let state = self.poll(ready, left)?;
            let hung_up = state.contains(PollFlags::HUP);
            if state.contains(ready) && !hung_up {
                return Ok(true);
            }
            if left.is_zero() {
                return Ok(false);
            }
            if hung_up {
                thread::sleep(READER_CHECK.min(left)); // poll returns at once until somebody opens it
            }
        }
    }

    fn poll(&self, flags: PollFlags, timeout: Duration) -> io::Result<PollFlags> {
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let mut line = [PollFd::new(&self.master, flags)];
        match poll(&mut line, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(line[0].revents()),
            Err(error) => Err(error.into()),
        }
    }
}

fn open_slave(path: &Path) -> io::Result<fs::File> {
    // Not the controlling terminal: a hang-up must not end this process.
    let flags = OFlags::NOCTTY.bits() as i32;
    fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests;

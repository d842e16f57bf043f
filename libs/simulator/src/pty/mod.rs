//! Pseudo terminals: serial lines without hardware.

use std::{
    borrow::Cow,
    ffi::OsStr,
    fs, io,
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
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

use crate::uart::Receiver;

/// How often to look whether somebody has opened the port: poll cannot wait for that.
const READER_CHECK: Duration = Duration::from_millis(5);

/// The device's end of a serial line; a program opens the other end at [`path`](Self::path).
///
/// The line is raw in both directions and has no speed, until [`at`](Self::at) gives it one. Dropping
/// the `Pty` unplugs the device: the program's next read ends with `Ok(0)` or `EIO`.
///
/// As on a real line, bytes sent while nobody has the port open are lost; [`held`](Self::held)
/// changes that. Unlike a real line, a pty that a killed program had opened with `TIOCEXCL` stays
/// busy for everybody but root: put a new `Pty` behind the same [`linked`](Self::linked) path.
#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    path: PathBuf,
    link: Option<Link>,
    held: Option<fs::File>,
    speed: Mutex<Option<Speed>>,
}

/// What a device at a certain speed sends, and what the program's end makes of it.
#[derive(Debug)]
struct Speed {
    baud: u32,
    reader: Receiver,
}

/// A symbolic link that goes when its device goes.
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
    /// Where the system has none left.
    pub fn open() -> io::Result<Self> {
        // Close-on-exec: a child process that kept this end open would keep the device plugged in.
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        let path = PathBuf::from(OsStr::from_bytes(ptsname(&master, Vec::new())?.as_bytes()));

        // Settings outlive the one who made them. It also takes a first opening and closing until the
        // system tells this end whether somebody has the other one open.
        let slave = open_slave(&path)?;
        let mut settings = tcgetattr(&slave)?;
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings)?;
        Ok(Self { master, path, link: None, held: None, speed: Mutex::new(None) })
    }

    /// Keeps the other end open from here too, so that there always is a reader to send to: bytes wait
    /// (the system keeps some 16 kB) for a program that opens the port later, and nothing sent between
    /// two openings is lost. Good for tests that send first; bad for a meter that pushes for ever,
    /// whose reader would begin with old telegrams.
    ///
    /// # Errors
    ///
    /// Where the other end cannot be opened.
    pub fn held(mut self) -> io::Result<Self> {
        self.held = Some(open_slave(&self.path)?);
        Ok(self)
    }

    /// Makes a symbolic link at `link`, which [`path`](Self::path) gives from now on. Dropping the
    /// `Pty` removes it; the next one can take its place, as a device that is plugged in again does.
    ///
    /// # Errors
    ///
    /// Where the link cannot be made, for example because there already is one.
    pub fn linked(mut self, link: impl Into<PathBuf>) -> io::Result<Self> {
        let link = link.into();
        symlink(&self.path, &link)?;
        self.link = Some(Link(link));
        Ok(self)
    }

    /// Makes the device send at this speed: a program that has set another one reads what a
    /// [UART](crate::uart) makes of it. Each sending is followed by an idle line.
    pub fn at(self, baud: u32) -> Self {
        self.set_speed(baud);
        self
    }

    /// The speed that the program has set for reading, in baud; 38400 before anybody has set one. It
    /// stays when the port is closed.
    ///
    /// # Errors
    ///
    /// Those of the system's `tcgetattr`.
    pub fn baud(&self) -> io::Result<u32> {
        Ok(tcgetattr(&self.master)?.input_speed())
    }

    /// What a program opens: the link where there is one, the terminal itself otherwise.
    pub fn path(&self) -> &Path {
        self.link.as_ref().map_or(&self.path, |link| &link.0)
    }

    /// Whether somebody has the other end open; always so for a [`held`](Self::held) one.
    ///
    /// # Errors
    ///
    /// Those of the system's `poll`.
    pub fn has_reader(&self) -> io::Result<bool> {
        Ok(!self.poll(PollFlags::empty(), Duration::ZERO)?.contains(PollFlags::HUP))
    }

    /// Sends what the line takes and returns at once. Bytes for which there is no reader, or no room
    /// because the reader does not read, are lost.
    ///
    /// # Errors
    ///
    /// Those of the system, none of them because of the reader.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_some(&self.as_read(bytes, true)?).map(drop)
    }

    /// Like [`write_all`](Self::write_all), but more bytes follow directly.
    pub(crate) fn write_part(&self, bytes: &[u8]) -> io::Result<()> {
        self.write_some(&self.as_read(bytes, false)?).map(drop)
    }

    /// Sends back what the program has sent, as it has the right speed for it.
    pub(crate) fn reflect(&self, bytes: &[u8]) -> io::Result<()> {
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

    /// Reads what the program has sent to the device, waiting for a first byte until the deadline.
    /// Returns how many bytes were read: 0 if none came.
    ///
    /// # Errors
    ///
    /// Those of the system, none of them because nobody has the other end open.
    pub fn read(&self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        if !self.wait(PollFlags::IN, deadline)? {
            return Ok(0);
        }
        match rustix::io::read(&self.master, buffer) {
            Err(Errno::AGAIN | Errno::IO) => Ok(0), // closed in between
            result => Ok(result?),
        }
    }

    /// See [`at`](Self::at); for a device that changes its speed.
    pub(crate) fn set_speed(&self, baud: u32) {
        let mut speed = self.speed.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *speed {
            Some(speed) => speed.baud = baud,
            None => *speed = Some(Speed { baud, reader: Receiver::default() }),
        }
    }

    /// What the program reads when the device sends `bytes` now, followed by an idle line if they are the
    /// `last` ones.
    fn as_read<'a>(&self, bytes: &'a [u8], last: bool) -> io::Result<Cow<'a, [u8]>> {
        let mut speed = self.speed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Speed { baud, reader }) = &mut *speed else {
            return Ok(bytes.into());
        };
        let program = self.baud()?;
        if program == *baud && reader.is_idle() {
            return Ok(bytes.into());
        }
        let mut read = Vec::new();
        for byte in bytes {
            reader.character(*byte, *baud, program, &mut read);
        }
        if last {
            reader.idle(&mut read);
        }
        Ok(read.into())
    }

    /// Sends until the line is full, and tells how many bytes went.
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

    /// Waits until the line is ready and somebody has the other end open; `false` at the deadline.
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

pub(crate) fn open_slave(path: &Path) -> io::Result<fs::File> {
    // Not the controlling terminal: a hang-up must not end this process.
    let flags = OFlags::NOCTTY.bits() as i32;
    fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests;

//! A byte stream from a device: a serial port, a TCP connection to one (ser2net), or what was recorded of
//! one ([`Recording`]).
//!
//! A serial port is opened as 8N1 whatever the meter speaks: 7E1 frames have as many bits, so they
//! arrive with the parity in bit 7, where a decoder can judge it byte by byte. The kernel's own
//! parity check would hand on a damaged byte as NUL, or not at all.

mod pacer;
mod port;
mod recording;
mod replay;

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};

use mio_serial::SerialPort as _;
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::replay::Replay;
pub use crate::{
    pacer::Pacer,
    port::Port,
    recording::{Chunk, Header, MAX_CHUNK, Origin, Recorder, Recording},
};

/// How long a TCP connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A TCP connection without traffic is asked for life after this long: its far end may be gone for good.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How often to look whether a port has sent what it was given: no event tells.
const SENT_CHECK: Duration = Duration::from_millis(2);
/// How much longer than its bits take a port may need to send something.
const SEND_LIMIT: Duration = Duration::from_secs(2);
/// Start bit, eight of the character, stop bit.
const BITS: u32 = 10;

/// An open port.
///
/// It can [`nap`](Self::nap): let bytes gather in the kernel without waking this process for each.
#[derive(Debug)]
pub struct Line {
    // Watched by the runtime, or not while it naps; one of the two is there at any time.
    watched: Option<AsyncFd<Device>>,
    unwatched: Option<Device>,
    baud: u32,
}

#[derive(Debug)]
enum Device {
    Serial(mio_serial::SerialStream),
    Tcp(TcpStream),
    /// Never watched: it has no events, only times.
    Replay(Box<Replay>),
}

impl Line {
    /// Opens `port`; a serial one exclusively, with `baud` bits a second. A recording begins to play.
    ///
    /// # Errors
    /// What the system says, with what to do where that is known.
    pub async fn open(port: &Port, baud: u32) -> io::Result<Self> {
        let device = match port {
            Port::Serial(path) => {
                let builder = mio_serial::new(path.to_string_lossy(), baud);
                Device::Serial(mio_serial::SerialStream::open(&builder).map_err(explain)?)
            }
            Port::Tcp(address) => {
                let stream = timeout(CONNECT_LIMIT, tokio::net::TcpStream::connect(address))
                    .await
                    .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s"))??
                    .into_std()?;
                rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
                rustix::net::sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
                rustix::net::sockopt::set_tcp_keepintvl(&stream, KEEP_ALIVE)?;
                rustix::net::sockopt::set_tcp_keepcnt(&stream, 3)?;
                Device::Tcp(stream)
            }
            Port::Replay { file, speed } => {
                let replay = Box::new(Replay::open(file, baud, *speed)?);
                let baud = replay.baud().unwrap_or(baud);
                return Ok(Self { watched: None, unwatched: Some(Device::Replay(replay)), baud });
            }
        };
        Ok(Self { watched: None, unwatched: Some(device), baud })
    }

    /// Waits for bytes and reads what is there. Never `Ok(0)`: a device that went away is an error
    /// (a hung-up serial port would say "nothing" for ever).
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the device went away, and at the end of a recording.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it has read nothing.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(Device::Replay(replay)) = &mut self.unwatched {
            return replay.read(buffer).await;
        }
        let watched = self.watch()?;
        loop {
            let mut ready = watched.readable_mut().await?;
            let result = ready.try_io(|device| device.get_mut().read(buffer));
            match result {
                Ok(Ok(0)) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the device went away"));
                }
                Ok(Ok(read)) => {
                    if read < buffer.len() {
                        ready.clear_ready(); // it was all: spare the read that would say so
                    }
                    return Ok(read);
                }
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }

    /// Sends all of `bytes`, and waits until the last bit is on the line.
    ///
    /// # Errors
    /// What the system says; `TimedOut` when the port does not take or send them.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bits = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_mul(BITS);
        let on_line = Instant::now() + Duration::from_secs(1) * bits / self.baud.max(1);
        let send = async {
            let mut left = bytes;
            while !left.is_empty() {
                match self.device()?.write(left) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(sent) => left = &left[sent..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(SENT_CHECK).await,
                    Err(error) => return Err(error),
                }
            }
            // The queue is empty before the adapter's own memory is: both must be waited for.
            while self.device()?.unsent()? > 0 {
                sleep(SENT_CHECK).await;
            }
            sleep_until(on_line).await;
            Ok(())
        };
        match timeout(on_line - Instant::now() + SEND_LIMIT, send).await {
            Ok(result) => result,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the port does not send what it is given")),
        }
    }

    /// Changes the speed; nothing happens where it is not ours to change (TCP, a recording).
    ///
    /// # Errors
    /// What the system says.
    pub fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        if let Device::Serial(port) = self.device()? {
            port.set_baud_rate(baud)?;
            self.baud = baud;
        }
        Ok(())
    }

    /// Bits a second, as far as this end knows.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// Whether the speed is ours to change: a TCP server in front of the port has its own.
    pub fn has_speed(&self) -> bool {
        let device = self.watched.as_ref().map(AsyncFd::get_ref).or(self.unwatched.as_ref());
        matches!(device, Some(Device::Serial(_)))
    }

    /// Throws away what has arrived and was not read.
    ///
    /// # Errors
    /// What the system says.
    pub fn discard(&mut self) -> io::Result<()> {
        match self.device()? {
            Device::Serial(port) => port.clear(mio_serial::ClearBuffer::Input)?,
            Device::Tcp(stream) => {
                let mut bytes = [0; 4096];
                while stream.read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
            }
            Device::Replay(_) => {}
        }
        Ok(())
    }

    /// Sleeps until `when` without being woken by bytes. They wait in the kernel, which keeps about
    /// 4,000 of them: see [`Pacer`].
    ///
    /// # Cancel safety
    /// Dropped early, it is as if `when` had come.
    pub async fn nap(&mut self, when: Instant) {
        if let Some(watched) = self.watched.take() {
            self.unwatched = Some(watched.into_inner());
        }
        sleep_until(when).await;
    }

    fn device(&mut self) -> io::Result<&mut Device> {
        let device = self.watched.as_mut().map(AsyncFd::get_mut).or(self.unwatched.as_mut());
        device.ok_or_else(not_watched)
    }

    // Its successor is `unsafe`: the descriptor must stay open while it is watched. `Device` owns it and lies
    // within the watcher, so it does.
    #[allow(deprecated)]
    fn watch(&mut self) -> io::Result<&mut AsyncFd<Device>> {
        if let Some(device) = self.unwatched.take() {
            self.watched = Some(AsyncFd::with_interest(device, Interest::READABLE)?);
        }
        self.watched.as_mut().ok_or_else(not_watched)
    }
}

fn not_watched() -> io::Error {
    io::Error::other("the port could not be watched")
}

impl Device {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Serial(port) => port.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Replay(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Serial(port) => port.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
            // What was recorded answers nobody.
            Self::Replay(_) => Ok(bytes.len()),
        }
    }

    /// Bytes that the system has yet to send.
    fn unsent(&self) -> io::Result<u32> {
        match self {
            Self::Serial(port) => Ok(port.bytes_to_write()?),
            Self::Tcp(_) | Self::Replay(_) => Ok(0),
        }
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Serial(port) => port.as_raw_fd(),
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Replay(replay) => replay.as_raw_fd(),
        }
    }
}

/// What keeps a serial port from being opened, and what helps.
fn explain(error: mio_serial::Error) -> io::Error {
    let busy = error.kind() == mio_serial::ErrorKind::NoDevice && error.description.contains("lock");
    let no_terminal = error.description == "Not a typewriter"; // ENOTTY, whose number is not handed on
    let error = io::Error::from(error);
    match error.kind() {
        _ if busy => {
            io::Error::new(io::ErrorKind::ResourceBusy, "another program is reading it; stop that one first")
        }
        _ if no_terminal => io::Error::new(io::ErrorKind::InvalidInput, "this is no serial port"),
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "no such device; is it plugged in?"),
        io::ErrorKind::PermissionDenied => {
            io::Error::new(error.kind(), "permission denied; add this user to the group `dialout`")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_serial_port_is_called_so() {
        for path in ["/dev/null", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")] {
            let error = Line::open(&path.parse().unwrap(), 9600).await.unwrap_err();
            assert_eq!(error.to_string(), "this is no serial port", "{path}");
        }
    }
}

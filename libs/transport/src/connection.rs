//! Connection to a device: serial port, TCP or recording.

use std::{
    fmt::Debug,
    fs::OpenOptions,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use rustix::{fs::OFlags, net::sockopt, termios::isatty};
use serialport::{SerialPort as _, TTYPort};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_serial::SerialStream;

use crate::{Line, Parity, Port, advice, replay::Replay};

/// Longest time to establish a TCP connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Interval of keep-alive probes on an idle TCP connection: the other end may be gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Interval of looks at the bytes that a port has yet to send: no event reports that.
const SENT_CHECK: Duration = Duration::from_millis(2);
/// Time a port may need to send something, beyond the time of its bits.
const SEND_LIMIT: Duration = Duration::from_secs(2);
/// Bits of a character on the line: start bit, eight of the character, stop bit.
const BITS: u32 = 10;

/// Connection to a device through an open port.
///
/// It can [`nap`](Self::nap): bytes then gather in the kernel without waking this process for each of them.
#[derive(Debug)]
pub struct Connection {
    device: Device,
    /// Clone of the device that is registered with the runtime; `None` during a nap. The runtime watches a descriptor
    /// from its registration on, awaited or not, so the only way to sleep through bytes is to drop the clone.
    watched: Option<Box<dyn Stream>>,
    baud: u32,
    received: u64,
}

trait Stream: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> Stream for S {}

#[derive(Debug)]
enum Device {
    Serial(TTYPort),
    Tcp(std::net::TcpStream),
    /// Never watched: it has times instead of events.
    Replay(Box<Replay>),
}

impl Connection {
    /// Opens `port`; a serial one exclusively, at `baud` bits per second. A recording begins to play.
    ///
    /// # Errors
    /// Returns the system's error, with advice where the cause is known.
    pub async fn open(port: &Port, baud: u32) -> io::Result<Self> {
        let device = match port {
            Port::Serial(path) => {
                let opened = serialport::new(path.to_string_lossy(), baud).open_native();
                Device::Serial(opened.map_err(|error| explain(error, path))?)
            }
            Port::Tcp(address) => {
                let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer within 5 s");
                let socket = timeout(CONNECT_LIMIT, TcpStream::connect(address)).await.map_err(late)??;
                sockopt::set_socket_keepalive(&socket, true)?;
                sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE)?;
                sockopt::set_tcp_keepintvl(&socket, KEEP_ALIVE)?;
                sockopt::set_tcp_keepcnt(&socket, 3)?;
                Device::Tcp(socket.into_std()?)
            }
            Port::Replay { file, speed } => Device::Replay(Box::new(Replay::open(file, baud, *speed)?)),
        };
        let recorded = if let Device::Replay(replay) = &device { replay.baud() } else { None };
        Ok(Self { device, watched: None, baud: recorded.unwrap_or(baud), received: 0 })
    }

    /// Waits for bytes and reads those that are there. Never returns 0: a hung-up serial port would do so for ever.
    ///
    /// # Errors
    /// Returns any I/O error; `UnexpectedEof` when the device went away, and at the end of a recording.
    ///
    /// # Cancel safety
    /// A dropped call has read nothing.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.device {
            Device::Replay(replay) => replay.read(buffer).await?,
            _ => self.watched()?.read(buffer).await?,
        };
        self.received += count as u64;
        match count {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the device went away")),
            count => Ok(count),
        }
    }

    /// Returns the number of bytes that were read since it was opened.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Sends all of `bytes` and waits until the last bit is on the line. A recording ignores them.
    ///
    /// # Errors
    /// Returns any I/O error; `TimedOut` when the port does not take or send them.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bits = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_mul(BITS);
        let on_line = Instant::now() + Duration::from_secs(1) * bits / self.baud.max(1);
        let send = async {
            if !matches!(self.device, Device::Replay(_)) {
                self.watched()?.write_all(bytes).await?;
            }
            // The queue is empty before the adapter's own memory is, so both must be waited for.
            while self.device.unsent()? > 0 {
                sleep(SENT_CHECK).await;
            }
            sleep_until(on_line).await;
            Ok(())
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the port does not send its bytes");
        timeout(on_line - Instant::now() + SEND_LIMIT, send).await.map_err(late)?
    }

    /// Changes the baud rate of a serial port; does nothing for others.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        if let Device::Serial(port) = &mut self.device {
            port.set_baud_rate(baud)?;
            self.baud = baud;
        }
        Ok(())
    }

    /// Changes the parity of a serial port, which has none after the opening; does nothing for others.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn set_parity(&mut self, parity: Parity) -> io::Result<()> {
        if let Device::Serial(port) = &mut self.device {
            port.set_parity(match parity {
                Parity::None => serialport::Parity::None,
                Parity::Even => serialport::Parity::Even,
            })?;
        }
        Ok(())
    }

    /// Changes parity and baud rate of a serial port; does nothing for others.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn set_line(&mut self, line: Line) -> io::Result<()> {
        self.set_parity(line.parity)?;
        self.set_baud(line.baud)
    }

    /// Returns the baud rate as far as this end knows it.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// Returns whether this end sets the baud rate: a TCP server has its own.
    pub fn has_baud(&self) -> bool {
        matches!(self.device, Device::Serial(_))
    }

    /// Discards the bytes that have arrived and were not read.
    ///
    /// # Errors
    /// Returns the system's error.
    pub fn discard(&mut self) -> io::Result<()> {
        match &mut self.device {
            Device::Serial(port) => port.clear(serialport::ClearBuffer::Input)?,
            Device::Tcp(socket) => {
                let mut bytes = [0; 4096];
                while socket.read(&mut bytes).is_ok_and(|count| count == bytes.len()) {}
            }
            Device::Replay(_) => {}
        }
        Ok(())
    }

    /// Sleeps until `when` without being woken by bytes. They wait in the kernel, which keeps about 4,000 of them: see
    /// [`Pacer`](crate::Pacer).
    ///
    /// # Errors
    /// Returns the system's error when the port cannot be locked again.
    ///
    /// # Cancel safety
    /// A dropped call ends the sleep early.
    pub async fn nap(&mut self, when: Instant) -> io::Result<()> {
        // The exclusive mode belongs to the terminal, and dropping any of its `TTYPort`s ends it.
        if self.watched.take().is_some()
            && let Device::Serial(port) = &mut self.device
        {
            port.set_exclusive(true)?;
        }
        sleep_until(when).await;
        Ok(())
    }

    fn watched(&mut self) -> io::Result<&mut dyn Stream> {
        let stream = match self.watched.take() {
            Some(stream) => stream,
            None => self.device.watch()?,
        };
        Ok(self.watched.insert(stream))
    }
}

impl Device {
    /// Registers a clone with the runtime.
    fn watch(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Serial(port) => Ok(Box::new(SerialStream::try_from(port.try_clone_native()?)?)),
            Self::Tcp(socket) => Ok(Box::new(TcpStream::from_std(socket.try_clone()?)?)),
            Self::Replay(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns the number of bytes that the system has yet to send.
    fn unsent(&self) -> io::Result<u32> {
        match self {
            Self::Serial(port) => Ok(port.bytes_to_write()?),
            Self::Tcp(_) | Self::Replay(_) => Ok(0),
        }
    }
}

/// Adds advice to an error from opening the serial port at `path`.
fn explain(error: serialport::Error, path: &Path) -> io::Error {
    let (kind, advice) = match error.kind() {
        // Another process has it in exclusive mode, or holds its lock.
        serialport::ErrorKind::NoDevice => (io::ErrorKind::ResourceBusy, advice::for_busy(path)),
        serialport::ErrorKind::Io(kind @ io::ErrorKind::NotFound) => {
            (kind, "no such device; is it plugged in?".to_owned())
        }
        serialport::ErrorKind::Io(kind @ io::ErrorKind::PermissionDenied) => {
            (kind, advice::for_forbidden(path))
        }
        _ if is_no_terminal(path) => (io::ErrorKind::InvalidInput, "not a serial port".to_owned()),
        _ => return error.into(),
    };
    io::Error::new(kind, advice)
}

/// Asked only after an error: each opening of a real port moves its DTR line.
fn is_no_terminal(path: &Path) -> bool {
    let flags = OFlags::NOCTTY | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    opened.is_ok_and(|file| !isatty(file))
}

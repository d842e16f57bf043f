//! A byte stream from a device: a serial port, or a TCP connection to one (ser2net).
//!
//! A serial port is opened as 8N1 whatever the meter speaks: 7E1 frames have as many bits, so they
//! arrive with the parity in bit 7, where a decoder can judge it byte by byte. The kernel's own
//! parity check would hand on a damaged byte as NUL, or not at all.

mod pacer;
mod port;

use std::{
    io::{self, Read as _},
    net::TcpStream,
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, sleep_until, timeout},
};

pub use crate::{pacer::Pacer, port::Port};

/// How long a TCP connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A TCP connection without traffic is asked for life after this long: its far end may be gone for good.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// An open port.
///
/// It can [`nap`](Self::nap): let bytes gather in the kernel without waking this process for each.
#[derive(Debug)]
pub struct Line {
    // Watched by the runtime, or not while it naps; one of the two is there at any time.
    watched: Option<AsyncFd<Device>>,
    unwatched: Option<Device>,
}

#[derive(Debug)]
enum Device {
    Serial(mio_serial::SerialStream),
    Tcp(TcpStream),
}

impl Line {
    /// Opens `port`; a serial one exclusively, with `baud` bits a second.
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
        };
        Ok(Self { watched: None, unwatched: Some(device) })
    }

    /// Waits for bytes and reads what is there. Never `Ok(0)`: a device that went away is an error
    /// (a hung-up serial port would say "nothing" for ever).
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the device went away.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it has read nothing.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
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

    // Its successor is `unsafe`: the descriptor must stay open while it is watched. `Device` owns it and lies
    // within the watcher, so it does.
    #[allow(deprecated)]
    fn watch(&mut self) -> io::Result<&mut AsyncFd<Device>> {
        if let Some(device) = self.unwatched.take() {
            self.watched = Some(AsyncFd::with_interest(device, Interest::READABLE)?);
        }
        self.watched.as_mut().ok_or_else(|| io::Error::other("the port could not be watched"))
    }
}

impl Device {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Serial(port) => port.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Serial(port) => port.as_raw_fd(),
            Self::Tcp(stream) => stream.as_raw_fd(),
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

//! GPIO through the kernel's character device, on any Linux board.
//!
//! It needs version 2 of the interface, as of kernel 5.10. The kernel stamps and numbers each edge, and keeps 1024 of
//! them for a reader that is late.

use std::{
    fs::File,
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    time::Duration,
};

use framework::KeptFile;
use gpiocdev::{
    Chip, Request,
    line::{Bias, EdgeDetection, EventClock, Info},
};
use gpiocdev_uapi::v2::{LineEdgeEvent, LineValues, get_line_values, has_event, read_event};
use tokio::io::{Interest, unix::AsyncFd};

use crate::{
    config::{Gpio, Pull, Where},
    counter::Edge,
};

/// Chip of a line that is configured by its number alone.
pub(crate) const FIRST_CHIP: &str = "/dev/gpiochip0";
/// Edges that the kernel keeps for one line: as many as it allows.
pub(crate) const KERNEL_BUFFER: u32 = 1024;
/// Most edges that one read returns.
const AT_ONCE: usize = 256;
/// Name of this program beside the line, for other programs.
const CONSUMER: &str = "smartmeter s0";
/// The kernel's number for an edge after which the line is high (`GPIO_V2_LINE_EVENT_RISING_EDGE`).
const RISING: u32 = 1;

/// GPIO line that is requested from the kernel.
#[derive(Debug)]
pub(crate) struct Cdev {
    // Exactly one of the two is there: the runtime watches the line, or it does not while the line naps.
    watched: Option<AsyncFd<File>>,
    unwatched: Option<File>,
    active_high: bool,
    buffer: Vec<u64>,
}

/// State in which a line was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// It was requested; the level, where that is certain.
    Requested(Option<bool>),
    /// The kernel has watched it since an earlier run, and queued its edges.
    Kept,
}

impl Cdev {
    /// Opens a line: the one that was kept over a restart, or one that is requested, and kept from now on. Also returns its
    /// full name.
    ///
    /// # Errors
    /// Fails if the line does not exist, is in use, or may not be used; the text says what to do.
    pub(crate) fn open(gpio: &Gpio, place: &KeptFile) -> io::Result<(Self, Start, String)> {
        let (chip, offset) = find(gpio);
        if let Some(file) = place.get().map(File::from) {
            let info = line_info(&chip, offset)?;
            if fits(&info, gpio) && level(&file).is_ok() {
                return Ok((Self::new(file, gpio.active_high), Start::Kept, describe(&chip, &info)));
            }
            place.close();
        }
        let info = line_info(&chip, offset)?;
        let device = describe(&chip, &info);
        if info.used {
            let by = if info.consumer.is_empty() { "the kernel" } else { &info.consumer };
            let text = format!("{device} is in use by `{by}`; stop that, or use another line");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        let request = Request::builder()
            .on_chip(&chip)
            .with_consumer(CONSUMER)
            .with_line(offset)
            .as_input()
            .with_bias(bias(gpio.pull))
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_event_clock(EventClock::Monotonic)
            .with_kernel_event_buffer_size(KERNEL_BUFFER)
            .request()
            .map_err(system_error)?;
        let file = File::from(request.as_fd().try_clone_to_owned()?);
        let is_high = level(&file)?;
        // If no edge came until now, the level is the one before the first edge.
        let is_certain = !has_event(&file).map_err(uapi_error)?;
        let start = Start::Requested(is_certain.then_some(is_high == gpio.active_high));
        place.keep(&file);
        Ok((Self::new(file, gpio.active_high), start, device))
    }

    fn new(line: File, active_high: bool) -> Self {
        let buffer = vec![0; AT_ONCE * LineEdgeEvent::u64_size()];
        Self { watched: None, unwatched: Some(line), active_high, buffer }
    }

    /// Waits for edges, and adds them.
    ///
    /// # Errors
    /// Returns any I/O error.
    ///
    /// # Cancel safety
    /// Edges that were read are in `read`.
    pub(crate) async fn read(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        if let Some(line) = self.unwatched.take() {
            self.watched = Some(watch(line)?);
        }
        let line = self.watched.as_ref().ok_or_else(gone)?;
        loop {
            let mut ready = line.readable().await?;
            let is_there = has_event(line.get_ref()).map_err(uapi_error)?;
            if is_there {
                take(line.get_ref(), &mut self.buffer, self.active_high, read)?;
            }
            // The runtime takes a line for readable until it is told that it is not, and would spin.
            if !has_event(line.get_ref()).map_err(uapi_error)? {
                ready.clear_ready();
            }
            if is_there {
                return Ok(());
            }
        }
    }

    /// Has further edges not wake this process until the next [`read`](Self::read).
    pub(crate) fn nap(&mut self) {
        if let Some(line) = self.watched.take() {
            self.unwatched = Some(line.into_inner());
        }
    }

    /// Adds the edges that are there. Further ones do not wake this process until the next [`read`](Self::read).
    ///
    /// # Errors
    /// Returns any I/O error.
    pub(crate) fn drain(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        self.nap();
        let line = self.unwatched.as_ref().ok_or_else(gone)?;
        // A storm of edges must not keep this loop running.
        while read.len() < KERNEL_BUFFER as usize && has_event(line).map_err(uapi_error)? {
            take(line, &mut self.buffer, self.active_high, read)?;
        }
        Ok(())
    }

    /// Checks that the chip is still there: kernels before 6.6 do not tell a reader that waits for edges.
    ///
    /// # Errors
    /// Returns the I/O error of a chip that is gone.
    pub(crate) fn check(&self) -> io::Result<()> {
        let line = self.watched.as_ref().map(AsyncFd::get_ref).or(self.unwatched.as_ref());
        level(line.ok_or_else(gone)?).map(drop)
    }
}

/// Has the runtime watch a line.
#[expect(
    deprecated,
    reason = "what replaces it is unsafe; a `File` has the same descriptor until it is closed"
)]
fn watch(line: File) -> io::Result<AsyncFd<File>> {
    AsyncFd::with_interest(line, Interest::READABLE)
}

/// Returns whether a line is high.
fn level(line: &File) -> io::Result<bool> {
    let mut values = LineValues::from_slice(&[false]);
    get_line_values(line, &mut values).map_err(uapi_error)?;
    Ok(values.get(0) == Some(true))
}

/// Reads the edges that are there.
fn take(line: &File, buffer: &mut [u64], active_high: bool, read: &mut Vec<Edge>) -> io::Result<()> {
    let words = read_event(line, buffer).map_err(uapi_error)?;
    if words == 0 {
        return Err(gone());
    }
    for event in buffer[..words].chunks_exact(LineEdgeEvent::u64_size()) {
        let event = LineEdgeEvent::from_slice(event).map_err(uapi_error)?;
        read.push(Edge {
            time: Duration::from_nanos(event.timestamp_ns),
            active: (event.kind == RISING) == active_high,
            seqno: event.line_seqno,
        });
    }
    Ok(())
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the line is not open")
}

/// Returns the resistor to ask for; `None` leaves it as the boot configuration set it.
fn bias(pull: Pull) -> Option<Bias> {
    match pull {
        Pull::Up => Some(Bias::PullUp),
        Pull::Down => Some(Bias::PullDown),
        Pull::None => None,
    }
}

/// Returns whether a line that was kept is watched as the configuration asks for.
fn fits(info: &Info, gpio: &Gpio) -> bool {
    info.used
        && info.consumer == CONSUMER
        && info.edge_detection == Some(EdgeDetection::BothEdges)
        && matches!(info.event_clock, None | Some(EventClock::Monotonic))
        && bias(gpio.pull).is_none_or(|bias| info.bias == Some(bias))
}

/// Returns chip and offset of the configured line.
fn find(gpio: &Gpio) -> (PathBuf, u32) {
    match (&gpio.line, &gpio.chip) {
        (Where::Line(offset), chip) => (chip.clone().unwrap_or_else(|| FIRST_CHIP.into()), *offset),
        (Where::Pin(pin), None) => {
            // The line's name is the same on every Raspberry Pi; the chip's number differs on a Pi 5.
            match gpiocdev::find_named_line(&format!("GPIO{pin}")) {
                Some(found) => (found.chip, found.info.offset),
                None => (FIRST_CHIP.into(), *pin),
            }
        }
        (Where::Pin(pin), Some(chip)) => {
            let named =
                Chip::from_path(chip).ok().and_then(|chip| chip.find_line_info(&format!("GPIO{pin}")));
            (chip.clone(), named.map_or(*pin, |info| info.offset))
        }
    }
}

/// Returns what the kernel knows of a line.
fn line_info(path: &Path, offset: u32) -> io::Result<Info> {
    let chip = Chip::from_path(path).map_err(|error| explain(path, system_error(error)))?;
    let lines = chip.info().map_err(system_error)?.num_lines;
    if offset >= lines {
        let shown = path.display();
        let text =
            format!("{shown} has {lines} lines, counted from 0; choose another with `chip` and `line`");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    chip.line_info(offset).map_err(system_error)
}

/// Returns a line's full name.
fn describe(chip: &Path, info: &Info) -> String {
    let name = if info.name.is_empty() { String::new() } else { format!(" ({})", info.name) };
    format!("{} line {}{name}", chip.display(), info.offset)
}

fn explain(chip: &Path, error: io::Error) -> io::Error {
    let chip = chip.display();
    let text = match error.kind() {
        io::ErrorKind::NotFound => format!(
            "there is no {chip}; choose one that `ls /dev/gpiochip*` shows with `chip` and `line`, or use `port`"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("no permission to use {chip}; add this user to the group `gpio`")
        }
        _ => format!("could not use {chip}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

fn system_error(error: gpiocdev::Error) -> io::Error {
    match error {
        gpiocdev::Error::Os(errno) => io::Error::from_raw_os_error(errno.0),
        error => io::Error::other(error.to_string()), // its text includes the cause
    }
}

fn uapi_error(error: gpiocdev_uapi::Error) -> io::Error {
    match error {
        gpiocdev_uapi::Error::Os(errno) => io::Error::from_raw_os_error(errno.0),
        error => io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Record of an edge, as the kernel writes it.
    fn record(time: u64, kind: u32, seqno: u32) -> Vec<u8> {
        let mut record = time.to_ne_bytes().to_vec();
        // Kind, offset, number among all lines, number of this line, and six words for later.
        [kind, 17, 9999, seqno].iter().for_each(|word| record.extend_from_slice(&word.to_ne_bytes()));
        record.resize(48, 0);
        record
    }

    #[tokio::test]
    async fn edges_that_the_kernel_queued_while_nobody_read_are_all_read() {
        let (queue, mut kernel) = io::pipe().unwrap();
        let queued: Vec<_> =
            (1..=1024).flat_map(|n| record(u64::from(n) * 1000, 1 + (n + 1) % 2, n)).collect();
        kernel.write_all(&queued).unwrap();
        let mut line = Cdev::new(File::from(std::os::fd::OwnedFd::from(queue)), true);
        let mut read = Vec::new();
        line.read(&mut read).await.unwrap();
        line.drain(&mut read).unwrap();
        let expected =
            (1..=1024).map(|n| Edge { time: Duration::from_micros(n), active: n % 2 == 1, seqno: n as u32 });
        assert!(read.iter().copied().eq(expected));
        read.clear();
        kernel.write_all(&record(5, 2, 1025)).unwrap();
        line.read(&mut read).await.unwrap();
        assert_eq!(read, [Edge { time: Duration::from_nanos(5), active: false, seqno: 1025 }]);
        drop(kernel);
        assert!(line.read(&mut read).await.is_err(), "a line that is gone");
    }
}

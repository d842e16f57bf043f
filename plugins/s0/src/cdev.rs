//! GPIO through the kernel's character device, on any Linux board.
//!
//! It needs version 2 of the interface, as of kernel 5.10. The kernel stamps and numbers each edge, and keeps 1024 of
//! them for a reader that is late.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use gpiocdev::{
    Chip, Request,
    line::{Bias, EdgeDetection, EdgeKind, EventClock, Value},
    tokio::AsyncRequest,
};

use crate::{
    config::{Gpio, Pull, Where},
    counter::Edge,
};

/// Chip of a line that is configured by its number alone.
pub(crate) const FIRST_CHIP: &str = "/dev/gpiochip0";
/// Edges that the kernel keeps for one line.
const KERNEL_BUFFER: u32 = 1024;
/// Most edges that one read returns.
const AT_ONCE: usize = 256;

/// GPIO line that is requested from the kernel.
#[derive(Debug)]
pub(crate) struct Cdev {
    // Exactly one of the two is there: the runtime watches the line, or it does not while the line naps.
    watched: Option<AsyncRequest>,
    unwatched: Option<Request>,
    active_high: bool,
    buffer: Vec<u64>,
}

impl Cdev {
    /// Requests a line. Also returns whether it is active, where that is certain, and its full name.
    ///
    /// # Errors
    /// Fails if the line does not exist, is in use, or may not be used; the text says what to do.
    pub(crate) fn open(gpio: &Gpio) -> io::Result<(Self, Option<bool>, String)> {
        let (chip, offset) = find(gpio);
        let device = describe(&chip, offset)?;
        let request = Request::builder()
            .on_chip(&chip)
            .with_consumer("smartmeter s0")
            .with_line(offset)
            .as_input()
            .with_bias(match gpio.pull {
                Pull::Up => Some(Bias::PullUp),
                Pull::Down => Some(Bias::PullDown),
                Pull::None => None, // left as the boot configuration set it
            })
            .with_edge_detection(EdgeDetection::BothEdges)
            .with_event_clock(EventClock::Monotonic)
            .with_kernel_event_buffer_size(KERNEL_BUFFER)
            .request()
            .map_err(system_error)?;
        let value = request.lone_value().map_err(system_error)?;
        // If no edge came until now, the level is the one before the first edge.
        let certain = !request.has_edge_event().map_err(system_error)?;
        let level = certain.then_some((value == Value::Active) == gpio.active_high);
        let buffer = vec![0; AT_ONCE * request.edge_event_u64_size()];
        let cdev = Self { watched: None, unwatched: Some(request), active_high: gpio.active_high, buffer };
        Ok((cdev, level, device))
    }

    /// Waits for edges, and adds them.
    ///
    /// # Errors
    /// Returns any I/O error.
    ///
    /// # Cancel safety
    /// Edges that were read are in `read`.
    pub(crate) async fn read(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        if let Some(request) = self.unwatched.take() {
            self.watched = Some(request.into());
        }
        // Read through `AsyncRequest` only: it takes a line for readable until it has itself read the last edge,
        // and would spin if that edge was read from the request beneath it.
        let request = self.watched.as_ref().ok_or_else(gone)?;
        let words = request.read_edge_events_into_slice(&mut self.buffer).await.map_err(system_error)?;
        parse(request.as_ref(), &self.buffer[..words], self.active_high, read)
    }

    /// Adds the edges that are there. Further ones do not wake this process until the next [`read`](Self::read).
    ///
    /// # Errors
    /// Returns any I/O error.
    pub(crate) fn drain(&mut self, read: &mut Vec<Edge>) -> io::Result<()> {
        if let Some(request) = self.watched.take() {
            self.unwatched = Some(request.into());
        }
        let request = self.unwatched.as_ref().ok_or_else(gone)?;
        // A storm of edges must not keep this loop running.
        while read.len() < KERNEL_BUFFER as usize && request.has_edge_event().map_err(system_error)? {
            let words = request.read_edge_events_into_slice(&mut self.buffer).map_err(system_error)?;
            parse(request, &self.buffer[..words], self.active_high, read)?;
        }
        Ok(())
    }

    /// Checks that the chip is still there: kernels before 6.6 do not tell a reader that waits for edges.
    ///
    /// # Errors
    /// Returns the I/O error of a chip that is gone.
    pub(crate) fn check(&self) -> io::Result<()> {
        let request = self.watched.as_ref().map(AsRef::as_ref).or(self.unwatched.as_ref());
        request.ok_or_else(gone)?.lone_value().map(drop).map_err(system_error)
    }
}

fn parse(request: &Request, words: &[u64], active_high: bool, read: &mut Vec<Edge>) -> io::Result<()> {
    for event in words.chunks_exact(request.edge_event_u64_size()) {
        let event = request.edge_event_from_slice(event).map_err(system_error)?;
        read.push(Edge {
            time: Duration::from_nanos(event.timestamp_ns),
            active: (event.kind == EdgeKind::Rising) == active_high,
            seqno: event.line_seqno,
        });
    }
    Ok(())
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the line is not open")
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

/// Returns the line's full name, if the line is there and free.
fn describe(path: &Path, offset: u32) -> io::Result<String> {
    let chip = Chip::from_path(path).map_err(|error| explain(path, system_error(error)))?;
    let lines = chip.info().map_err(system_error)?.num_lines;
    let shown = path.display();
    if offset >= lines {
        let text =
            format!("{shown} has {lines} lines, counted from 0; choose another with `chip` and `line`");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    }
    let info = chip.line_info(offset).map_err(system_error)?;
    let name = if info.name.is_empty() { String::new() } else { format!(" ({})", info.name) };
    if info.used {
        let by = if info.consumer.is_empty() { "the kernel" } else { &info.consumer };
        let text = format!("{shown} line {offset}{name} is in use by `{by}`; stop that, or use another line");
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
    }
    Ok(format!("{shown} line {offset}{name}"))
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

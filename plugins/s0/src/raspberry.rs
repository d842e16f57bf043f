//! GPIO through rppal, on a Raspberry Pi without a usable character device.
//!
//! One thread serves all pins: rppal's `poll_interrupt` on two pins would block each other, and its
//! `set_async_interrupt` hides that a pin is busy, and stops permanently at the first signal.

use std::{
    io,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rppal::gpio::{Error, Gpio as Pins, InputPin, Trigger};
use tokio::sync::mpsc;

use crate::{
    config::{Gpio, Pull, Where},
    counter::Edge,
};

/// Longest time until the thread sees that a pin came or went.
const TURN: Duration = Duration::from_millis(250);
/// Edges that rppal lets the kernel keep.
const QUEUE: usize = 1024;

/// Pins that the thread takes over next; `None` while there is no thread.
static NEW: Mutex<Option<Vec<Watch>>> = Mutex::new(None);

#[derive(Debug)]
struct Watch {
    pin: InputPin,
    active_high: bool,
    edges: mpsc::Sender<io::Result<Edge>>,
}

/// Starts to watch a pin. A pin that cannot be watched may also be reported by the first "edge".
///
/// # Errors
/// Fails if there is no such pin, or it may not be used; the text says what to do.
pub(crate) fn open(gpio: &Gpio) -> io::Result<mpsc::Receiver<io::Result<Edge>>> {
    let Where::Pin(pin) = gpio.line else { return Err(io::Error::other("rppal knows `pin` only")) };
    let pin = u8::try_from(pin).map_err(io::Error::other)?;
    let pins = Pins::new().map_err(explain)?;
    let pin = pins.get(pin).map_err(explain)?;
    let pin = match gpio.pull {
        Pull::Up => pin.into_input_pullup(),
        Pull::Down => pin.into_input_pulldown(),
        Pull::None => pin.into_input(),
    };
    let (sender, edges) = mpsc::channel(QUEUE);
    let watch = Watch { pin, active_high: gpio.active_high, edges: sender };
    let mut new = NEW.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *new {
        Some(list) => list.push(watch),
        none => {
            thread::Builder::new().name("s0-gpio".to_owned()).spawn(move || serve(&pins))?;
            *none = Some(vec![watch]);
        }
    }
    Ok(edges)
}

/// Body of the thread: it ends when the last pin is released.
fn serve(pins: &Pins) {
    let mut watched: Vec<Watch> = Vec::new();
    loop {
        {
            let mut new = NEW.lock().unwrap_or_else(PoisonError::into_inner);
            for mut watch in new.iter_mut().flat_map(|list| list.drain(..)) {
                match watch.pin.set_interrupt(Trigger::Both, None) {
                    Ok(()) => watched.push(watch),
                    Err(error) => fail(&mut watch, error),
                }
            }
            watched.retain_mut(|watch| {
                let open = !watch.edges.is_closed();
                if !open {
                    // Dropping the pin would leave its interrupt requested.
                    let _ = watch.pin.clear_interrupt();
                }
                open
            });
            if watched.is_empty() {
                *new = None;
                return;
            }
        }
        let polled: Vec<_> = watched.iter().map(|watch| &watch.pin).collect();
        let failed = match pins.poll_interrupts(&polled, false, Some(TURN)) {
            Ok(Some((pin, event))) => {
                if let Some(watch) = watched.iter().find(|watch| watch.pin.pin() == pin.pin()) {
                    let active = (event.trigger == Trigger::RisingEdge) == watch.active_high;
                    let edge = Edge { time: event.timestamp, active, seqno: event.seqno };
                    // Full: the kernel keeps the next ones, and numbers those that it cannot keep.
                    let _ = watch.edges.blocking_send(Ok(edge));
                }
                None
            }
            Ok(None) => None,
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => Some(error.to_string()),
        };
        if let Some(reason) = failed {
            for mut watch in watched.drain(..) {
                fail(&mut watch, Error::Io(io::Error::other(reason.clone())));
            }
        }
    }
}

fn fail(watch: &mut Watch, error: Error) {
    let _ = watch.edges.try_send(Err(explain(error)));
    let _ = watch.pin.clear_interrupt();
}

fn explain(error: Error) -> io::Error {
    match error {
        Error::UnknownModel => io::Error::new(
            io::ErrorKind::NotFound,
            "there is no GPIO chip, and rppal does not know this machine as a Raspberry Pi; use `chip` and `line` on another \
             board, or `port` for a serial line",
        ),
        Error::PermissionDenied(path) => io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("no permission to use {path}; add this user to the group `gpio`"),
        ),
        Error::Io(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            io::Error::new(error.kind(), "another program uses this pin; stop that, or use another pin")
        }
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

//! Log of a polled meter: messages in both directions, and changes of the baud rate.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Number of events that are kept.
const MOST: usize = 1000;
/// Most bytes of a received message, before another event continues it.
const LONGEST: usize = 4096;

const LF: u8 = b'\n';

/// Event at the line of a [`PolledMeter`](crate::PolledMeter).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The program sent something: a request, an acknowledgement, or NULs in a row.
    Received {
        /// Bytes of the program, without bit 7.
        bytes: Vec<u8>,
        /// Baud rate of the program at that time.
        baud: u32,
        /// Whether the meter heard just that, with even parity. It did not where their baud rates differed, where the
        /// program changed its own too early, and while the meter itself was sending.
        understood: bool,
        /// Time of the first byte.
        at: Instant,
    },
    /// The meter sent a message.
    Sent {
        /// Message in plain ASCII, with the block check character of a readout.
        bytes: Vec<u8>,
        /// Baud rate of the meter.
        baud: u32,
        /// Time of its beginning.
        at: Instant,
    },
    /// The program changed its baud rate.
    BaudChanged {
        /// Baud rate before.
        from: u32,
        /// Baud rate after.
        to: u32,
        /// Time at which it was noticed.
        at: Instant,
    },
}

/// Writes one line: `heard /?!\\r\\n at 300`, `said /ISK at 300` with the beginning of the message, `300 to 9600`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Received { bytes, baud, understood, .. } => {
                write!(
                    f,
                    "{} {} at {baud}",
                    if *understood { "heard" } else { "missed" },
                    bytes.escape_ascii()
                )
            }
            Self::Sent { bytes, baud, .. } => {
                write!(f, "said {} at {baud}", bytes[..bytes.len().min(4)].escape_ascii())
            }
            Self::BaudChanged { from, to, .. } => write!(f, "{from} to {to}"),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Events>);

#[derive(Debug, Default)]
struct Events {
    all: VecDeque<Event>,
    /// Whether the last event is a message that may go on.
    open: bool,
    /// Whether it was understood, up to the last piece.
    good: bool,
}

impl Log {
    pub(super) fn events(&self) -> Vec<Event> {
        self.lock().all.iter().cloned().collect()
    }

    pub(super) fn push(&self, event: Event) {
        let mut events = self.lock();
        events.open = false;
        if events.all.len() == MOST {
            events.all.pop_front();
        }
        events.all.push_back(event);
    }

    /// Adds to the message that is being received at this baud rate, or begins one: a message ends with a line feed,
    /// and NULs are one of their own. It counts as not understood until this piece is judged.
    pub(super) fn received(&self, raw: &[u8], speed: u32, now: Instant) {
        let plain = raw.iter().map(|byte| byte & 0x7f);
        let mut events = self.lock();
        if events.open
            && let Some(Event::Received { bytes, baud, understood, .. }) = events.all.back_mut()
            && *baud == speed
            && bytes.len() < LONGEST
            && bytes.last().is_some_and(|last| *last != LF && (*last == 0) == raw.starts_with(&[0]))
        {
            bytes.extend(plain);
            *understood = false;
            return;
        }
        drop(events);
        self.push(Event::Received { bytes: plain.collect(), baud: speed, understood: false, at: now });
        let mut events = self.lock();
        (events.open, events.good) = (true, true);
    }

    /// Notes whether the piece that was received last was understood.
    pub(super) fn judged(&self, piece: bool) {
        let Events { all, open, good } = &mut *self.lock();
        *good &= piece;
        if *open && let Some(Event::Received { understood, .. }) = all.back_mut() {
            *understood = *good;
        }
    }

    /// Ends the message that is being received.
    pub(super) fn end_message(&self) {
        self.lock().open = false;
    }

    fn lock(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_a_message_are_one_event() {
        let (log, at) = (Log::default(), Instant::now());
        let received = |bytes: &[u8], baud, good| {
            log.received(bytes, baud, at);
            log.judged(good);
        };
        received(b"\xaf", 300, true);
        received(b"?", 300, false);
        received(b"!\n", 300, true);
        received(b"!\n", 300, true);
        received(b"\0", 300, true);
        received(b"\0", 600, true);
        received(b"\0", 600, true);
        received(b"!", 600, true);
        log.end_message();
        received(b"!", 600, true);
        let event =
            |bytes: &[u8], baud, understood| Event::Received { bytes: bytes.into(), baud, understood, at };
        let expected = [
            event(b"/?!\n", 300, false),
            event(b"!\n", 300, true),
            event(b"\0", 300, true),
            event(b"\0\0", 600, true),
            event(b"!", 600, true),
            event(b"!", 600, true),
        ];
        assert_eq!(log.events(), expected);
    }

    #[test]
    fn a_message_during_which_something_happens_is_not_understood() {
        let (log, at) = (Log::default(), Instant::now());
        log.received(b"/", 300, at);
        log.push(Event::BaudChanged { from: 300, to: 600, at });
        log.judged(true);
        assert!(matches!(log.events()[0], Event::Received { understood: false, .. }));
    }

    #[test]
    fn nothing_grows_without_bound() {
        let (log, at) = (Log::default(), Instant::now());
        for baud in 0..3000 {
            log.push(Event::BaudChanged { from: baud, to: baud + 1, at });
        }
        assert_eq!(log.events().len(), MOST);
        assert_eq!(log.events()[MOST - 1], Event::BaudChanged { from: 2999, to: 3000, at });
        for _ in 0..20 {
            log.received(&[0; 1000], 300, at);
        }
        let longest = log.events().into_iter().map(|event| match event {
            Event::Received { bytes, .. } => bytes.len(),
            _ => 0,
        });
        assert_eq!(longest.max(), Some(5000));
    }
}

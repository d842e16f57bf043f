//! Growing of the frame counter: a message that was sent before does not count again.

use std::sync::{Arc, Mutex, PoisonError};

use telegram::CONFIRMATIONS;

use crate::cipher::Title;

/// Bytes of the state that is kept over a restart: title and counter.
pub const STATE: usize = 12;

/// Last frame counter of one sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// Title of the sender.
    pub title: Title,
    /// Its counter.
    pub counter: u32,
}

/// Last frame counter, shared by the decoder, which has no journal, and the source, which has one.
#[derive(Clone, Debug, Default)]
pub struct FrameCounter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    last: Option<Last>,
    /// The newest counter that is not above the last one, and the number of messages whose counters rose up to it.
    other: Option<(u32, u32)>,
}

impl FrameCounter {
    /// Returns the last counter.
    pub fn last(&self) -> Option<Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// Forgets the counter.
    pub fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// Takes up the counter of an earlier run.
    pub fn resume(&self, state: &[u8]) {
        let Some((title, counter)) = state.split_first_chunk::<8>() else { return };
        let Ok(counter) = <[u8; 4]>::try_from(counter) else { return };
        let last = Last { title: *title, counter: u32::from_be_bytes(counter) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last = Some(last);
    }

    /// Takes the counter of a message that was decrypted.
    ///
    /// It must be above the last one. A meter that was reset, or exchanged for one with the same title, insists: the third
    /// message in a row whose counters rise is believed. Another title is another meter.
    ///
    /// # Errors
    /// Returns the last counter where the message must be dropped.
    pub(crate) fn take(&self, title: Title, counter: u32) -> Result<(), u32> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = state.last.filter(|last| last.title == title && counter <= last.counter) {
            let seen = match state.other {
                Some((other, seen)) if counter > other => seen + 1,
                // The same one again says nothing.
                Some((other, seen)) if counter == other => seen,
                _ => 1,
            };
            if counter == last.counter || seen < CONFIRMATIONS {
                if counter != last.counter {
                    state.other = Some((counter, seen));
                }
                return Err(last.counter);
            }
        }
        *state = State { last: Some(Last { title, counter }), other: None };
        Ok(())
    }
}

impl Last {
    /// Returns the state for the next run.
    pub fn state(self) -> [u8; STATE] {
        let mut state = [0; STATE];
        state[..8].copy_from_slice(&self.title);
        state[8..].copy_from_slice(&self.counter.to_be_bytes());
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_must_rise_until_the_meter_insists() {
        let counter = FrameCounter::default();
        let title = *b"XYZ\0\0\0\0\x01";
        for (next, expected) in [
            (1000, Ok(())),
            (1001, Ok(())),
            (1001, Err(1001)),
            (990, Err(1001)),
            (1002, Ok(())),
            (5, Err(1002)),
            (5, Err(1002)),
            (6, Err(1002)),
            (7, Ok(())),
            (8, Ok(())),
        ] {
            assert_eq!(counter.take(title, next), expected, "{next}");
        }
        assert_eq!(counter.take(*b"XYZ\0\0\0\0\x02", 1), Ok(()), "another meter");
    }

    #[test]
    fn the_counter_outlives_a_restart() {
        let (before, after) = (FrameCounter::default(), FrameCounter::default());
        assert_eq!(before.take(*b"XYZ\0\0\0\0\x01", 77), Ok(()));
        after.resume(&before.last().unwrap().state());
        assert_eq!(after.take(*b"XYZ\0\0\0\0\x01", 77), Err(77));
        assert_eq!(after.take(*b"XYZ\0\0\0\0\x01", 78), Ok(()));
    }
}

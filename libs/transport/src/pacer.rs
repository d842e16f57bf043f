//! Naps between a telegram's bytes.

use std::time::Duration;

use tokio::time::Instant;

/// Number of telegrams that are remembered.
const MEMORY: usize = 8;
/// Most bytes that may gather during a nap: half of the 4,095 that the kernel keeps of a serial port.
const GATHER: u32 = 2048;
/// Shortest nap that is worth its system calls.
const SHORTEST: Duration = Duration::from_millis(10);
/// Least time of being awake before the end.
const MARGIN: Duration = Duration::from_millis(6);

/// Learns the length and the speed of a meter's telegrams.
///
/// A telegram at 9600 baud takes a third of a second, and each of its bytes would wake the process. Once a few
/// telegrams have been seen, the reader can sleep through the middle: it naps until shortly before the earliest end
/// that the bytes so far allow.
#[derive(Debug, Default)]
pub struct Pacer {
    /// Time at which a telegram was first noticed, and the number of its bytes then.
    began: Option<(Instant, usize)>,
    seen: [Seen; MEMORY],
    count: usize,
}

/// One telegram.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    bytes: u32,
    per_byte: Duration,
}

impl Pacer {
    /// Notes that a telegram has begun, with `bytes` of it there.
    pub fn arrived(&mut self, now: Instant, bytes: usize) {
        self.began.get_or_insert((now, bytes));
    }

    /// Learns from a telegram of `bytes` bytes whose end arrived at `now`.
    pub fn completed(&mut self, now: Instant, bytes: usize) {
        if let Some((began, first)) = self.began.take() {
            let later = u32::try_from(bytes.saturating_sub(first)).unwrap_or(u32::MAX);
            let per_byte = (now - began).checked_div(later).unwrap_or_default();
            self.seen[self.count % MEMORY] =
                Seen { bytes: u32::try_from(bytes).unwrap_or(u32::MAX), per_byte };
            self.count += 1;
        }
    }

    /// Forgets the telegram that had begun: nothing is learned from damage.
    pub fn gave_up(&mut self) {
        self.began = None;
    }

    /// Returns the time until which nothing of interest arrives, with `bytes` of the telegram there; `None` means
    /// listen.
    pub fn nap(&self, now: Instant, bytes: usize) -> Option<Instant> {
        if self.count < MEMORY {
            return None;
        }
        // The shortest telegram at the highest speed that was seen lately: a nap never lasts too long.
        let shortest = self.seen.iter().map(|seen| seen.bytes).min()?;
        let per_byte = self.seen.iter().map(|seen| seen.per_byte).min()?;
        let missing = shortest.saturating_sub(u32::try_from(bytes).ok()?);
        let left = (per_byte * missing).saturating_sub(MARGIN.max(per_byte * shortest / 64));
        let nap = left.min(per_byte * GATHER);
        (nap >= SHORTEST).then(|| now + nap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTE: Duration = Duration::from_micros(1042);

    /// A pacer that has seen `count` telegrams of `bytes` bytes at 9600 baud.
    fn after(count: usize, bytes: usize) -> (Pacer, Instant) {
        let (mut pacer, mut now) = (Pacer::default(), Instant::now());
        for _ in 0..count {
            pacer.arrived(now, 1);
            pacer.completed(now + BYTE * (bytes as u32 - 1), bytes);
            now += Duration::from_secs(20);
        }
        (pacer, now)
    }

    #[test]
    fn it_sleeps_through_the_middle_and_is_awake_at_the_end() {
        let (pacer, now) = after(7, 360);
        assert_eq!(pacer.nap(now, 1), None, "not learned yet");
        let (pacer, now) = after(8, 360);
        assert_eq!(pacer.nap(now, 1), Some(now + BYTE * 359 - MARGIN));
        // Woken late, when a third was there already: the end does not move.
        assert_eq!(pacer.nap(now, 120), Some(now + BYTE * 240 - MARGIN));
        assert_eq!(pacer.nap(now, 350), None, "awake at the end");
        assert_eq!(pacer.nap(now, 1000), None, "longer than any before");
    }

    #[test]
    fn the_shortest_telegram_and_the_highest_speed_rule() {
        let (mut pacer, now) = after(8, 360);
        pacer.arrived(now, 1);
        pacer.completed(now + BYTE * 150 / 2, 151);
        assert_eq!(pacer.nap(now, 1), Some(now + BYTE / 2 * 150 - MARGIN));
    }

    #[test]
    fn telegrams_that_come_at_once_are_not_slept_through() {
        let (mut pacer, now) = after(8, 360);
        pacer.arrived(now, 360);
        pacer.completed(now, 360);
        assert_eq!(pacer.nap(now, 1), None);
    }

    #[test]
    fn the_kernel_never_holds_more_than_half_of_what_it_can() {
        let (pacer, now) = after(8, 8192);
        assert_eq!(pacer.nap(now, 1), Some(now + BYTE * 2048));
    }

    #[test]
    fn a_telegram_that_was_given_up_teaches_nothing() {
        let (mut pacer, now) = after(7, 360);
        pacer.arrived(now, 1);
        pacer.gave_up();
        pacer.completed(now, 360);
        assert_eq!(pacer.nap(now, 1), None);
    }
}

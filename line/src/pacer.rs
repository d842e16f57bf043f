//! When to listen, and when to sleep.

use std::time::Duration;

use tokio::time::Instant;

/// How many telegrams are remembered.
const MEMORY: usize = 8;
/// The kernel keeps 4,095 bytes of a serial port; at most half of that is left to gather.
const GATHER: u32 = 2048;
/// Shorter naps than this are not worth the two system calls.
const SHORTEST: Duration = Duration::from_millis(10);
/// Awake at least so long before the end.
const MARGIN: Duration = Duration::from_millis(6);

/// Learns how long a meter's telegrams take on the wire.
///
/// A telegram at 9600 baud takes a third of a second, and each of its bytes would wake the process.
/// Once a few telegrams have been seen, one can sleep through the middle and be awake for the end: the
/// reader naps until shortly before the earliest end that was seen lately.
#[derive(Debug, Default)]
pub struct Pacer {
    began: Option<Instant>,
    seen: [Seen; MEMORY],
    count: usize,
}

#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    took: Duration,
    bytes: u32,
}

impl Pacer {
    /// Bytes arrived. Those after a complete telegram, or the first ones, begin the next.
    pub fn arrived(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// A telegram of `bytes` bytes ended with the bytes that arrived at `now`.
    pub fn completed(&mut self, now: Instant, bytes: usize) {
        if let Some(began) = self.began.take() {
            let seen = Seen { took: now - began, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) };
            self.seen[self.count % MEMORY] = seen;
            self.count += 1;
        }
    }

    /// The telegram that had begun is none: nothing is learned from it.
    pub fn gave_up(&mut self) {
        self.began = None;
    }

    /// Until when nothing of interest arrives; `None` = listen.
    pub fn nap(&self, now: Instant) -> Option<Instant> {
        let began = self.began?;
        if self.count < MEMORY {
            return None;
        }
        let shortest = self.seen.iter().min_by_key(|seen| seen.took)?;
        let margin = MARGIN.max(shortest.took / 64);
        let end = began + shortest.took.saturating_sub(margin);
        let full = now + shortest.took * GATHER / shortest.bytes.max(GATHER);
        let until = end.min(full);
        (until >= now + SHORTEST).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Telegrams of `bytes` bytes that take `took`, one a second; the pacer after `count` of them.
    fn after(count: u32, took: Duration, bytes: usize) -> (Pacer, Instant) {
        let (mut pacer, mut now) = (Pacer::default(), Instant::now());
        for _ in 0..count {
            pacer.arrived(now);
            pacer.completed(now + took, bytes);
            now += SECOND;
        }
        pacer.arrived(now);
        (pacer, now)
    }

    #[test]
    fn it_sleeps_through_the_middle_and_is_awake_at_the_end() {
        let took = Duration::from_millis(375);
        assert_eq!(after(7, took, 360).0.nap(Instant::now()), None, "not learned yet");
        let (pacer, now) = after(8, took, 360);
        let until = pacer.nap(now).unwrap();
        assert_eq!(until, now + took - MARGIN);
        assert_eq!(pacer.nap(until), None, "awake at the end");
    }

    #[test]
    fn the_shortest_telegram_rules() {
        let (mut pacer, now) = after(8, Duration::from_millis(375), 360);
        pacer.completed(now + Duration::from_millis(200), 360);
        pacer.arrived(now + SECOND);
        assert_eq!(pacer.nap(now + SECOND), Some(now + SECOND + Duration::from_millis(194)));
    }

    #[test]
    fn telegrams_that_come_at_once_are_not_slept_through() {
        assert_eq!(after(8, Duration::from_millis(2), 360).0.nap(Instant::now()), None);
    }

    #[test]
    fn the_kernel_never_holds_more_than_half_of_what_it_can() {
        let (pacer, now) = after(8, 10 * SECOND, 8192);
        assert_eq!(pacer.nap(now), Some(now + 10 * SECOND / 4));
    }

    #[test]
    fn without_a_telegram_there_is_nothing_to_sleep_through() {
        let (mut pacer, now) = after(8, SECOND / 2, 360);
        pacer.gave_up();
        assert_eq!(pacer.nap(now), None);
    }
}

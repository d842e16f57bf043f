//! Bytes that do not form a telegram.

use std::time::Duration;

use tokio::time::Instant;

/// Longest time in which bytes come without a telegram among them.
const LONG: Duration = Duration::from_secs(15);
/// The same during the search for the baud rate: two telegrams of most meters fit into it.
const SEARCH: Duration = Duration::from_secs(3);

/// Bytes since the last telegram, good or bad.
#[derive(Debug, Default)]
pub(super) struct Noise {
    bytes: usize,
    /// Time of the first and of the last of them. The silence before does not count.
    heard: Option<(Instant, Instant)>,
}

impl Noise {
    /// Counts bytes that came.
    pub(super) fn heard(&mut self, now: Instant, count: usize) {
        let began = self.heard.map_or(now, |(began, _)| began);
        self.heard = Some((began, now));
        self.bytes += count;
    }

    /// Leaves out a pause after which a telegram may go on.
    pub(super) fn rested(&mut self, pause: Duration) {
        self.heard = self.heard.map(|(began, last)| (began + pause, last + pause));
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether bytes have come for too long.
    pub(super) fn is_long(&self, searching: bool) -> bool {
        let limit = if searching { SEARCH } else { LONG };
        self.heard.is_some_and(|(began, last)| last - began > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_without_a_telegram_are_noise_and_silence_is_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut noise = Noise::default();
        for (seconds, searching, long) in [
            (100, false, false),
            (102, true, false),
            (104, true, true),
            (110, false, false),
            (116, false, true),
        ] {
            noise.heard(at(seconds), 200);
            assert_eq!(noise.is_long(searching), long, "{seconds}");
        }
        assert_eq!(noise.bytes(), 1000);
    }
}

//! Brake for a source that returns at once, again and again.

use std::time::Duration;

use tokio::time::Instant;

/// Costs of what `acquire` returns.
const READ: i64 = 1;
const EMITTED: i64 = 10;
/// What a source may spend at once, and in a second: a hundred batches a second that are emitted, or a thousand that
/// are thinned.
const BURST: i64 = 10_000;
const RATE: i64 = 1000;
/// Pause of a source that has spent too much.
const REST: Duration = Duration::from_millis(100);

/// Limit of what a source returns in a second.
///
/// A device that pushes is waited for. A plugin that does not wait would take a processor for itself, and the journal
/// would fill the disk. The clock is read only when the burst is spent: a source that keeps below the limit pays for a
/// subtraction.
#[derive(Debug)]
pub(super) struct Brake {
    left: i64,
    since: Instant,
}

impl Brake {
    pub(super) fn new() -> Self {
        Self { left: BURST, since: Instant::now() }
    }

    /// Notes what was returned, and returns the pause that must follow.
    pub(super) fn spend(&mut self, is_emitted: bool) -> Option<Duration> {
        self.left -= if is_emitted { EMITTED } else { READ };
        if self.left >= 0 {
            return None;
        }
        let now = Instant::now();
        let passed = i64::try_from((now - self.since).as_millis()).unwrap_or(i64::MAX);
        if passed > 0 {
            self.since = now;
            self.left = self.left.saturating_add(passed.saturating_mul(RATE) / 1000).min(BURST);
        }
        (self.left < 0).then_some(REST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the number of batches in ten seconds, of a source that returns one each `pause`.
    async fn in_ten_seconds(brake: &mut Brake, pause: Duration, is_emitted: bool) -> u32 {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_secs(10) {
            count += 1;
            tokio::time::sleep(pause).await;
            if let Some(rest) = brake.spend(is_emitted) {
                tokio::time::sleep(rest).await;
            }
        }
        count
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_returns_at_once_is_braked_and_another_one_is_not() {
        let mut brake = Brake::new();
        let (fast, slow) = (Duration::ZERO, Duration::from_millis(12));
        assert_eq!(in_ten_seconds(&mut brake, slow, true).await, 834);
        assert_eq!(in_ten_seconds(&mut brake, slow, true).await, 834);
        let burst = in_ten_seconds(&mut brake, fast, true).await;
        assert!(burst < 2300, "{burst}");
        let braked = in_ten_seconds(&mut brake, fast, true).await;
        assert!((900..1100).contains(&braked), "{braked}");
        let thinned = in_ten_seconds(&mut brake, fast, false).await;
        assert!((9000..11_000).contains(&thinned), "{thinned}");
    }
}

//! Rate and remaining time, smoothed. The clock is the caller's.

use std::time::Duration;

/// Time over which a rate is averaged, in seconds; of a long work a part of its time.
const WINDOW: f64 = 5.0;
const PART: f64 = 0.2;
/// Time in which a remaining time approaches a better estimate.
const APPROACH: f64 = 3.0;
/// What must have been seen before the remaining time is known: seconds since the first step, and steps.
const KNOWN_AFTER: (f64, u32) = (2.0, 4);
/// Seconds without a step after which the remaining time is not known any more; or so many of the longest pauses.
const STALLED_AFTER: (f64, f64) = (10.0, 3.0);
/// Longest remaining time that is worth saying.
const LONGEST: f64 = 100.0 * 3600.0;

/// Amounts of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    /// Amount that is shown, and has the rate.
    pub(super) count: u64,
    /// Share of `of`, which is 0 where the whole is not known.
    pub(super) done: u64,
    pub(super) of: u64,
}

/// Meter of a piece of work.
#[derive(Debug, Default)]
pub(super) struct Meter {
    amounts: Amounts,
    now: Duration,
    /// Time of the first step, and of the last one.
    moved: Option<(Duration, Duration)>,
    steps: u32,
    longest_pause: Duration,
    count_rate: Rate,
    share_rate: Rate,
    /// Seconds that remain.
    left: Option<f64>,
}

/// Average of a rate that weighs the past the less the older it is.
#[derive(Debug, Default)]
struct Rate {
    sum: f64,
    weight: f64,
}

impl Rate {
    fn add(&mut self, amount: f64, seconds: f64, window: f64) {
        let keep = (-seconds / window).exp();
        self.sum = self.sum * keep + amount / seconds * (1.0 - keep);
        self.weight = self.weight * keep + (1.0 - keep);
    }

    fn value(&self) -> Option<f64> {
        (self.weight > 0.0 && self.sum > 0.0).then(|| self.sum / self.weight)
    }
}

impl Meter {
    /// Takes the amounts at `now`, the time since the start. Returns whether they have grown.
    pub(super) fn update(&mut self, now: Duration, amounts: Amounts) -> bool {
        let before = std::mem::replace(&mut self.amounts, amounts);
        let passed = now.saturating_sub(self.now).as_secs_f64();
        self.now = now;
        let moved = amounts.done > before.done || amounts.count > before.count;
        let Some((first, last)) = self.moved else {
            // What happened before the first step, such as opening a journal, says nothing about the rate.
            if moved {
                self.moved = Some((now, now));
            }
            return moved;
        };
        if moved {
            self.steps = self.steps.saturating_add(1);
            self.longest_pause = self.longest_pause.max(now.saturating_sub(last));
            self.moved = Some((first, now));
        }
        if passed > 0.0 {
            let window = WINDOW.max(now.as_secs_f64() * PART);
            self.count_rate.add(amounts.count.saturating_sub(before.count) as f64, passed, window);
            self.share_rate.add(amounts.done.saturating_sub(before.done) as f64, passed, window);
            self.estimate(passed);
        }
        moved
    }

    fn estimate(&mut self, passed: f64) {
        let Amounts { done, of, .. } = self.amounts;
        let new = self.share_rate.value().filter(|_| done < of && self.is_known());
        let new = new.map(|rate| (of - done) as f64 / rate).filter(|left| *left < LONGEST);
        self.left = new.map(|new| {
            let Some(left) = self.left else { return new };
            let expected = left - passed;
            (expected + (new - expected) * (1.0 - (-passed / APPROACH).exp())).max(0.0)
        });
    }

    fn is_known(&self) -> bool {
        let Some((first, last)) = self.moved else { return false };
        let since = |then: Duration| self.now.saturating_sub(then).as_secs_f64();
        let (seconds, pauses) = STALLED_AFTER;
        since(first) >= KNOWN_AFTER.0
            && self.steps >= KNOWN_AFTER.1
            && since(last) < seconds.max(self.longest_pause.as_secs_f64() * pauses)
    }

    pub(super) fn amounts(&self) -> Amounts {
        self.amounts
    }

    /// Returns the time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.now
    }

    /// Returns the share that is done, from 0 to 1; `None` where the whole is not known.
    pub(super) fn share(&self) -> Option<f64> {
        let Amounts { done, of, .. } = self.amounts;
        (of > 0).then(|| (done as f64 / of as f64).min(1.0))
    }

    /// Returns the amount in a second.
    pub(super) fn rate(&self) -> Option<f64> {
        self.count_rate.value()
    }

    /// Returns the average of the whole time.
    pub(super) fn overall_rate(&self) -> Option<f64> {
        let seconds = self.now.as_secs_f64();
        (seconds > 0.0 && self.amounts.count > 0).then(|| self.amounts.count as f64 / seconds)
    }

    /// Returns the seconds that remain; `None` before that is known.
    pub(super) fn left(&self) -> Option<f64> {
        self.left
    }
}

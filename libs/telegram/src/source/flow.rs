//! Limit of the bytes that are read over a network in a second.

use std::time::Duration;

use framework::{Counter, Faults, SourceContext};
use tokio::time::Instant;
use tracing::warn;

/// Bytes in a second: ten times what the fastest customer port sends.
const RATE: u32 = 115_200;
/// Time whose bytes may come at once, after the network was away.
const BURST: Duration = Duration::from_secs(2);

/// Brake for a server that sends faster than any meter. What is not read waits in the kernel, and then at the server, so
/// that neither readings nor the journal's log of them fill the memory.
pub(super) struct Flow {
    /// Time at which the bytes so far would have come at the highest rate.
    due: Instant,
    slowed: Counter,
    faults: Faults<()>,
}

impl Flow {
    pub(super) fn new(cx: &SourceContext) -> Self {
        Self { due: Instant::now(), slowed: cx.counter("slowed"), faults: Faults::default() }
    }

    /// Notes bytes that were read; returns the time until which no more must be.
    pub(super) fn read(&mut self, now: Instant, count: usize) -> Option<Instant> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.due = self.due.max(now) + Duration::from_secs(1) * count / RATE;
        let pause = (self.due - now).checked_sub(BURST).filter(|pause| !pause.is_zero())?;
        self.slowed.increment();
        let text = format!(
            "more than {RATE} bytes arrive in a second, faster than any meter sends: they are read slowly, and the \
             sender loses the rest"
        );
        if let Some(text) = self.faults.note((), &text) {
            warn!("{text}");
        }
        Some(now + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_slowed_down_and_a_burst_is_not() {
        let context = framework::Context::new("m", "/nonexistent");
        let mut flow = Flow::new(&SourceContext::new(context, Duration::from_secs(90)));
        let start = Instant::now();
        // What gathered while the network was away, and a meter at 115,200 baud.
        assert_eq!(flow.read(start, 200_000), None);
        let mut now = start + Duration::from_secs(5);
        for _ in 0..1000 {
            assert_eq!(flow.read(now, 11_520), None);
            now += Duration::from_secs(1);
        }
        assert_eq!(flow.slowed.get(), 0);
        let (began, mut read) = (now, 0);
        while now < began + Duration::from_secs(100) {
            read += 65_536;
            now = flow.read(now, 65_536).unwrap_or(now);
        }
        assert!(read < 103 * RATE as usize, "{read}");
        assert!(flow.slowed.get() > 100);
    }
}

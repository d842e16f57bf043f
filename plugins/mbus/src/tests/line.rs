//! Simulated line: bytes take the time of their bits.

use std::{collections::VecDeque, io, time::Duration};

use simulator::mbus::{Answer, MbusBus};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{line::Line, timing::Timing};

/// Time that a converter adds in these tests.
pub(super) const LATENCY: Duration = Duration::from_millis(20);

pub(super) fn timing() -> Timing {
    Timing::new(2400, LATENCY, None)
}

/// Line with a bus behind it.
pub(super) struct SimulatedLine {
    pub(super) bus: MbusBus,
    /// Requests, as sent.
    pub(super) sent: Vec<Vec<u8>>,
    /// Time in which somebody was sending, and in which meters made up their answers.
    pub(super) busy: Duration,
    baud: u32,
    coming: VecDeque<(Instant, u8)>,
    /// Answers in place of those of the bus.
    script: VecDeque<Option<Answer>>,
}

impl SimulatedLine {
    pub(super) fn new(bus: MbusBus) -> Self {
        let (sent, coming, script) = Default::default();
        Self { bus, sent, busy: Duration::ZERO, baud: 2400, coming, script }
    }

    /// A line that answers each request with the next of these bytes; `None` is silence.
    pub(super) fn scripted(answers: impl IntoIterator<Item = Option<Vec<u8>>>) -> Self {
        let delay = Duration::from_millis(10);
        let script = answers.into_iter().map(|bytes| bytes.map(|bytes| Answer { delay, bytes })).collect();
        Self { script, ..Self::new(MbusBus::new([])) }
    }

    /// Makes bytes arrive after a time.
    pub(super) fn arrive(&mut self, delay: Duration, bytes: &[u8]) {
        let mut at = Instant::now() + delay;
        for byte in bytes {
            at += self.character();
            self.coming.push_back((at, *byte));
        }
    }

    fn character(&self) -> Duration {
        Duration::from_secs(11) / self.baud
    }
}

impl Line for SimulatedLine {
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let time = self.character() * bytes.len() as u32;
        sleep(time).await;
        self.busy += time;
        self.sent.push(bytes.to_vec());
        // The converter's echo.
        self.coming.extend(bytes.iter().map(|byte| (Instant::now(), *byte)));
        let scripted = self.script.pop_front();
        let Some(Answer { delay, bytes }) = scripted.unwrap_or_else(|| self.bus.answer(bytes, self.baud))
        else {
            return Ok(());
        };
        self.busy += delay + self.character() * bytes.len() as u32;
        self.arrive(delay, &bytes);
        Ok(())
    }

    async fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let Some((due, _)) = self.coming.front().copied().filter(|(due, _)| *due <= deadline) else {
            sleep_until(deadline).await;
            return Ok(0);
        };
        sleep_until(due).await;
        let mut count = 0;
        while let Some((due, byte)) = self.coming.front().copied()
            && due <= Instant::now()
            && let Some(place) = buffer.get_mut(count)
        {
            *place = byte;
            count += 1;
            self.coming.pop_front();
        }
        Ok(count)
    }

    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        self.baud = baud;
        Ok(())
    }
}

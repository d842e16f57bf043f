//! One meter of a source: its address, its pace, and what it sent last.

use std::time::Duration;

use framework::{DeviceTime, Reading, Timestamp};
use telegram::{Counters, Implausible};
use tokio::time::Instant;

use crate::readout::{Failure, Link, Readout, Target};

/// Longest pause between two attempts at a silent meter, where its interval is shorter.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Most time by which a readout may come before its time.
const EARLIEST: Duration = Duration::from_secs(5);

/// One meter of a source.
#[derive(Debug)]
pub(crate) struct Meter {
    name: Option<String>,
    target: Target,
    interval: Option<Duration>,
    baud: Option<u32>,
    /// What is known of its link.
    pub(crate) link: Link,
    tried: Option<Instant>,
    failures: u32,
    failure: Option<Failure>,
    readings: Vec<Reading>,
    counters: Counters,
    /// Counters of the last readout that are held back.
    held: Vec<Implausible>,
    /// Moment since which its times count.
    began: Instant,
}

impl Meter {
    pub(crate) fn new(
        name: Option<String>,
        target: Target,
        interval: Option<Duration>,
        baud: Option<u32>,
    ) -> Self {
        Self {
            name,
            target,
            interval,
            baud,
            link: Link::default(),
            tried: None,
            failures: 0,
            failure: None,
            readings: Vec::new(),
            counters: Counters::default(),
            held: Vec::new(),
            began: Instant::now(),
        }
    }

    /// Returns its name, or its address where it has none.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.target.to_string())
    }

    /// Returns what is read, and the key that names it.
    pub(crate) fn place(&self) -> (String, String) {
        let key = match self.target {
            Target::Primary(_) => "address",
            Target::Secondary(_) => "secondary",
        };
        let place = self.name.as_ref().map_or_else(|| key.to_owned(), |name| format!("meters.{name}.{key}"));
        (self.target.to_string(), place)
    }

    pub(crate) fn target(&self) -> Target {
        self.target
    }

    /// Returns its baud rate, where that is another one than that of the bus.
    pub(crate) fn baud(&self) -> Option<u32> {
        self.baud
    }

    /// Returns whether it is to be read in the turn that begins now, `period` after the last one.
    pub(crate) fn is_due(&self, now: Instant, period: Duration) -> bool {
        let Some(tried) = self.tried else { return true };
        let pause = match self.failures {
            0 => self.interval.unwrap_or_default(),
            // However rarely it is read, one that failed is tried again soon.
            failures => {
                let doubled = period.saturating_mul(1 << (failures - 1).min(16));
                doubled.min(LONGEST_PAUSE.max(period))
            }
        };
        // A turn is not exactly one period after the last.
        now - tried + (pause / 10).min(EARLIEST) >= pause
    }

    /// Notes that it is tried in the turn that began at this moment.
    pub(crate) fn begin(&mut self, turn: Instant) {
        self.tried = Some(turn);
    }

    /// Notes that the line failed, which is not its fault: it is due again as soon as the line works.
    pub(crate) fn interrupted(&mut self) {
        self.tried = None;
    }

    /// Notes what it has sent. Counters that are implausible are left out.
    pub(crate) fn succeeded(&mut self, readout: &Readout, at: Timestamp) {
        self.failures = 0;
        self.failure = None;
        self.readings = readout.readings(self.name.as_deref());
        self.held = self.counters.judge(&mut self.readings, self.began.elapsed());
        if self.name.is_some() {
            // They stay while other meters are read, and the journal records them once.
            let time = DeviceTime { sent: at.to_string().into(), utc: Some(at) };
            self.readings.iter_mut().for_each(|reading| reading.time = Some(time.clone()));
        }
    }

    /// Notes that it could not be read: its last readings are no longer those of now.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(failure);
        self.readings.clear();
    }

    /// Returns the reason why it could not be read last.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Returns the counters of the last readout that are held back.
    pub(crate) fn held(&self) -> &[Implausible] {
        &self.held
    }

    /// Returns its last readings.
    pub(crate) fn readings(&self) -> &[Reading] {
        &self.readings
    }
}

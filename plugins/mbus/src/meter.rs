//! One meter of a source: its address, its pace, and what it sent last.

use std::time::Duration;

use framework::{DeviceTime, Reading, Timestamp};
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
    last: Option<(Timestamp, Vec<Reading>)>,
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
            last: None,
        }
    }

    /// Returns its name, or its address where it has none.
    pub(crate) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.target.to_string())
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
        let interval = self.interval.unwrap_or_default();
        let pause = match self.failures {
            // The first failure may be a chance one.
            0 | 1 => interval,
            failures => {
                let doubled = interval.max(period).saturating_mul(1 << (failures - 1).min(16));
                doubled.min(LONGEST_PAUSE.max(interval))
            }
        };
        // A turn is not exactly one period after the last.
        now - tried + (pause / 10).min(EARLIEST) >= pause
    }

    /// Notes that it is tried in the turn that began at this moment.
    pub(crate) fn begin(&mut self, turn: Instant) {
        self.tried = Some(turn);
    }

    /// Notes what it has sent.
    pub(crate) fn succeeded(&mut self, readout: &Readout, at: Timestamp) {
        self.failures = 0;
        self.failure = None;
        self.last = Some((at, readout.readings(self.name.as_deref())));
    }

    /// Notes that it could not be read: its last readings are no longer those of now.
    pub(crate) fn failed(&mut self, failure: Failure) {
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(failure);
        self.last = None;
    }

    /// Returns the reason why it could not be read last.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Returns its last readings. Those of an earlier turn say when they were taken.
    pub(crate) fn readings(&self, turn: Timestamp) -> impl Iterator<Item = Reading> + '_ {
        let last = self.last.as_ref();
        last.into_iter().flat_map(move |(at, readings)| {
            readings.iter().cloned().map(move |reading| match *at < turn {
                true => Reading {
                    time: Some(DeviceTime { sent: at.to_string().into(), utc: Some(*at) }),
                    ..reading
                },
                false => reading,
            })
        })
    }
}

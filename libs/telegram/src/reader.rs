//! From bytes to batches: decoder, guard and converter, one behind the other.

use std::{fmt, time::Duration};

use framework::{Batch, Counter, Fact, SourceContext, Timestamp};

use crate::{Converter, Decoder, Guard, Implausible, Telegram as _};

/// Makes batches of the bytes of one meter. Pure: times are told to it.
pub struct Reader<D> {
    decoder: D,
    guard: Guard,
    converter: Converter,
    /// How many bytes the last whole telegram had; none came yet where it is 0.
    len: usize,
    report: Report,
}

/// What `/health` shows of the meter.
struct Report {
    telegrams: Counter,
    rejected: Counter,
    implausible: Counter,
    nature: Fact,
    ident: Fact,
}

/// Why a telegram is not handed on.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Its bytes are not to be trusted.
    Rejected(String),
    /// It is whole, but not what this meter can have sent.
    Implausible(Implausible),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) => write!(f, "a telegram was rejected: {reason}"),
            Self::Implausible(implausible) => write!(f, "a telegram is implausible: {implausible}"),
        }
    }
}

impl<D: Decoder> Reader<D> {
    /// A reader with this decoder; energy counters may rise as fast as `max_power_w` watts make them.
    pub fn new(decoder: D, max_power_w: f64, cx: &SourceContext) -> Self {
        let report = Report {
            telegrams: cx.counter("telegrams"),
            rejected: cx.counter("rejected"),
            implausible: cx.counter("implausible"),
            nature: cx.fact(D::NATURE),
            ident: cx.fact("ident"),
        };
        let (guard, converter) = (Guard::new(max_power_w), Converter::default());
        Self { decoder, guard, converter, len: 0, report }
    }

    /// Where bytes go in, and what is known of the telegram that has begun.
    pub fn decoder(&mut self) -> &mut D {
        &mut self.decoder
    }

    /// What the bytes so far make: a batch, a fault, or nothing yet. `now` is a time since any fixed
    /// moment, `taken_at` the same on the wall clock.
    pub fn next(&mut self, now: Duration, taken_at: Timestamp) -> Option<Result<Batch, Fault>> {
        let telegram = match self.decoder.next()? {
            Ok(telegram) => telegram,
            Err(rejected) => {
                self.report.rejected.increment();
                return Some(Err(Fault::Rejected(rejected.to_string())));
            }
        };
        self.len = telegram.len();
        self.report.telegrams.increment();
        self.report.nature.set(telegram.nature());
        self.report.ident.set(telegram.ident().unwrap_or("none"));
        if let Err(implausible) = self.guard.judge(&telegram, now) {
            self.report.implausible.increment();
            return Some(Err(Fault::Implausible(implausible)));
        }
        Some(Ok(self.converter.batch(&telegram, taken_at)))
    }

    /// How many bytes the last whole telegram had.
    pub fn len_of_last(&self) -> usize {
        self.len
    }

    /// Has any telegram been whole so far?
    pub fn knows_meter(&self) -> bool {
        self.len > 0
    }
}

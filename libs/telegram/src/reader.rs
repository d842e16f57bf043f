//! From bytes to batches: decoder, guard and converter in a row.

use std::{fmt, time::Duration};

use framework::{Batch, Counter, Fact, SourceContext, Timestamp};

use crate::{Converter, Decoder, Guard, Implausible, Scanner, Telegram as _};

/// Makes batches of the bytes of one meter. The caller passes in all times.
pub struct Reader<D> {
    decoder: D,
    guard: Guard,
    converter: Converter,
    /// Number of bytes of the last whole telegram; 0 before the first one.
    len: usize,
    // Statistics that `/health` shows of the meter.
    telegrams: Counter,
    rejected: Counter,
    implausible: Counter,
    variant: Fact,
    ident: Fact,
}

/// Reason why a telegram does not become a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Its bytes must not be trusted.
    Rejected(String),
    /// It is whole, but this meter cannot have sent it.
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
        Self {
            decoder,
            guard: Guard::new(max_power_w),
            converter: Converter::default(),
            len: 0,
            telegrams: cx.counter("telegrams"),
            rejected: cx.counter("rejected"),
            implausible: cx.counter("implausible"),
            variant: cx.fact(D::VARIANT),
            ident: cx.fact("ident"),
        }
    }

    /// Returns the part of the stream that is still needed.
    pub fn scanner(&mut self) -> &mut Scanner {
        self.decoder.scanner()
    }

    /// Returns the next batch or fault in the bytes so far; `None` when more are needed.
    ///
    /// `now` is a time since any fixed moment, `taken_at` the same moment on the wall clock.
    pub fn next(&mut self, now: Duration, taken_at: Timestamp) -> Option<Result<Batch, Fault>> {
        let telegram = match self.decoder.next()? {
            Ok(telegram) => telegram,
            Err(rejected) => {
                self.rejected.increment();
                return Some(Err(Fault::Rejected(rejected.to_string())));
            }
        };
        self.len = telegram.len();
        self.telegrams.increment();
        self.variant.set(telegram.variant());
        self.ident.set(telegram.ident().unwrap_or("none"));
        if let Err(implausible) = self.guard.judge(&telegram, now) {
            self.implausible.increment();
            return Some(Err(Fault::Implausible(implausible)));
        }
        Some(Ok(self.converter.batch(&telegram, taken_at)))
    }

    /// Returns the number of bytes of the last whole telegram; 0 before the first one.
    pub fn len_of_last(&self) -> usize {
        self.len
    }
}

//! From bytes to batches: decoder, guard and converter in a row.

use std::{fmt, time::Duration};

use framework::{Batch, Counter, Fact, SourceContext, Timestamp};
use jiff::SignedDuration;
use tracing::warn;

use crate::{Converter, Decoder, Guard, Held, Holding, Implausible, Scanner, Telegram as _};

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
    quirk: Fact,
    quirks: [Option<&'static str>; 2],
    holding: Holding,
    /// Connected meters that are not read as they should be.
    connected: Fact,
    time_shift: Fact,
    shift: SignedDuration,
}

/// Reason why a telegram does not become a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Its bytes must not be trusted.
    Rejected(String),
    /// The same for a part of a telegram, which is left out.
    LeftOut(String),
    /// Its bytes can only be read with another configuration.
    Misconfigured(String),
    /// It is whole, but this meter cannot have sent it.
    Implausible(Implausible),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(reason) => write!(f, "a telegram was rejected: {reason}"),
            Self::Misconfigured(reason) | Self::LeftOut(reason) => f.write_str(reason),
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
            quirk: cx.fact("quirk"),
            quirks: [None; 2],
            connected: cx.fact("connected_meters"),
            time_shift: cx.fact("time_shift"),
            shift: SignedDuration::ZERO,
            holding: Holding::new(cx),
        }
    }

    /// The same for a meter whose times are moved by `shift`; `None` finds out.
    pub fn in_time_zone(mut self, shift: Option<SignedDuration>) -> Self {
        self.converter = Converter::new(shift);
        self
    }

    /// Notes a pause that is longer than a meter makes inside a telegram; returns whether the telegram that has begun may
    /// go on after it.
    pub fn pause(&mut self) -> bool {
        let outlasts = self.decoder.outlasts_pauses();
        let scanner = self.decoder.scanner();
        if outlasts {
            scanner.paused = true;
        } else {
            scanner.finish();
        }
        outlasts
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
                let reason = rejected.to_string();
                return Some(Err(match D::is_misconfigured(&rejected.reason) {
                    true => Fault::Misconfigured(reason),
                    false if D::is_part(&rejected.reason) => Fault::LeftOut(reason),
                    false => Fault::Rejected(reason),
                }));
            }
        };
        self.len = telegram.len();
        self.telegrams.increment();
        self.variant.set(telegram.variant());
        self.ident.set(telegram.ident().unwrap_or("none"));
        if std::mem::replace(&mut self.quirks, telegram.quirks()) != telegram.quirks() {
            let quirks: Vec<_> = telegram.quirks().into_iter().flatten().collect();
            self.quirk.set(if quirks.is_empty() { "none".to_owned() } else { quirks.join(", ") });
        }
        let held = match self.guard.judge(&telegram, now) {
            Ok(held) => held,
            Err(implausible) => {
                self.implausible.increment();
                return Some(Err(Fault::Implausible(implausible)));
            }
        };
        let mut batch = self.converter.batch(&telegram, taken_at);
        if let Some(news) = self.converter.news() {
            self.connected.set(&news);
            if news != "none" {
                warn!("connected meters: {news}");
            }
        }
        if std::mem::replace(&mut self.shift, self.converter.shift()) != self.converter.shift() {
            self.time_shift.set(format!("{:#}", self.shift));
        }
        for Held { place, .. } in held.iter().rev() {
            batch.readings.remove(*place);
        }
        if !held.is_empty() {
            self.implausible.increment();
        }
        self.holding.report(held.iter().map(|held| &held.implausible));
        Some(Ok(batch))
    }

    /// Returns the number of bytes of the last whole telegram; 0 before the first one.
    pub fn len_of_last(&self) -> usize {
        self.len
    }
}

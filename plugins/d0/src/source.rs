//! The device: bytes in, batches out. All judgement is in the decoder and the guard.

use std::{io, time::Duration};

use framework::{AcquireError, Batch, Context, Counter, DataAcquisition, Fact, Timestamp};
use line::{Line, Pacer, Port};
use tokio::time::{Instant, timeout_at};

use crate::{convert::Converter, decoder::Decoder, framing::Framing, guard::Guard};

/// A pause inside a telegram that is longer ends it (IEC 62056-21, 6.3.14: 1.5 s between characters).
const PAUSE: Duration = Duration::from_millis(1500);
/// Bytes that come for so long without a telegram among them are worth a word.
const NOISE: Duration = Duration::from_secs(15);

/// A meter that pushes telegrams, and the line to it.
pub(crate) struct Source {
    line: Option<Line>,
    meter: Meter,
}

/// What is known of the meter, whether or not the line is open.
struct Meter {
    port: Port,
    baud: u32,
    silent_after: Duration,
    decoder: Decoder,
    guard: Guard,
    converter: Converter,
    pacer: Pacer,
    began: Instant,
    /// When a byte came last.
    heard: Instant,
    /// When a telegram, good or bad, ended last; and how many bytes came since.
    understood: Instant,
    since: usize,
    framing: Option<Framing>,
    report: Report,
}

/// What `/health` shows of the meter.
struct Report {
    bytes: Counter,
    telegrams: Counter,
    rejected: Counter,
    implausible: Counter,
    framing: Fact,
    ident: Fact,
}

impl Source {
    pub(crate) fn new(
        port: Port,
        baud: u32,
        framing: Option<Framing>,
        max_power: f64,
        silent_after: Duration,
        cx: &Context,
    ) -> Self {
        let now = Instant::now();
        cx.fact("port").set(port.to_string());
        let meter = Meter {
            port,
            baud,
            silent_after,
            decoder: Decoder::new(framing),
            guard: Guard::new(max_power),
            converter: Converter::default(),
            pacer: Pacer::default(),
            began: now,
            heard: now,
            understood: now,
            since: 0,
            framing: None,
            report: Report {
                bytes: cx.counter("bytes"),
                telegrams: cx.counter("telegrams"),
                rejected: cx.counter("rejected"),
                implausible: cx.counter("implausible"),
                framing: cx.fact("framing"),
                ident: cx.fact("ident"),
            },
        };
        Self { line: None, meter }
    }
}

impl Meter {
    /// What the bytes that are here make: a batch, a fault, or nothing yet.
    fn decode(&mut self, now: Instant) -> Option<Result<Batch, AcquireError>> {
        let malformed = |reason: String| Some(Err(AcquireError::Malformed { reason }));
        let telegram = match self.decoder.next()? {
            Ok(telegram) => telegram,
            Err(rejected) => {
                self.pacer.gave_up();
                (self.understood, self.since) = (now, 0);
                self.report.rejected.increment();
                return malformed(format!("a telegram was rejected: {rejected}"));
            }
        };
        self.pacer.completed(now, telegram.len());
        (self.understood, self.since) = (now, 0);
        self.report.telegrams.increment();
        if self.framing != Some(telegram.framing()) {
            self.framing = Some(telegram.framing());
            self.report.framing.set(telegram.framing().to_string());
            self.report.ident.set(telegram.ident().unwrap_or("none"));
        }
        if let Err(implausible) = self.guard.judge(&telegram, now - self.began) {
            self.report.implausible.increment();
            return malformed(format!("a telegram is implausible: {implausible}"));
        }
        Some(Ok(self.converter.batch(&telegram, Timestamp::now())))
    }

    /// Waits for more bytes, or for the pause that ends a telegram.
    async fn listen(&mut self, line: &mut Line, now: Instant) -> Result<(), AcquireError> {
        if self.decoder.pending() {
            self.pacer.arrived(now, self.since);
            if let Some(until) = self.pacer.nap(now, self.since) {
                line.nap(until).await;
            }
        }
        let limit = self.heard + if self.decoder.pending() { PAUSE } else { self.silent_after };
        match timeout_at(limit.max(Instant::now()), line.read(self.decoder.space())).await {
            Ok(Ok(count)) => {
                self.decoder.filled(count);
                self.report.bytes.add(count as u64);
                self.heard = Instant::now();
                self.since += count;
                if self.heard - self.understood > NOISE {
                    let (bytes, baud, port) = (self.since, self.baud, &self.port);
                    let reason = format!(
                        "{bytes} bytes came from {port} at {baud} baud in the last {NOISE:?}, and no telegram is \
                         among them: check `baud`, the head's alignment, and that this is a D0 meter"
                    );
                    (self.understood, self.since) = (self.heard, 0);
                    return Err(AcquireError::Malformed { reason });
                }
                Ok(())
            }
            Ok(Err(error)) => Err(self.unavailable(error)),
            Err(_) if self.decoder.pending() => {
                self.decoder.finish();
                Ok(())
            }
            Err(_) => {
                let waited = self.silent_after;
                Err(AcquireError::Silent { device: self.port.to_string(), waited })
            }
        }
    }

    fn unavailable(&self, source: io::Error) -> AcquireError {
        AcquireError::Unavailable { device: self.port.to_string(), source }
    }
}

#[framework::async_trait]
impl DataAcquisition for Source {
    async fn open(&mut self) -> Result<(), AcquireError> {
        let meter = &mut self.meter;
        self.line =
            Some(Line::open(&meter.port, meter.baud).await.map_err(|error| meter.unavailable(error))?);
        meter.decoder.reset();
        meter.pacer.gave_up();
        let now = Instant::now();
        (meter.heard, meter.understood, meter.since) = (now, now, 0);
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Batch, AcquireError> {
        // The line stays in its place while it is awaited: an `acquire` that is dropped must not close it.
        let Self { line, meter } = self;
        let Some(line) = line else { return Err(meter.unavailable(io::ErrorKind::NotConnected.into())) };
        loop {
            let now = Instant::now();
            if let Some(found) = meter.decode(now) {
                return found;
            }
            meter.listen(line, now).await?;
        }
    }

    async fn close(&mut self) {
        self.line = None;
    }
}

//! The device: bytes in, batches out. All judgement is in the decoder and the guard.

use std::{io, time::Duration};

use framework::{AcquireError, Batch, Context, Counter, DataAcquisition, Fact, Timestamp};
use line::{Line, Pacer, Port};
use tokio::time::{Instant, timeout_at};

use crate::{convert::Converter, decoder::Decoder, framing::Framing, guard::Guard};

/// A pause inside a telegram that is longer ends it: IEC 62056-21 allows 1.5 s between two characters.
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
    noise: Noise,
    framing: Option<Framing>,
    report: Report,
}

/// Bytes since the last telegram, good or bad.
#[derive(Default)]
struct Noise {
    bytes: usize,
    /// When the first of them came: the silence before is none of it.
    began: Option<Instant>,
}

impl Noise {
    /// More bytes came; how many it are by now, when that has gone on for too long.
    fn heard(&mut self, now: Instant, count: usize) -> Option<usize> {
        let began = *self.began.get_or_insert(now);
        self.bytes += count;
        (now - began > NOISE).then(|| std::mem::take(self).bytes)
    }
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
            noise: Noise::default(),
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
                self.noise = Noise::default();
                self.report.rejected.increment();
                return malformed(format!("a telegram was rejected: {rejected}"));
            }
        };
        self.pacer.completed(now, telegram.len());
        self.noise = Noise::default();
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
            self.pacer.arrived(now, self.noise.bytes);
            if let Some(until) = self.pacer.nap(now, self.noise.bytes) {
                line.nap(until).await;
            }
        }
        let limit = self.heard + if self.decoder.pending() { PAUSE } else { self.silent_after };
        match timeout_at(limit.max(Instant::now()), line.read(self.decoder.space())).await {
            Ok(Ok(count)) => {
                self.decoder.filled(count);
                self.report.bytes.add(count as u64);
                self.heard = Instant::now();
                match self.noise.heard(self.heard, count) {
                    Some(bytes) => Err(AcquireError::Malformed {
                        reason: format!(
                            "{bytes} bytes came from {} at {} baud in {NOISE:?}, and no telegram is among them: \
                             check `baud`, the head's alignment, and that this is a D0 meter",
                            self.port, self.baud
                        ),
                    }),
                    None => Ok(()),
                }
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
        meter.noise = Noise::default();
        meter.heard = Instant::now();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_without_a_telegram_are_noise_and_silence_is_not() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut noise = Noise::default();
        assert_eq!(noise.heard(at(100), 200), None, "however long it was silent before");
        assert_eq!(noise.heard(at(110), 200), None);
        assert_eq!(noise.heard(at(116), 200), Some(600));
        assert_eq!(noise.heard(at(117), 200), None, "said once");
        assert_eq!(noise.heard(at(133), 1), Some(201));
    }
}

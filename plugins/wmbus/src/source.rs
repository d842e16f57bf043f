//! Source of the meters that one receiver hears.

use std::time::Duration;

use framework::{
    AcquireError, Batch, Counter, DataAcquisition, Decimal, Fact, FaultCode, Reading, SourceContext,
    Timestamp, async_trait,
};
use mbus::radio::{Decoder, Failure, Framing, Reason, Receiver, Reception, Unreceived};
use telegram::Holding;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::{
    config::{Origin, Settings},
    first_bytes::FirstBytes,
    input::{Input, Starter},
    meters::Meter,
    strangers::Strangers,
};

/// Time without a telegram after which a stick is set up again. One that was reset has lost its mode.
const SET_UP_AFTER: Duration = Duration::from_secs(5 * 60);
/// Time without a byte after which the rest of a telegram does not come. At 9600 baud a byte takes a millisecond.
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes that are read at once.
const READ: usize = 1024;

/// Source of the meters that one receiver hears.
pub(crate) struct WmbusSource {
    settings: Settings,
    cx: SourceContext,
    starter: Starter,
    input: Option<Input>,
    framing: Framing,
    first_bytes: FirstBytes,
    decoder: Decoder,
    strangers: Strangers,
    /// Start of the source.
    began: Option<Instant>,
    /// Time of the last telegram, whoever sent it; at first that of the opening.
    heard: Instant,
    /// Time of the last set-up.
    set_up: Instant,
    /// Time of the last result.
    told: Instant,
    counters: Counters,
    holding: Holding,
    meters: Fact,
    unknown: Fact,
}

/// Counters in `/health`.
struct Counters {
    telegrams: Counter,
    foreign: Counter,
    repeated: Counter,
    replayed: Counter,
    damaged: Counter,
    implausible: Counter,
    unreadable: Counter,
    set_ups: Counter,
}

/// What a telegram has changed.
#[derive(PartialEq, Eq)]
enum Effect {
    Readings,
    /// A meter of the configuration cannot be read.
    Unreadable,
    Nothing,
}

impl WmbusSource {
    pub(crate) fn new(settings: Settings, cx: &SourceContext) -> Self {
        let now = Instant::now();
        Self {
            starter: Starter::new(cx),
            input: None,
            framing: Framing::new(settings.receiver),
            first_bytes: FirstBytes::new(settings.receiver),
            decoder: Decoder::default(),
            strangers: Strangers::default(),
            began: None,
            heard: now,
            set_up: now,
            told: now,
            counters: Counters {
                telegrams: cx.counter("telegrams"),
                foreign: cx.counter("foreign_telegrams"),
                repeated: cx.counter("repeated_telegrams"),
                replayed: cx.counter("old_telegrams"),
                damaged: cx.counter("damaged_telegrams"),
                implausible: cx.counter("implausible"),
                unreadable: cx.counter("unreadable_telegrams"),
                set_ups: cx.counter("set_ups"),
            },
            holding: Holding::new(cx),
            meters: cx.fact("meters"),
            unknown: cx.fact("unknown_meters"),
            cx: cx.clone(),
            settings,
        }
    }

    /// Looks at the next telegram of those that were read; `None` if there is none.
    fn next_telegram(&mut self, at_end: bool) -> Option<Effect> {
        let found = if at_end { self.framing.rest() } else { self.framing.next() }?;
        let (now, time) = (Instant::now(), Timestamp::now());
        let Ok(Reception { frame, format, rssi, .. }) = found.inspect_err(|Unreceived { .. }| {
            self.counters.damaged.increment();
        }) else {
            return Some(Effect::Nothing);
        };
        self.heard = now;
        self.first_bytes.end();
        let meters = &mut self.settings.meters;
        let opened = self.decoder.open(frame, format, |outline| {
            let meter = meters.iter().find(|meter| meter.is_sender(outline))?;
            meter.key().map(|key| *key.reveal())
        });
        let (outline, opened) = match opened {
            Ok(telegram) => (telegram.outline, Ok(telegram)),
            Err(Failure { outline: Some(outline), reason }) => (outline, Err(reason)),
            Err(Failure { outline: None, .. }) => {
                self.counters.damaged.increment();
                return Some(Effect::Nothing);
            }
        };
        let Some(meter) = meters.iter_mut().find(|meter| meter.is_sender(&outline)) else {
            self.counters.foreign.increment();
            self.strangers.heard(&outline, rssi, time);
            self.unknown.set(self.strangers.to_string());
            return Some(Effect::Nothing);
        };
        let mut effect = Effect::Nothing;
        match opened {
            Ok(telegram) => {
                self.counters.telegrams.increment();
                let before = meter.held().to_vec();
                let cx = &self.cx;
                meter.succeeded(&telegram, rssi, time, now, &|reading| recorded(cx, reading, time));
                if !meter.held().is_empty() {
                    self.counters.implausible.increment();
                }
                if meter.held() != before {
                    self.holding.report(meters.iter().flat_map(Meter::held));
                }
                effect = Effect::Readings;
            }
            Err(Reason::Repeated) => {
                self.counters.repeated.increment();
                meter.repeated(&outline, rssi, time, now);
            }
            Err(Reason::Replayed { .. } | Reason::SentBefore) => self.counters.replayed.increment(),
            Err(reason) => {
                self.counters.unreadable.increment();
                meter.failed(&outline, reason);
                effect = Effect::Unreadable;
            }
        }
        Some(effect)
    }

    /// Says in `/health` what is heard, and what is wrong.
    ///
    /// # Errors
    /// No meter can be read before the configuration is mended.
    fn report(&mut self, now: Instant) -> Result<(), AcquireError> {
        let meters = &mut self.settings.meters;
        let began = *self.began.get_or_insert(now);
        self.meters.set(meters.iter().map(Meter::describe).collect::<Vec<_>>().join("; "));
        let any_heard = meters.iter().any(Meter::is_heard);
        let (mut problems, mut wrong) = (Vec::new(), Vec::new());
        for meter in meters {
            let Some((code, text)) = meter.problem(began, now, self.settings.expire_after) else { continue };
            if code == FaultCode::WrongConfiguration {
                if any_heard && meter.is_news() {
                    warn!("{text}");
                }
                wrong.push(text.clone());
            }
            problems.push((code, text));
        }
        let text = problems.iter().map(|(_, text)| &**text).collect::<Vec<_>>().join("; ");
        self.cx.set_problem(problems.first().map(|(code, _)| (*code, &*text)));
        if any_heard || wrong.is_empty() {
            Ok(())
        } else {
            Err(AcquireError::misconfigured(wrong.join("; ")))
        }
    }

    /// Returns all readings that are still shown.
    fn batch(&self) -> Batch {
        Batch::now(self.settings.meters.iter().flat_map(Meter::readings).collect())
    }

    /// Returns the time at which something is due although nothing comes.
    fn due(&self) -> Instant {
        let limit = self.settings.expire_after;
        let expiry = self.settings.meters.iter().filter_map(|meter| meter.expires(limit)).min();
        let silent = self.heard + self.settings.silent_after;
        let again = self.heard.max(self.set_up) + SET_UP_AFTER;
        let still_here = self.told + self.cx.stale_after() / 2;
        let due = silent.min(again).min(still_here);
        let due = expiry.map_or(due, |expiry| due.min(expiry));
        if self.framing.waiting() > 0 { due.min(Instant::now() + PAUSE) } else { due }
    }

    /// Does what is due: forgets readings, sets a stick up again, ends the wait for a receiver that is silent.
    async fn rest(&mut self) -> Result<Option<Option<Batch>>, AcquireError> {
        let now = Instant::now();
        if now.duration_since(self.heard) >= self.settings.silent_after {
            let device = match &self.settings.origin {
                Origin::Port(port, _) => port.to_string(),
                Origin::Program(program) => program.name().to_owned(),
            };
            return Err(AcquireError::silent(now.duration_since(self.heard)).of_device(device));
        }
        if now.duration_since(self.heard.max(self.set_up)) >= SET_UP_AFTER {
            self.set_up = now;
            if let Some(input) = &mut self.input
                && !self.settings.setup.is_empty()
            {
                self.counters.set_ups.increment();
                input.set_up(&self.settings.setup).await?;
            }
        }
        let limit = self.settings.expire_after;
        let expired =
            self.settings.meters.iter_mut().filter_map(|meter| meter.expire(now, limit).then_some(()));
        if expired.count() > 0 {
            self.report(now)?;
            return Ok(Some(Some(self.batch())));
        }
        if now.duration_since(self.told) >= self.cx.stale_after() / 2 {
            self.told = now;
            self.report(now)?;
            return Ok(Some(None));
        }
        Ok(None)
    }

    /// Returns the error about bytes of another receiver than the configuration says.
    fn other_receiver(&self, shown: Receiver) -> AcquireError {
        let expected = self.settings.receiver;
        AcquireError::misconfigured(format!(
            "what arrives is from `{shown}`, and `receiver = \"{expected}\"` reads none of it: write `receiver = \"{shown}\"`"
        ))
    }

    fn told<T>(&mut self, result: T) -> T {
        self.told = Instant::now();
        result
    }
}

/// Returns the last number of a counter in the journal, and its age. An old telegram that somebody sends again after a
/// restart must not set it back.
fn recorded(cx: &SourceContext, reading: &Reading, now: Timestamp) -> Option<(Decimal, Duration)> {
    let unit = reading.unit.as_deref().unwrap_or_default();
    // The journal was opened long before the first telegram.
    let (at, number) = cx.last_recorded(&reading.name, unit, Duration::ZERO)?;
    Some((number, now.duration_since(at).unsigned_abs()))
}

#[async_trait]
impl DataAcquisition for WmbusSource {
    async fn open(&mut self) -> Result<(), AcquireError> {
        self.close().await;
        let input = match &self.settings.origin {
            Origin::Program(program) => self.starter.start(program)?,
            Origin::Port(port, baud) => Input::open(port, *baud, &self.settings.setup).await?,
        };
        self.input = Some(input);
        self.framing = Framing::new(self.settings.receiver);
        self.first_bytes = FirstBytes::new(self.settings.receiver);
        let now = Instant::now();
        (self.heard, self.set_up, self.told) = (now, now, now);
        // The first telegram tells what cannot be read.
        let _ = self.report(now);
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let mut at_end = false;
        loop {
            while let Some(effect) = self.next_telegram(at_end) {
                let reported = self.report(Instant::now());
                if reported.is_err() && effect == Effect::Unreadable {
                    return self.told(reported.map(|()| None));
                }
                if effect == Effect::Readings {
                    let batch = self.batch();
                    return Ok(self.told(Some(batch)));
                }
            }
            at_end = false;
            let due = self.due();
            let mut bytes = [0; READ];
            let Some(input) = &mut self.input else {
                return Err(AcquireError::unavailable("the receiver is closed"));
            };
            match timeout_at(due, input.read(&mut bytes, &mut self.starter)).await {
                Ok(count) => {
                    let bytes = &bytes[..count?];
                    self.framing.push(bytes);
                    if let Some(shown) = self.first_bytes.shown(bytes) {
                        let error = self.other_receiver(shown);
                        return self.told(Err(error));
                    }
                }
                Err(_) => {
                    at_end = self.framing.waiting() > 0;
                    if let Some(result) = self.rest().await? {
                        return Ok(self.told(result));
                    }
                }
            }
        }
    }

    async fn close(&mut self) {
        if let Some(input) = self.input.take() {
            input.close().await;
        }
    }
}

//! Plausibility over time: what a telegram alone does not show.
//!
//! A meter that speaks by itself sends no check character, and two flipped bits pass any parity. But it
//! says nearly the same thing every second: a telegram that differs in more than its values, or whose
//! energy counter does what no connection can carry, is damaged.

mod format;
mod implausible;

use std::time::Duration;

use framework::{Decimal, Text};

use self::format::{Kind, is_undefined};
pub use self::implausible::{Implausible, What};
use crate::{Register, Telegram, names::is_passed_on};

/// So many agreeing telegrams of a new kind are believed: the meter was exchanged, reset, or unlocked
/// with its PIN.
pub const INSISTS: u32 = 3;
/// So many lists of registers are kept: some meters send two or three in turn.
pub const MAX_LAYOUTS: usize = 4;
/// More than any house connection carries, in watts: three phases of 145 A.
pub const DEFAULT_MAX_POWER: f64 = 100_000.0;
/// How much later than the one before a telegram may have been handed over.
const SLACK: Duration = Duration::from_secs(2);

/// Judges telegrams of one meter, one after the other.
#[derive(Debug)]
pub struct Guard {
    max_power_w: f64,
    /// The most recently seen first.
    layouts: Vec<Layout>,
    /// One for each list of registers, the oldest first.
    candidates: Vec<Candidate>,
}

/// A kind of telegram that the meter may have changed to.
#[derive(Debug)]
struct Candidate {
    layout: Layout,
    /// Telegrams that agree with it.
    seen: u32,
    /// Telegrams that agree in everything but that their counters rose faster than they may.
    fast: u32,
    /// Telegrams of known layouts since the last of them.
    others: usize,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_POWER)
    }
}

impl Guard {
    /// A guard that lets energy counters rise as fast as `max_power_w` watts make them.
    pub fn new(max_power_w: f64) -> Self {
        Self { max_power_w, layouts: Vec::new(), candidates: Vec::new() }
    }

    /// Judges a telegram that was complete at `now`, a time since any fixed moment.
    ///
    /// The first telegram is believed. A later one must have the registers of an earlier one, with
    /// their units, decimals and (where values are padded with zeros) digits; its counters must not run
    /// backwards, those of energy not faster than the connection can carry, and those of other meters,
    /// which it passes on now and then, not without a new time. The guard gives way when the meter
    /// insists: the third telegram of a new kind is believed, with at most three telegrams of known
    /// kinds between them. Three that rise too fast, one above the other, are believed too. Where checksums
    /// [prove](Telegram::proven) a telegram, its registers are the meter's, and only counters are judged.
    ///
    /// # Errors
    /// Why the telegram must not be handed on.
    pub fn judge(&mut self, telegram: &impl Telegram, now: Duration) -> Result<(), Implausible> {
        let mut first = None;
        for place in 0..self.layouts.len() {
            match self.layouts[place].judge(telegram, now, self.max_power_w) {
                Ok(()) => {
                    self.layouts[place].learn(telegram, now);
                    self.layouts[..=place].rotate_right(1);
                    self.unsettle_candidates();
                    return Ok(());
                }
                // What is wrong with the same list says more than that it is not another one.
                Err(fault) if first.as_ref().is_none_or(Implausible::is_about_list) => first = Some(fault),
                Err(_) => {}
            }
        }
        let layout = match first {
            None => Layout::of(telegram, now),
            Some(fault) if telegram.proven() && !fault.is_about_counter() => {
                self.judge_counters(telegram, now)?;
                Layout::of(telegram, now)
            }
            Some(fault) => self.insisted(telegram, now).ok_or(fault)?,
        };
        self.layouts.retain(|known| known.registers != layout.registers);
        self.layouts.truncate(MAX_LAYOUTS - 1);
        self.layouts.insert(0, layout);
        Ok(())
    }

    /// Judges the counters of a telegram of a new kind against what they were in others.
    fn judge_counters(&self, telegram: &impl Telegram, now: Duration) -> Result<(), Implausible> {
        for sent in telegram.registers() {
            let Some(number) = sent.number else { continue };
            let mut known = self.layouts.iter().flat_map(|layout| &layout.registers);
            let known = known.find(|learned| learned.code == sent.code && learned.counter.is_some());
            if let Some(learned) = known.filter(|learned| learned.is_written_like(&sent, number)) {
                let what = learned.judge_counter(&sent, number, now, self.max_power_w);
                what.map_err(|what| Implausible { code: sent.code.into(), what })?;
            }
        }
        Ok(())
    }

    /// A telegram of a known kind came: a candidate with its registers was damage.
    fn unsettle_candidates(&mut self) {
        let Some(known) = self.layouts.first() else { return };
        self.candidates.retain_mut(|candidate| {
            candidate.others += 1;
            candidate.others < MAX_LAYOUTS && !known.has_registers_of(&candidate.layout)
        });
    }

    /// The layout of an implausible telegram, if the meter insists on it.
    fn insisted(&mut self, telegram: &impl Telegram, now: Duration) -> Option<Layout> {
        let place = self.candidates.iter().position(|candidate| candidate.layout.has_codes_of(telegram));
        if let Some(place) = place {
            let candidate = &mut self.candidates[place];
            if candidate.layout.judge(telegram, now, self.max_power_w).is_ok() {
                candidate.layout.learn(telegram, now);
                candidate.seen += 1;
                candidate.others = 0;
                return (candidate.seen >= INSISTS).then(|| self.candidates.remove(place).layout);
            }
            // Counters that only rise too fast, and do so each time: `max_power_w` is too low, not they.
            if candidate.layout.judge(telegram, now, f64::INFINITY).is_ok() {
                candidate.layout.learn(telegram, now);
                candidate.seen = 1;
                candidate.fast += 1;
                candidate.others = 0;
                return (candidate.fast + 1 >= INSISTS).then(|| self.candidates.remove(place).layout);
            }
            // It contradicts the one before: one of the two is damage.
            self.candidates.remove(place);
        } else if self.candidates.len() == MAX_LAYOUTS {
            self.candidates.remove(0);
        }
        self.candidates.push(Candidate { layout: Layout::of(telegram, now), seen: 1, fast: 0, others: 0 });
        None
    }
}

/// The registers of one kind of telegram, in their order.
#[derive(Debug)]
struct Layout {
    registers: Vec<Learned>,
}

/// What is known of one register.
#[derive(Debug)]
struct Learned {
    code: Text,
    unit: Option<Text>,
    value: Kind,
    counter: Option<Counter>,
}

/// The last value of a counter, and when it came.
#[derive(Debug)]
struct Counter {
    value: Decimal,
    at: Duration,
    /// When it was read, if another meter counts.
    time: Option<Text>,
}

/// Layouts with equal registers are of one kind: the newer replaces the older, and its counters.
impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        (&self.code, &self.unit, self.value) == (&other.code, &other.unit, other.value)
    }
}

impl Layout {
    fn of(telegram: &impl Telegram, now: Duration) -> Self {
        let mut layout = Self {
            registers: telegram
                .registers()
                .map(|register| Learned {
                    code: register.code.into(),
                    unit: register.unit.map(Text::from),
                    value: Kind::of(&register),
                    counter: None,
                })
                .collect(),
        };
        layout.learn(telegram, now);
        layout
    }

    fn has_registers_of(&self, other: &Self) -> bool {
        self.registers
            .iter()
            .map(|learned| &learned.code)
            .eq(other.registers.iter().map(|learned| &learned.code))
    }

    fn has_codes_of(&self, telegram: &impl Telegram) -> bool {
        self.registers.len() == telegram.registers().len()
            && self
                .registers
                .iter()
                .zip(telegram.registers())
                .all(|(learned, sent)| learned.code == sent.code)
    }

    fn judge(&self, telegram: &impl Telegram, now: Duration, max_power_w: f64) -> Result<(), Implausible> {
        if !self.has_codes_of(telegram) {
            return Err(Implausible { code: Text::default(), what: What::Registers });
        }
        for (learned, sent) in self.registers.iter().zip(telegram.registers()) {
            if let Err(what) = learned.judge(&sent, now, max_power_w) {
                return Err(Implausible { code: sent.code.into(), what });
            }
        }
        Ok(())
    }

    fn learn(&mut self, telegram: &impl Telegram, now: Duration) {
        for (learned, sent) in self.registers.iter_mut().zip(telegram.registers()) {
            learned.learn(&sent, now);
        }
    }
}

impl Learned {
    fn judge(&self, sent: &Register<'_>, now: Duration, max_power_w: f64) -> Result<(), What> {
        if self.unit.as_deref() != sent.unit {
            return Err(What::Unit);
        }
        let (format, number) = match (self.value, sent.number) {
            (Kind::Number(format), Some(number)) => (format, number),
            (Kind::Text, None) | (Kind::Undefined, Some(_)) => return Ok(()),
            (_, None) if is_undefined(sent.value) => return Ok(()),
            _ => return Err(What::Number),
        };
        if !format.fits(sent.value, number) {
            return Err(What::Digits);
        }
        self.judge_counter(sent, number, now, max_power_w)
    }

    /// Same unit and decimals: values can be compared.
    fn is_written_like(&self, sent: &Register<'_>, number: Decimal) -> bool {
        let decimals = self.counter.as_ref().map(|counter| counter.value.scale());
        self.unit.as_deref() == sent.unit && decimals == Some(number.scale())
    }

    fn judge_counter(
        &self,
        sent: &Register<'_>,
        number: Decimal,
        now: Duration,
        max_power_w: f64,
    ) -> Result<(), What> {
        let Some(Counter { value: before, at, time }) = &self.counter else { return Ok(()) };
        // The decimals are the same: the difference of the digits is one in units of the last place.
        let Some(rise @ 0..) = number.mantissa().checked_sub(before.mantissa()) else {
            return Err(What::Backwards { before: *before, now: number });
        };
        if let Some(time) = time {
            // Its readings come in one step for an hour: power says nothing. Without a limit, as for what a
            // meter insists on, its clock may stand still.
            let same = rise > 0 && sent.time.is_some_and(|sent| sent.sent == time);
            return if same && max_power_w.is_finite() { Err(What::Untimely) } else { Ok(()) };
        }
        let Some(unit_wh) = watt_hours(sent.unit) else { return Ok(()) };
        // One unit is the counter's own rounding.
        let rise_wh = (rise - 1).max(0) as f64 * unit_wh / 10f64.powi(number.scale().into());
        let power_w = rise_wh / ((now.saturating_sub(*at) + SLACK).as_secs_f64() / 3600.0);
        if power_w <= max_power_w { Ok(()) } else { Err(What::TooFast { power_w: power_w as u64 }) }
    }

    fn learn(&mut self, sent: &Register<'_>, now: Duration) {
        if self.value == Kind::Undefined {
            self.value = Kind::of(sent);
        }
        if let (Kind::Number(format), Some(number)) = (&mut self.value, sent.number) {
            format.learn(sent.value, number);
            if is_counter(sent) {
                let passed_on = sent.obis.is_some_and(is_passed_on);
                let time = passed_on.then(|| sent.time.map_or("", |time| time.sent).into());
                self.counter = Some(Counter { value: number, at: now, time });
            }
        }
    }
}

/// Does the register count, upwards only?
///
/// Energy: not the sums over both directions (16, and 36, 56, 76 for the phases), nor values of the past.
/// And what other meters count.
fn is_counter(register: &Register<'_>) -> bool {
    register.obis.is_some_and(|obis| {
        let (c, d, _) = obis.cde();
        let energy = (1..=80).contains(&c)
            && d == 8
            && !matches!(c, 16 | 36 | 56 | 76)
            && matches!(obis.history(), None | Some(0));
        let counts = register.unit == Some("m3") || watt_hours(register.unit).is_some();
        energy || (is_passed_on(obis) && counts)
    })
}

/// One `unit` of energy in watt hours; a counter without a unit counts kWh. `None` for other units.
fn watt_hours(unit: Option<&str>) -> Option<f64> {
    let unit = unit.unwrap_or_default();
    let known = [
        ("", 1e3),
        ("Wh", 1.0),
        ("kWh", 1e3),
        ("MWh", 1e6),
        ("varh", 1.0),
        ("kvarh", 1e3),
        ("VAh", 1.0),
        ("kVAh", 1e3),
        ("MJ", 1e6 / 3600.0),
        ("GJ", 1e9 / 3600.0),
    ];
    known.iter().find(|(known, _)| known.eq_ignore_ascii_case(unit)).map(|&(_, watt_hours)| watt_hours)
}

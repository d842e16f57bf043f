//! Registers of one kind of telegram, and what they may do.

use std::time::Duration;

use framework::{Decimal, Kind, Meaning, Quantity, Text};

use super::{
    format::{Shape, is_undefined},
    implausible::{Implausible, What},
};
use crate::{Register, Telegram, names::is_passed_on};

/// Time by which a telegram may have been delivered later than the one before.
const SLACK: Duration = Duration::from_secs(2);
/// Unit of an energy counter that has none: kWh.
const JOULES_PER_KWH: f64 = 3.6e6;

/// Registers of one kind of telegram, in their order.
///
/// Layouts with equal registers are of one kind: the newer replaces the older, and its counters.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    registers: Vec<Learned>,
}

/// Knowledge of one register.
#[derive(Debug)]
pub(super) struct Learned {
    code: Text,
    unit: Option<Text>,
    shape: Shape,
    rule: Rule,
    /// Last value of a counter.
    last: Option<Last>,
}

/// Rule for the value of a register.
#[derive(Debug)]
enum Rule {
    /// It does as it likes.
    Free,
    /// It does not fall.
    Rises,
    /// It counts energy, of so many joules in a unit: it rises no faster than the connection can carry.
    Energy { joules: f64 },
    /// Another meter counts it and is read now and then: it rises in steps, each with a new time.
    PassedOn,
}

#[derive(Debug)]
struct Last {
    value: Decimal,
    at: Duration,
    /// Time at which another meter was read.
    time: Text,
}

impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        (&self.code, &self.unit, self.shape) == (&other.code, &other.unit, other.shape)
    }
}

impl Layout {
    pub(super) fn of(telegram: &impl Telegram, now: Duration) -> Self {
        let learned = |register: Register<'_>| Learned {
            code: register.code.into(),
            unit: register.unit.map(Text::from),
            shape: Shape::of(&register),
            rule: Rule::of(&register),
            last: None,
        };
        let mut layout = Self { registers: telegram.registers().map(learned).collect() };
        layout.learn(telegram, now);
        layout
    }

    pub(super) fn has_registers_of(&self, other: &Self) -> bool {
        self.registers
            .iter()
            .map(|learned| &learned.code)
            .eq(other.registers.iter().map(|learned| &learned.code))
    }

    pub(super) fn has_codes_of(&self, telegram: &impl Telegram) -> bool {
        let codes = self.registers.iter().map(|learned| learned.code.as_str());
        self.registers.len() == telegram.registers().len()
            && codes.eq(telegram.registers().map(|sent| sent.code))
    }

    /// Returns the counter with this code.
    pub(super) fn counter(&self, code: &str) -> Option<&Learned> {
        self.registers.iter().find(|learned| learned.code == code && learned.last.is_some())
    }

    pub(super) fn judge(
        &self,
        telegram: &impl Telegram,
        now: Duration,
        max_power_w: f64,
    ) -> Result<(), Implausible> {
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

    pub(super) fn learn(&mut self, telegram: &impl Telegram, now: Duration) {
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
        let (format, number) = match (self.shape, sent.number) {
            (Shape::Number(format), Some(number)) => (format, number),
            (Shape::Text, None) | (Shape::Undefined, Some(_)) => return Ok(()),
            (_, None) if is_undefined(sent.value) => return Ok(()),
            _ => return Err(What::Number),
        };
        if !format.fits(sent.value, number) {
            return Err(What::Digits);
        }
        self.judge_counter(sent, number, now, max_power_w)
    }

    /// Judges a counter of another list, where its value can be compared: in the same unit, with the same decimals.
    pub(super) fn judge_alone(
        &self,
        sent: &Register<'_>,
        now: Duration,
        max_power_w: f64,
    ) -> Result<(), What> {
        match (&self.last, sent.number) {
            (Some(last), Some(number))
                if self.unit.as_deref() == sent.unit && last.value.scale() == number.scale() =>
            {
                self.judge_counter(sent, number, now, max_power_w)
            }
            _ => Ok(()),
        }
    }

    fn judge_counter(
        &self,
        sent: &Register<'_>,
        number: Decimal,
        now: Duration,
        max_power_w: f64,
    ) -> Result<(), What> {
        let Some(Last { value: before, at, time }) = &self.last else { return Ok(()) };
        // The decimals are the same: the difference of the digits is one in units of the last place.
        let Some(rise @ 0..) = number.mantissa().checked_sub(before.mantissa()) else {
            return Err(What::Backwards { before: *before, now: number });
        };
        match self.rule {
            Rule::Free | Rule::Rises => Ok(()),
            // Without a limit, as for what a meter insists on, its clock may stand still.
            Rule::PassedOn => {
                let same = rise > 0 && sent.time.is_some_and(|sent| sent.sent == time);
                if same && max_power_w.is_finite() { Err(What::Untimely) } else { Ok(()) }
            }
            Rule::Energy { joules } => {
                // One unit is the counter's own rounding.
                let energy = (rise - 1).max(0) as f64 * joules / 10f64.powi(number.scale().into());
                let power_w = energy / (now.saturating_sub(*at) + SLACK).as_secs_f64();
                if power_w <= max_power_w { Ok(()) } else { Err(What::TooFast { power_w: power_w as u64 }) }
            }
        }
    }

    fn learn(&mut self, sent: &Register<'_>, now: Duration) {
        if self.shape == Shape::Undefined {
            self.shape = Shape::of(sent);
        }
        if let (Shape::Number(format), Some(value)) = (&mut self.shape, sent.number) {
            format.learn(sent.value, value);
            let time = match self.rule {
                Rule::Free => return,
                Rule::PassedOn => sent.time.map_or("", |time| time.sent),
                _ => "",
            };
            self.last = Some(Last { value, at: now, time: time.into() });
        }
    }
}

impl Rule {
    fn of(register: &Register<'_>) -> Self {
        let meaning = Meaning::of(register.code, register.unit, register.obis);
        // One that is not live begins again with each billing period.
        if meaning.kind != Kind::Counter || !meaning.live {
            return Self::Free;
        }
        match meaning.quantity {
            _ if register.obis.is_some_and(is_passed_on) => Self::PassedOn,
            Quantity::Energy | Quantity::ReactiveEnergy | Quantity::ApparentEnergy => {
                Self::Energy { joules: meaning.unit.map_or(JOULES_PER_KWH, |unit| unit.factor().to_f64()) }
            }
            _ => Self::Rises,
        }
    }
}

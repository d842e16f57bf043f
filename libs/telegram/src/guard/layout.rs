//! Registers of one kind of telegram.

use std::time::Duration;

use framework::Text;

use super::{
    counter::Counter,
    format::{Shape, is_undefined},
    implausible::{Held, Implausible, What},
};
use crate::{Register, Telegram};

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
    counter: Option<Counter>,
}

impl PartialEq for Learned {
    fn eq(&self, other: &Self) -> bool {
        (&self.code, &self.unit, self.shape) == (&other.code, &other.unit, other.shape)
    }
}

impl Layout {
    /// Returns the layout of a telegram; its counters go on from those of the `known` ones.
    pub(super) fn of(telegram: &impl Telegram, known: &[Self]) -> Self {
        let known = || known.iter().flat_map(|layout| &layout.registers);
        let learned = |sent: Register<'_>| {
            let mut learned = Learned {
                code: sent.code.into(),
                unit: sent.unit.map(Text::from),
                shape: Shape::of(&sent),
                counter: None,
            };
            learned.counter = match known().find(|known| **known == learned && known.counter.is_some()) {
                Some(known) => known.counter.clone(),
                None => Counter::of(&sent),
            };
            learned
        };
        Self { registers: telegram.registers().map(learned).collect() }
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

    /// Judges the registers of a telegram; returns whether their counters are good too.
    pub(super) fn judge(
        &self,
        telegram: &impl Telegram,
        now: Duration,
        max_power_w: f64,
    ) -> Result<bool, Implausible> {
        if !self.has_codes_of(telegram) {
            return Err(Implausible { code: Text::default(), what: What::Registers });
        }
        let mut good = true;
        for (learned, sent) in self.registers.iter().zip(telegram.registers()) {
            learned.judge(&sent).map_err(|what| Implausible { code: sent.code.into(), what })?;
            let counter = learned.counter.as_ref();
            good &= counter.is_none_or(|counter| counter.judge(&sent, now, max_power_w).is_ok());
        }
        Ok(good)
    }

    /// Judges the counters of a telegram, and learns from it what is good. Returns those that must not be shown.
    pub(super) fn count(
        &mut self,
        telegram: &impl Telegram,
        now: Duration,
        max_power_w: f64,
    ) -> Result<Vec<Held>, Implausible> {
        let (mut held, mut fault) = (Vec::new(), None);
        for (place, (learned, sent)) in self.registers.iter_mut().zip(telegram.registers()).enumerate() {
            if let Some(counter) = &mut learned.counter
                && let Err(what) = counter.judge(&sent, now, max_power_w)
                && !counter.insists(&sent, now, max_power_w)
            {
                let implausible = Implausible { code: sent.code.into(), what };
                if telegram.is_checksummed() || matches!(what, What::Backwards { .. }) {
                    held.push(Held { place, implausible });
                } else {
                    fault.get_or_insert(implausible);
                }
            }
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        let mut bad = held.iter().map(|held| held.place).peekable();
        for (place, (learned, sent)) in self.registers.iter_mut().zip(telegram.registers()).enumerate() {
            if bad.next_if_eq(&place).is_none() {
                learned.learn(&sent, now);
            }
        }
        Ok(held)
    }

    /// Forgets the values on which the meter seemed to insist: they were damage, like the telegram after them.
    pub(super) fn unsettle(&mut self) {
        self.registers.iter_mut().flat_map(|learned| &mut learned.counter).for_each(Counter::unsettle);
    }

    /// Returns `None` where the telegram contradicts this layout, else whether a counter rose too fast.
    pub(super) fn agrees(&self, telegram: &impl Telegram, now: Duration, max_power_w: f64) -> Option<bool> {
        match self.judge(telegram, now, max_power_w).ok()? {
            true => Some(false),
            false => self.judge(telegram, now, f64::INFINITY).is_ok_and(|good| good).then_some(true),
        }
    }

    pub(super) fn learn(&mut self, telegram: &impl Telegram, now: Duration) {
        for (learned, sent) in self.registers.iter_mut().zip(telegram.registers()) {
            learned.learn(&sent, now);
        }
    }
}

impl Learned {
    fn judge(&self, sent: &Register<'_>) -> Result<(), What> {
        if self.unit.as_deref() != sent.unit {
            return Err(What::Unit);
        }
        match (self.shape, sent.number) {
            (Shape::Number(format), Some(number)) if format.fits(sent.value, number) => Ok(()),
            (Shape::Number(_), Some(_)) => Err(What::Digits),
            (Shape::Text, None) | (Shape::Undefined, Some(_)) => Ok(()),
            (_, None) if is_undefined(sent.value) => Ok(()),
            _ => Err(What::Number),
        }
    }

    fn learn(&mut self, sent: &Register<'_>, now: Duration) {
        if self.shape == Shape::Undefined {
            self.shape = Shape::of(sent);
        }
        if let (Shape::Number(format), Some(value)) = (&mut self.shape, sent.number) {
            format.learn(sent.value, value);
            if let Some(counter) = &mut self.counter {
                counter.learn(sent, now);
            }
        }
    }
}

//! Counter of a register, and what it may do.

use std::time::Duration;

use framework::{Decimal, Kind, Meaning, Quantity, Text, Unit};

use super::{Insistence, implausible::What};
use crate::{Register, sub_meters::is_passed_on};

/// Time by which a telegram may have been delivered later than the one before.
const SLACK: Duration = Duration::from_secs(2);
/// More than a heat meter of a block of flats counts, in watts.
const MOST_POWER_W: f64 = 10_000_000.0;
/// More than flows through the water or gas meter of a block of flats, in m³/s: 1000 m³/h.
const MOST_FLOW_M3_S: f64 = 1000.0 / 3600.0;
/// Unit of an energy counter that has none: kWh.
const JOULES_PER_KWH: f64 = 3.6e6;

/// What is known of a counter.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    rule: Rule,
    /// Last good value.
    last: Option<Last>,
    /// Newest of the values that contradict it, and agree with each other.
    other: Option<(Last, Insistence)>,
}

/// Rule for the values of a counter; none may fall.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Rises,
    /// It counts energy, of so many joules in a unit: it rises no faster than the connection can carry.
    Energy {
        joules: f64,
    },
    /// Another meter counts it and is read now and then: it rises in steps, each with a new time.
    PassedOn,
    /// It rises by no more than so many of its units in a second, in whatever form its numbers come.
    Within {
        per_second: f64,
    },
}

#[derive(Debug, Clone)]
struct Last {
    value: Decimal,
    at: Duration,
    /// Time at which another meter was read.
    time: Text,
}

impl Counter {
    /// Returns the counter in a register, if there is one.
    pub(super) fn of(register: &Register<'_>) -> Option<Self> {
        let meaning = Meaning::of(register.code, register.unit, register.obis);
        // One that is not live begins again with each billing period.
        if meaning.kind != Kind::Counter || !meaning.live {
            return None;
        }
        let rule = match meaning.quantity {
            _ if register.obis.is_some_and(is_passed_on) => Rule::PassedOn,
            Quantity::Energy | Quantity::ReactiveEnergy | Quantity::ApparentEnergy => {
                let joules = meaning.unit.map_or(JOULES_PER_KWH, |unit| unit.factor().to_f64());
                Rule::Energy { joules }
            }
            _ => Rule::Rises,
        };
        Some(Self { rule, last: None, other: None })
    }

    /// A counter of which no register tells: of this unit, of a meter of any size.
    pub(super) fn in_unit(unit: Option<&str>) -> Self {
        let unit = unit.and_then(Unit::parse);
        let limit = unit.and_then(|unit| match unit.quantity() {
            Quantity::Energy | Quantity::ReactiveEnergy | Quantity::ApparentEnergy => {
                Some(MOST_POWER_W / unit.factor().to_f64())
            }
            Quantity::Volume => Some(MOST_FLOW_M3_S / unit.factor().to_f64()),
            _ => None,
        });
        let rule = limit.map_or(Rule::Rises, |per_second| Rule::Within { per_second });
        Self { rule, last: None, other: None }
    }

    /// Judges a value by the last good one.
    pub(super) fn judge(&self, sent: &Register<'_>, now: Duration, max_power_w: f64) -> Result<(), What> {
        let (Some(last), Some(number)) = (&self.last, sent.number) else { return Ok(()) };
        self.rule.judge(last, sent, number, now, max_power_w)
    }

    /// Notes a value that contradicts the last good one. Returns whether the meter insists on it: it is good then.
    pub(super) fn insists(&mut self, sent: &Register<'_>, now: Duration, max_power_w: f64) -> bool {
        let Some(value) = Last::of(sent, now) else { return false };
        let (other, mut insistence) = match self.other.take() {
            Some((last, insistence)) => (Some(last), insistence),
            None => (None, Insistence::FIRST),
        };
        let agrees = |limit| {
            other.as_ref().is_some_and(|last| self.rule.judge(last, sent, value.value, now, limit).is_ok())
        };
        let believed = if agrees(max_power_w) {
            insistence.agreed(false)
        } else if agrees(f64::INFINITY) {
            insistence.agreed(true)
        } else {
            insistence = Insistence::FIRST;
            false
        };
        self.other = Some((value, insistence));
        believed
    }

    /// Forgets the values that contradict the last good one.
    pub(super) fn unsettle(&mut self) {
        self.other = None;
    }

    /// Takes a value as good.
    pub(super) fn learn(&mut self, sent: &Register<'_>, now: Duration) {
        if let Some(last) = Last::of(sent, now) {
            (self.last, self.other) = (Some(last), None);
        }
    }
}

impl Last {
    fn of(sent: &Register<'_>, at: Duration) -> Option<Self> {
        let time = sent.time.map_or("", |time| time.sent);
        Some(Self { value: sent.number?, at, time: time.into() })
    }
}

impl Rule {
    fn judge(
        self,
        last: &Last,
        sent: &Register<'_>,
        number: Decimal,
        now: Duration,
        max_power_w: f64,
    ) -> Result<(), What> {
        let backwards = What::Backwards { before: last.value, now: number };
        let difference = number.checked_sub(last.value).ok_or(backwards)?;
        // The digits of the difference are one in units of its last place.
        let rise @ 0.. = difference.mantissa() else { return Err(backwards) };
        // One unit is the counter's own rounding.
        let least = (rise - 1).max(0) as f64 / 10f64.powi(difference.scale().into());
        let seconds = (now.saturating_sub(last.at) + SLACK).as_secs_f64();
        match self {
            Self::Rises => Ok(()),
            // Without a limit, as for what a meter insists on, its clock may stand still.
            Self::PassedOn => {
                let same = rise > 0 && sent.time.is_some_and(|sent| sent.sent == last.time);
                if same && max_power_w.is_finite() { Err(What::Untimely) } else { Ok(()) }
            }
            Self::Energy { joules } => {
                let power_w = least * joules / seconds;
                if power_w <= max_power_w { Ok(()) } else { Err(What::TooFast { power_w: power_w as u64 }) }
            }
            // The same without a limit.
            Self::Within { per_second } => {
                let is_possible = least <= per_second * seconds || max_power_w.is_infinite();
                let jumped = What::Jumped { before: last.value, now: number };
                if is_possible { Ok(()) } else { Err(jumped) }
            }
        }
    }
}

//! From readings to a batch.

use framework::{Kind, Reading, Unit, View};

use super::{Used, UsedReading, Value, Values};
use crate::{
    Number,
    counters::{Count, Counter},
    expression::{Dimension, Mistake, Units, convert},
    integral::Integral,
    state::State,
};

/// Digits after the point of what has no exact decimals.
const DECIMALS: u32 = 6;

/// Result of a computation.
#[derive(Debug, Default)]
pub(crate) struct Computed {
    pub(crate) readings: Vec<Reading>,
    /// Counters that were swapped or reset: `grid.ENERGY`.
    pub(crate) resets: Vec<String>,
    /// Integrals that skipped a gap.
    pub(crate) gaps: Vec<String>,
}

/// Reason for no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The readings do not fit the configuration.
    Misfit(Vec<String>),
    /// These numbers have no result.
    Arithmetic(String),
}

/// A number, what it measures, and its moment.
#[derive(Debug, Clone)]
struct Operand {
    number: Number,
    dimension: Dimension,
    kind: Kind,
    /// Whether its digits end: those of a quotient need not.
    is_exact: bool,
    /// Number of the batch, by which the newest is found, and its time in microseconds since 1970.
    moment: (u64, i64),
}

impl Values {
    /// Computes all values from the newest batches of the inputs; `None` where there is none, or a stale one.
    ///
    /// # Errors
    /// Returns what does not fit, each with file, line and column.
    pub(crate) fn compute(&mut self, views: &[Option<View>], state: &mut State) -> Result<Computed, Fault> {
        for used in &mut self.readings {
            let view = views.get(used.input).and_then(Option::as_ref);
            used.was_seen |= view.is_some_and(|view| view.snapshot.batch.get(&used.name).is_some());
        }
        let mut computed = Computed::default();
        let (mut found, mut misfits) = (Vec::new(), Vec::new());
        for used in &self.readings {
            match self.read(used, views, state, &mut computed.resets) {
                Ok(operand) => found.push(operand),
                Err(misfit) => {
                    found.push(None);
                    misfits.push(misfit);
                }
            }
        }
        if !misfits.is_empty() {
            return Err(Fault::Misfit(misfits));
        }
        let mut results = vec![None; self.values.len()];
        for &at in &*self.order {
            let value = &self.values[at];
            let operands: Vec<Option<Operand>> = value
                .operands
                .iter()
                .map(|used| match used {
                    Used::Reading(n) => found[*n].clone(),
                    Used::Value(n) => results[*n].clone(),
                    Used::Wrong => None,
                })
                .collect();
            let dimensions = operands.iter().map(|operand| match operand {
                Some(operand) => operand.dimension.clone(),
                None => Dimension::Unknown,
            });
            match value.check(dimensions.collect()) {
                Ok(dimension) if misfits.is_empty() => {
                    let result = value.result(&operands, dimension, state, &mut computed.gaps);
                    results[at] = result.map_err(|mistake| Fault::Arithmetic(place(value, &mistake)))?;
                }
                Ok(_) => {}
                Err(mistake) => misfits.push(place(value, &mistake)),
            }
        }
        if !misfits.is_empty() {
            return Err(Fault::Misfit(misfits));
        }
        for (value, result) in self.values.iter().zip(results) {
            let Some(result) = result else { continue };
            let too_large = || Mistake::new(0..0, "the result has more than 18 digits");
            let reading =
                value.reading(result).ok_or_else(|| Fault::Arithmetic(place(value, &too_large())))?;
            computed.readings.push(reading);
        }
        Ok(computed)
    }

    /// Returns a reading of an input; `None` if it is missing and may be: its source is silent, or has sent it before.
    fn read(
        &self,
        used: &UsedReading,
        views: &[Option<View>],
        state: &mut State,
        resets: &mut Vec<String>,
    ) -> Result<Option<Operand>, String> {
        let fault = |message: String| {
            let value = &self.values[used.used_by.0];
            let part = value.expression.operands.get(used.used_by.1).map_or(0, |operand| operand.part.start);
            format!("{}: {message}", value.text.line_and_column(part))
        };
        let Some(view) = views.get(used.input).and_then(Option::as_ref) else { return Ok(None) };
        let batch = &view.snapshot.batch;
        let Some(reading) = batch.get(&used.name) else {
            if used.is_optional && used.was_seen {
                return Ok(None);
            }
            let names: Vec<_> =
                batch.readings.iter().take(20).map(|reading| format!("`{}`", reading.name)).collect();
            return Err(fault(format!(
                "there is no reading `{}`, expected one of {}",
                used.full_name,
                names.join(", ")
            )));
        };
        let framework::Value::Number(number) = &reading.value else {
            return Err(fault(format!("`{}` is a text, not a number", used.full_name)));
        };
        let (number, meaning) = (crate::number(*number), reading.meaning());
        if reading.kind == Some(Kind::State) {
            return Err(fault(format!("`{}` is a state, not a number to compute with", used.full_name)));
        }
        let moment = (view.snapshot.number, batch.taken_at.as_microsecond());
        let dimension = Dimension::of(reading.unit.as_deref());
        let operand = |number| Operand { number, dimension, kind: meaning.kind, is_exact: true, moment };
        if !matches!(meaning.kind, Kind::Counter | Kind::Net) {
            return Ok(Some(operand(number)));
        }
        let unit = reading.unit.as_deref().unwrap_or_default().trim();
        let set = self.was_set(used, state, moment.1);
        let count = Count { value: number, unit, time: moment.1, set };
        let Some(counter) = state.counters.get_mut(&used.full_name) else {
            state.counters.insert(used.full_name.clone(), Counter::first(count));
            return Ok(Some(operand(number)));
        };
        let too_large = || fault(format!("`{}` is too large to compute with", used.full_name));
        let stepped = counter.step(count, &meaning).ok_or_else(too_large)?;
        if stepped.was_reset {
            resets.push(used.full_name.clone());
        }
        Ok(Some(operand(stepped.number)))
    }

    /// Returns the sum of the steps that commands made in a counter since its last reading.
    fn was_set(&self, used: &UsedReading, state: &State, now: i64) -> Number {
        let Some(counter) = state.counters.get(&used.full_name) else { return Number::ZERO };
        let steps = self.inputs[used.input].input.counter_steps(&used.name);
        let steps = steps.iter().filter(|step| {
            let at = step.at.as_microsecond();
            counter.time() < at && at <= now
        });
        steps.map(|step| crate::number(step.after) - crate::number(step.before)).sum()
    }
}

impl Value {
    /// Returns the value; `None` if an operand is missing.
    fn result(
        &self,
        operands: &[Option<Operand>],
        dimension: Dimension,
        state: &mut State,
        gaps: &mut Vec<String>,
    ) -> Result<Option<Operand>, Mistake> {
        let whole = || 0..self.text.as_str().len();
        let too_large = || Mistake::new(whole(), "the result is too large");
        let mut units = Units::of_result(self.expression_unit());
        let mut numbers = Vec::with_capacity(operands.len());
        let mut is_exact = self.integral.is_none() && !self.expression.divides();
        for operand in operands {
            is_exact &= operand.as_ref().is_none_or(|operand| match operand.dimension {
                Dimension::Unit(unit) => operand.is_exact && unit.factor_to(units.working(unit)).is_some(),
                _ => operand.is_exact,
            });
            let converted = operand.as_ref().map(|operand| match operand.dimension {
                Dimension::Unit(unit) => {
                    convert(operand.number, unit, units.working(unit)).ok_or_else(too_large)
                }
                _ => Ok(operand.number),
            });
            numbers.push(converted.transpose()?);
        }
        let Some(number) = self.expression.evaluate(&numbers, &mut units)? else { return Ok(None) };
        let moment = operands.iter().flatten().map(|operand| operand.moment).max().unwrap_or_default();
        let kinds: Vec<_> = operands
            .iter()
            .map(|operand| operand.as_ref().map_or(Kind::Gauge, |operand| operand.kind))
            .collect();
        // As many digits as the operands have, whichever `max` took.
        let scale = numbers.iter().flatten().map(Number::scale).max().unwrap_or(0).min(18);
        let mut number = number;
        if number.scale() < scale {
            number.rescale(scale);
        }
        let Some(max_gap) = self.integral else {
            let kind = self.kind.unwrap_or_else(|| self.expression.kind(&kinds));
            return Ok(Some(Operand { number, dimension, kind, is_exact, moment }));
        };
        let Some(unit) = self.integrated() else { return Ok(None) };
        let name = self.name.as_str();
        let integral = match state.integrals.get_mut(name) {
            Some(integral) => {
                if !integral.step(number, moment.1, max_gap).ok_or_else(too_large)? {
                    gaps.push(name.to_owned());
                }
                integral
            }
            None => state.integrals.entry(name.to_owned()).or_insert(Integral::begin(number, moment.1)),
        };
        let number = integral.sum(unit).ok_or_else(too_large)?;
        let kind = self.kind.unwrap_or(Kind::Net);
        Ok(Some(Operand { number, dimension, kind, is_exact, moment }))
    }

    /// Returns the unit of the integral.
    fn integrated(&self) -> Option<Unit> {
        match self.unit.as_ref()?.dimension {
            Dimension::Unit(unit) => Some(unit),
            _ => None,
        }
    }

    /// Returns the value as a reading; `None` if it has too many digits before the point.
    fn reading(&self, result: Operand) -> Option<Reading> {
        let is_exact = result.is_exact && result.number.scale() <= 18;
        let decimals = self.decimals.map(u32::from).or((!is_exact).then_some(DECIMALS));
        let number = crate::decimal(result.number, decimals)?;
        let reading = match result.kind {
            Kind::Counter => Reading::counter(self.name.clone(), number),
            Kind::Net => Reading::net(self.name.clone(), number),
            _ => Reading::gauge(self.name.clone(), number),
        };
        let unit = self.unit.as_ref().map(|stated| stated.text.clone()).or_else(|| result.dimension.symbol());
        Some(match unit {
            Some(unit) => reading.unit(unit),
            None => reading,
        })
    }
}

fn place(value: &Value, mistake: &Mistake) -> String {
    let hint = mistake.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{}: {}{hint}", value.text.line_and_column(mistake.part.start), mistake.message)
}

//! Values of a configuration.

use std::sync::Arc;

use framework::{ConfigError, ConfigString, Period, SourceContext, Text};

use super::{ReadSource, StatedUnit, Used, UsedReading, Value, Values};
use crate::{
    config::{ValueConfig, check_name},
    expression::{Dimension, Expression, Mistake, Units},
    integral,
};

/// Longest time without a reading that an integral bridges, if the configuration has none.
const MAX_GAP: Period = Period(std::time::Duration::from_secs(300));
/// Most digits after the point.
const MOST_DECIMALS: u8 = 12;

impl Values {
    /// Checks the values of a configuration.
    ///
    /// # Errors
    /// Returns every mistake: one of the grammar, an unknown source or value, a circle of values, units that cannot be
    /// added.
    pub(crate) fn build(config: Vec<(String, ValueConfig)>, cx: &SourceContext) -> Result<Self, ConfigError> {
        if config.is_empty() {
            let hint = "write one: `values.HOUSE = { expression = \"grid.POWER + pv.power\", unit = \"W\" }`";
            return Err(ConfigError::key("values", "there are no values").hint(hint));
        }
        let mut mistakes = Vec::new();
        let mut values = Vec::new();
        let names: Vec<String> = config.iter().map(|(name, _)| name.clone()).collect();
        for (name, config) in config {
            mistakes.extend(check_name(&name).err());
            match value(name, config) {
                Ok(value) => values.push(value),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        let (mut inputs, mut readings) = (Vec::new(), Vec::new());
        mistakes.extend(connect(&mut values, &names, &mut inputs, &mut readings, cx));
        let order = match in_order(&values) {
            Ok(order) => order,
            Err(circle) => return Err(mistakes.into_iter().fold(circle, ConfigError::and)),
        };
        // Now with what this section tells, and once more with what the others do.
        mistakes.extend(check_units(&values, &order, &vec![Dimension::Unknown; readings.len()]));
        ConfigError::all(mistakes)?;
        let all = Self { inputs, readings, values: values.into(), order: order.into() };
        for value in &*all.values {
            if let Some(stated) = &value.unit {
                cx.state_unit(value.name.clone(), stated.text.clone());
            }
        }
        let of_reading =
            |used: &UsedReading| (all.inputs[used.input].input.source().into(), used.name.clone());
        let readings: Vec<(Text, Text)> = all.readings.iter().map(of_reading).collect();
        let (values, order) = (Arc::clone(&all.values), Arc::clone(&all.order));
        cx.check_units(move |units| {
            let known = readings.iter().map(|(source, reading)| match units.unit(source, reading) {
                Some(unit) => Dimension::of(Some(unit)),
                None => Dimension::Unknown,
            });
            ConfigError::all(check_units(&values, &order, &known.collect::<Vec<_>>()))
        });
        Ok(all)
    }
}

/// Finds what each operand refers to. `names` are those of all values, also of those that are wrong.
fn connect(
    values: &mut [Value],
    names: &[String],
    inputs: &mut Vec<ReadSource>,
    readings: &mut Vec<UsedReading>,
    cx: &SourceContext,
) -> Vec<ConfigError> {
    let right: Vec<Text> = values.iter().map(|value| value.name.clone()).collect();
    let mut mistakes = Vec::new();
    for (at, value) in values.iter_mut().enumerate() {
        for (n, operand) in value.expression.operands.iter().enumerate() {
            let place = value.text.place(operand.part.clone());
            if operand.source == cx.name() {
                let used = match right.iter().position(|name| *name == operand.reading) {
                    Some(other) => Used::Value(other),
                    None => {
                        let known = names.iter().map(String::as_str);
                        if !known.clone().any(|name| name == operand.reading) {
                            let unknown = ConfigError::unknown("values", "value", &operand.reading, known);
                            mistakes.push(unknown.at(place));
                        }
                        Used::Wrong
                    }
                };
                value.operands.push(used);
                continue;
            }
            let input = match inputs.iter().position(|read| read.input.source() == operand.source) {
                Some(input) => input,
                None => match cx.input(place, &operand.source) {
                    Ok(input) => {
                        inputs.push(ReadSource { input, is_optional: true });
                        inputs.len() - 1
                    }
                    Err(mistake) => {
                        mistakes.push(mistake);
                        value.operands.push(Used::Wrong);
                        continue;
                    }
                },
            };
            inputs[input].is_optional &= operand.is_optional;
            let is_it = |known: &UsedReading| known.input == input && known.name == operand.reading;
            let reading = readings.iter().position(is_it).unwrap_or_else(|| {
                readings.push(UsedReading {
                    input,
                    name: operand.reading.as_str().into(),
                    full_name: format!("{}.{}", operand.source, operand.reading),
                    used_by: (at, n),
                    is_optional: true,
                    was_seen: false,
                });
                readings.len() - 1
            });
            let known = &mut readings[reading];
            if known.is_optional && !operand.is_optional {
                (known.is_optional, known.used_by) = (false, (at, n));
            }
            value.operands.push(Used::Reading(reading));
        }
    }
    for read in inputs.iter_mut().filter(|read| read.is_optional) {
        read.input = read.input.clone().optional();
    }
    mistakes
}

/// Returns the order in which the values can be computed.
fn in_order(values: &[Value]) -> Result<Vec<usize>, ConfigError> {
    let mut order = Vec::with_capacity(values.len());
    let mut is_done = vec![false; values.len()];
    loop {
        let before = order.len();
        for (at, value) in values.iter().enumerate() {
            let is_ready =
                value.operands.iter().all(|used| !matches!(used, Used::Value(other) if !is_done[*other]));
            if is_ready && !is_done[at] {
                is_done[at] = true;
                order.push(at);
            }
        }
        if order.len() == values.len() {
            return Ok(order);
        }
        if order.len() == before {
            return Err(circle(values, &is_done));
        }
    }
}

/// Returns the mistake of values that refer to each other in a circle: each that is not done needs another one.
fn circle(values: &[Value], is_done: &[bool]) -> ConfigError {
    let next = |at: usize| {
        let operands = values[at].operands.iter().enumerate();
        operands.into_iter().find_map(|(n, used)| match used {
            Used::Value(other) if !is_done[*other] => Some((n, *other)),
            _ => None,
        })
    };
    let mut way: Vec<(usize, usize)> = Vec::new();
    let mut at = is_done.iter().position(|done| !done).unwrap_or_default();
    while let Some((operand, other)) = next(at) {
        if way.iter().any(|(known, _)| *known == at) {
            break;
        }
        way.push((at, operand));
        at = other;
    }
    let start = way.iter().position(|(known, _)| *known == at).unwrap_or_default();
    let (first, operand) = way.get(start).copied().unwrap_or_default();
    let names = way[start..].iter().map(|(at, _)| *at).chain([first]);
    let names: Vec<_> = names.map(|at| format!("`{}`", values[at].name)).collect();
    let value = &values[first];
    let part = value.expression.operands.get(operand).map_or(0..0, |operand| operand.part.clone());
    value.text.error(part, format!("these values need each other in a circle: {}", names.join(" → ")))
}

/// Checks the units that are known of these readings.
fn check_units(values: &[Value], order: &[usize], readings: &[Dimension]) -> Vec<ConfigError> {
    let mut known = vec![Dimension::Unknown; values.len()];
    let mut mistakes = Vec::new();
    for &at in order {
        let value = &values[at];
        let operands = value.operands.iter().map(|used| match used {
            Used::Reading(n) => readings[*n].clone(),
            Used::Wrong => Dimension::Unknown,
            Used::Value(other) => known[*other].clone(),
        });
        match value.check(operands.collect()) {
            Ok(dimension) => known[at] = dimension,
            Err(mistake) => mistakes.push(located(&value.text, mistake)),
        }
    }
    mistakes
}

impl Value {
    /// Checks the units of the expression, with operands of these dimensions. Returns that of the value.
    ///
    /// # Errors
    /// Returns the first mistake.
    pub(super) fn check(&self, operands: Vec<Dimension>) -> Result<Dimension, Mistake> {
        let mut units = Units::of_result(self.expression_unit());
        let operands: Vec<_> = operands.iter().map(|operand| units.working_dimension(operand)).collect();
        let result = self.expression.dimension(&operands, &mut units)?;
        self.check_result(&result)?;
        Ok(self.unit.as_ref().map_or(result, |stated| stated.dimension.clone()))
    }
}

/// Checks one value by itself.
fn value(name: String, config: ValueConfig) -> Result<Value, ConfigError> {
    let wrong = |message: String| ConfigError::key("values", format!("`{name}` {message}"));
    let is_integral = config.integrate.is_some();
    let text = match (config.expression, config.integrate) {
        (Some(text), None) | (None, Some(text)) => text,
        (Some(_), Some(text)) => {
            let whole = 0..text.as_str().len();
            return Err(text
                .error(whole, "`expression` and `integrate` exclude each other")
                .hint("keep one of them"));
        }
        (None, None) => return Err(wrong("needs an `expression`, or something to `integrate`".to_owned())),
    };
    let whole = || 0..text.as_str().len();
    let expression = Expression::parse(text.as_str()).map_err(|mistake| located(&text, mistake))?;
    let unit = config.unit.as_ref().filter(|unit| !unit.as_str().trim().is_empty());
    let stated = unit.map(|unit| StatedUnit {
        dimension: Dimension::of(Some(unit.as_str())),
        text: unit.as_str().trim().into(),
    });
    if is_integral {
        let known = stated.as_ref().and_then(|stated| match stated.dimension {
            Dimension::Unit(unit) => integral::rate(unit),
            _ => None,
        });
        if known.is_none() {
            let hint = "write `unit = \"kWh\"` for power, `\"m³\"` for a flow";
            let message = "an integral needs a unit of energy, volume or charge";
            let mistake = match &config.unit {
                Some(unit) => unit.error(0..unit.as_str().len(), message),
                None => text.error(whole(), message),
            };
            return Err(mistake.hint(hint));
        }
        if expression.operands.is_empty() {
            return Err(text.error(whole(), "an integral needs a reading"));
        }
        if config.max_gap.as_ref().is_some_and(|max_gap| max_gap.is_zero()) {
            let zero = "has `max_gap = \"0s\"`, which never adds anything: expected a time such as `5m`";
            return Err(wrong(zero.to_owned()));
        }
    } else if config.max_gap.is_some() {
        return Err(text.error(whole(), "`max_gap` belongs to `integrate`"));
    }
    if config.decimals.is_some_and(|decimals| decimals > MOST_DECIMALS) {
        return Err(wrong(format!("has `decimals` above {MOST_DECIMALS}")));
    }
    let value = Value {
        name: name.into(),
        text,
        expression,
        operands: Vec::new(),
        unit: stated,
        kind: config.kind.map(Into::into),
        decimals: config.decimals,
        integral: is_integral.then(|| *config.max_gap.unwrap_or(MAX_GAP)),
    };
    // What has no readings has its result now.
    if value.expression.operands.is_empty() {
        let mut units = Units::of_result(value.expression_unit());
        value.expression.evaluate(&[], &mut units).map_err(|mistake| located(&value.text, mistake))?;
    }
    Ok(value)
}

fn located(text: &ConfigString, mistake: Mistake) -> ConfigError {
    let error = text.error(mistake.part, mistake.message);
    match mistake.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

//! Values of one source: what they are computed from, and how.
//!
//! | file | topic |
//! |---|---|
//! | `build` | from the configuration to values, with all checks that need no reading |
//! | `compute` | from readings to a batch |

mod build;
mod compute;

use std::{sync::Arc, time::Duration};

use framework::{ConfigString, Input, Kind, Text, Unit};

pub(crate) use self::compute::Fault;
use crate::expression::{Dimension, Expression, Mistake};

/// Values of one source.
#[derive(Debug)]
pub(crate) struct Values {
    /// Sources that are read.
    pub(crate) inputs: Vec<ReadSource>,
    /// Readings of these that are used, each once.
    readings: Vec<UsedReading>,
    /// In the order of the file.
    values: Arc<[Value]>,
    /// The order in which they are computed: each after those that it uses.
    order: Arc<[usize]>,
}

/// A source that is read.
#[derive(Debug)]
pub(crate) struct ReadSource {
    pub(crate) input: Input,
    /// Whether every value is there without it.
    pub(crate) is_optional: bool,
}

/// A reading of another source.
#[derive(Debug)]
struct UsedReading {
    input: usize,
    name: Text,
    /// Name for messages and for the state: `grid.POWER`.
    full_name: String,
    /// A value that uses it, and the operand there, for messages. One that cannot do without, if there is one.
    used_by: (usize, usize),
    is_optional: bool,
    /// Whether any batch had it since the start. One that none had is probably misspelt.
    was_seen: bool,
}

/// One value.
#[derive(Debug)]
struct Value {
    name: Text,
    text: ConfigString,
    expression: Expression,
    operands: Vec<Used>,
    /// The unit of the configuration.
    unit: Option<StatedUnit>,
    kind: Option<Kind>,
    decimals: Option<u8>,
    /// Longest gap, if the expression is integrated over time.
    integral: Option<Duration>,
}

#[derive(Debug)]
struct StatedUnit {
    dimension: Dimension,
    /// As in the configuration.
    text: Text,
}

/// Operand of an expression.
#[derive(Debug, Clone, Copy)]
enum Used {
    Reading(usize),
    /// Another value of the same source.
    Value(usize),
    /// Something that was refused, while the rest is checked.
    Wrong,
}

impl Value {
    /// Returns the unit in which the expression is computed: that of the result, or what makes it when integrated.
    fn expression_unit(&self) -> Option<Unit> {
        let Some(StatedUnit { dimension: Dimension::Unit(unit), .. }) = self.unit else { return None };
        match self.integral {
            Some(_) => crate::integral::rate(unit),
            None => Some(unit),
        }
    }

    /// Checks that the expression's result has the unit of the configuration.
    fn check_result(&self, result: &Dimension) -> Result<(), Mistake> {
        let whole = 0..self.text.as_str().len();
        let Some(stated) = &self.unit else { return Ok(()) };
        let (is_right, expected) = match (&stated.dimension, self.integral, result) {
            // A number takes the unit of the configuration.
            (_, _, Dimension::Any | Dimension::Bare | Dimension::Unknown | Dimension::Number) => {
                (true, String::new())
            }
            (Dimension::Unit(_), _, Dimension::Unit(found)) => {
                let unit = self.expression_unit();
                let is_right = unit.is_some_and(|unit| unit.is_like(*found));
                (is_right, unit.map_or_else(String::new, |unit| Dimension::Unit(unit).words()))
            }
            (stated, _, found) => (stated == found, stated.words()),
        };
        if is_right {
            return Ok(());
        }
        let message = match self.integral {
            Some(_) => {
                format!("{} makes no `{}` over time: expected {expected}", result.words(), stated.text)
            }
            None => format!("the result is {}, and `unit` is {expected}", result.words()),
        };
        Err(Mistake::new(whole, message))
    }
}

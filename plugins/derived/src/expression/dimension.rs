//! Units of an expression: power and power can be added, power and energy cannot.

use framework::{Quantity, Text, Unit};

use super::{Expression, Mistake, Op};
use crate::Number;

/// What a number measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dimension {
    /// Not known yet.
    Unknown,
    /// Zero, which fits everything.
    Any,
    /// Another number in the expression, which takes the unit of what it is added to.
    Bare,
    /// A number without a unit.
    Number,
    /// A unit of the table.
    Unit(Unit),
    /// A unit that is not in the table: it equals itself.
    Other(Text),
}

impl Dimension {
    /// Returns the dimension of a reading with this unit.
    pub(crate) fn of(unit: Option<&str>) -> Self {
        match unit.map(str::trim).filter(|unit| !unit.is_empty()) {
            None => Self::Number,
            Some(text) => Unit::parse(text).map_or_else(|| Self::Other(text.into()), Self::Unit),
        }
    }

    /// Returns its unit's text.
    pub(crate) fn symbol(&self) -> Option<Text> {
        match self {
            Self::Unknown | Self::Any | Self::Bare | Self::Number => None,
            Self::Unit(unit) => Some(unit.symbol().into()),
            Self::Other(text) => Some(text.clone()),
        }
    }

    /// Returns words for it.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Unknown | Self::Any | Self::Bare | Self::Number => "a number without a unit".to_owned(),
            Self::Unit(unit) => {
                format!("{} (`{}`)", unit.quantity().as_str().replace('_', " "), unit.symbol())
            }
            Self::Other(text) => format!("`{text}`"),
        }
    }
}

/// Units in which an expression is computed: one for each quantity, so that sums need no conversion.
#[derive(Debug, Clone, Default)]
pub(crate) struct Units {
    working: Vec<Unit>,
    /// Units of operands that are converted.
    converted: Vec<Unit>,
}

impl Units {
    /// Units of an expression whose result has this unit.
    pub(crate) fn of_result(unit: Option<Unit>) -> Self {
        Self { working: unit.into_iter().collect(), converted: Vec::new() }
    }

    /// Returns the unit in which an operand with this unit is computed.
    pub(crate) fn working(&mut self, unit: Unit) -> Unit {
        match self.working.iter().find(|known| known.is_like(unit)).copied() {
            Some(known) => {
                if known != unit {
                    self.converted.push(unit);
                }
                known
            }
            None => {
                self.working.push(unit);
                unit
            }
        }
    }

    /// Checks that a number without a unit can only be in this unit, as all of its quantity are.
    fn check_bare(&self, unit: Unit) -> Result<(), Misfit> {
        match self.converted.iter().find(|other| other.is_like(unit)) {
            None => Ok(()),
            Some(other) => Err(Misfit {
                message: format!(
                    "the number may be in `{}` or in `{}`: write its unit behind it",
                    other.symbol(),
                    unit.symbol()
                ),
                hint: Some("such as `100 W`"),
            }),
        }
    }

    /// Returns the dimension in which an operand of this one is computed.
    pub(crate) fn working_dimension(&mut self, dimension: &Dimension) -> Dimension {
        match dimension {
            Dimension::Unit(unit) => Dimension::Unit(self.working(*unit)),
            other => other.clone(),
        }
    }
}

/// Converts a number; `None` if it becomes too large. It is exact where the factor is a finite decimal number.
pub(crate) fn convert(number: Number, from: Unit, to: Unit) -> Option<Number> {
    if from == to {
        return Some(number);
    }
    let one = framework::Decimal::from(1);
    let factor = |from: Unit, to: Unit| Some(crate::number(from.factor_to(to)?.apply(one).decimal()?));
    match factor(from, to) {
        Some(factor) => number.checked_mul(factor),
        None => number.checked_div(factor(to, from)?),
    }
}

impl Expression {
    /// Returns the dimension of the result. `operands` are those of the operands, in their working units.
    ///
    /// # Errors
    /// Returns the first operator whose operands do not fit each other.
    pub(crate) fn dimension(&self, operands: &[Dimension], units: &mut Units) -> Result<Dimension, Mistake> {
        let mut stack = Vec::<Dimension>::new();
        for node in &self.nodes {
            let mut pop = || stack.pop().unwrap_or(Dimension::Any);
            let misfit = |message| Mistake::new(node.part.clone(), message);
            let found = match &node.op {
                Op::Literal(number) if number.is_zero() => Dimension::Any,
                Op::Literal(_) => Dimension::Bare,
                Op::Amount(_, unit) => Dimension::Unit(units.working(*unit)),
                Op::Operand(n) => operands.get(*n).cloned().unwrap_or(Dimension::Unknown),
                Op::Negate | Op::Absolute => pop(),
                Op::Add | Op::Subtract => {
                    let (right, left) = (pop(), pop());
                    let is_sum = matches!(node.op, Op::Add);
                    match temperatures(&left, &right, is_sum) {
                        Some(temperature) => temperature,
                        None => same(left, right, if is_sum { "added" } else { "subtracted" }, units)
                            .map_err(|mistake| mistake.at(node))?,
                    }
                }
                Op::Maximum(count) | Op::Minimum(count) | Op::Or(count) => {
                    let what = if matches!(node.op, Op::Or(_)) {
                        "take the place of each other"
                    } else {
                        "compared"
                    };
                    let mut all = pop();
                    for _ in 1..*count {
                        all = same(pop(), all, what, units).map_err(|mistake| mistake.at(node))?;
                    }
                    all
                }
                Op::Multiply => match (pop(), pop()) {
                    (Dimension::Any | Dimension::Bare, other) | (other, Dimension::Any | Dimension::Bare) => {
                        other
                    }
                    // What is not known must be a number, if the other one is none.
                    (Dimension::Unknown, other @ (Dimension::Unit(_) | Dimension::Other(_)))
                    | (other @ (Dimension::Unit(_) | Dimension::Other(_)), Dimension::Unknown) => other,
                    (Dimension::Unknown, _) | (_, Dimension::Unknown) => Dimension::Unknown,
                    (Dimension::Number, other) | (other, Dimension::Number) => other,
                    (right, left) => {
                        let message = format!(
                            "{} and {} cannot be multiplied: one of them must be a number",
                            left.words(),
                            right.words()
                        );
                        return Err(misfit(message));
                    }
                },
                Op::Divide => match (pop(), pop()) {
                    (Dimension::Any | Dimension::Bare | Dimension::Number, left) => left,
                    // It may be a number, or the same quantity.
                    (Dimension::Unknown, _) | (_, Dimension::Unknown) => Dimension::Unknown,
                    (right, left) if left == right => Dimension::Number,
                    (right, left) => {
                        let message = format!(
                            "{} cannot be divided by {}: they must have the same quantity, or the second one \
                             must be a number",
                            left.words(),
                            right.words()
                        );
                        return Err(misfit(message));
                    }
                },
            };
            stack.push(found);
        }
        Ok(stack.pop().unwrap_or(Dimension::Any))
    }
}

/// A difference of temperatures has a unit of its own.
fn temperatures(left: &Dimension, right: &Dimension, is_sum: bool) -> Option<Dimension> {
    let is_thermal = |dimension: &Dimension| match dimension {
        Dimension::Unit(unit) => {
            matches!(unit.quantity(), Quantity::Temperature | Quantity::TemperatureDifference)
        }
        _ => false,
    };
    let (left, right) = match (left, right) {
        (Dimension::Unit(left), Dimension::Unit(right)) => (left, right),
        // It may be a temperature or a difference.
        (Dimension::Unknown, other) | (other, Dimension::Unknown) if is_thermal(other) => {
            return Some(Dimension::Unknown);
        }
        _ => return None,
    };
    match (left.quantity(), right.quantity()) {
        (Quantity::Temperature, Quantity::Temperature) if !is_sum => Some(Dimension::Unit(Unit::Kelvin)),
        (Quantity::Temperature, Quantity::TemperatureDifference) => Some(Dimension::Unit(*left)),
        (Quantity::TemperatureDifference, Quantity::Temperature) if is_sum => Some(Dimension::Unit(*right)),
        _ => None,
    }
}

/// Two dimensions that do not fit each other.
struct Misfit {
    message: String,
    hint: Option<&'static str>,
}

impl Misfit {
    fn at(self, node: &super::Node) -> Mistake {
        Mistake { part: node.part.clone(), message: self.message, hint: self.hint.map(str::to_owned) }
    }
}

fn same(left: Dimension, right: Dimension, what: &str, units: &Units) -> Result<Dimension, Misfit> {
    match (left, right) {
        (Dimension::Any, other) | (other, Dimension::Any) => Ok(other),
        (Dimension::Bare, Dimension::Unit(unit)) | (Dimension::Unit(unit), Dimension::Bare) => {
            units.check_bare(unit).map(|()| Dimension::Unit(unit))
        }
        (Dimension::Bare, other) | (other, Dimension::Bare) => Ok(other),
        (Dimension::Unknown, other) | (other, Dimension::Unknown) => Ok(other),
        (left, right) if left == right => Ok(left),
        (left, right) => {
            let message = format!("{} and {} cannot be {what}", left.words(), right.words());
            let lacks = left == Dimension::Number || right == Dimension::Number;
            let hint = lacks.then_some("multiply a reading without a unit by one: `plug.power * 1 W`");
            Err(Misfit { message, hint })
        }
    }
}

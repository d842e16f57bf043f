//! Results of expressions. Sums and differences are exact; so are products, as long as they have at most 28 digits.

use super::{Expression, Mistake, Op, Units, convert};
use crate::Number;

impl Expression {
    /// Returns the result; `None` if an operand is missing. `operands` are in their working units.
    ///
    /// # Errors
    /// Returns the operator that has no result: a division by zero, or a number that becomes too large.
    pub(crate) fn evaluate(
        &self,
        operands: &[Option<Number>],
        units: &mut Units,
    ) -> Result<Option<Number>, Mistake> {
        let mut stack = Vec::<Option<Number>>::new();
        for node in &self.nodes {
            let divisor = stack.last().copied().flatten();
            let mut pop = || stack.pop().flatten();
            let too_large = || Mistake::new(node.part.clone(), "the result is too large");
            let mut both = |compute: fn(Number, Number) -> Option<Number>| {
                let (right, left) = (pop(), pop());
                match left.zip(right) {
                    Some((left, right)) => compute(left, right).map(Some).ok_or_else(too_large),
                    None => Ok(None),
                }
            };
            let found = match node.op {
                Op::Literal(number) => Some(number),
                Op::Amount(number, unit) => {
                    Some(convert(number, unit, units.working(unit)).ok_or_else(too_large)?)
                }
                Op::Operand(n) => operands.get(n).copied().flatten(),
                Op::Negate => pop().map(|number| -number),
                Op::Absolute => pop().map(|number| number.abs()),
                Op::Add => both(Number::checked_add)?,
                Op::Subtract => both(Number::checked_sub)?,
                Op::Multiply => both(Number::checked_mul)?,
                Op::Divide if divisor.is_some_and(|divisor| divisor.is_zero()) => {
                    return Err(Mistake::new(node.part.clone(), "division by zero"));
                }
                Op::Divide => both(Number::checked_div)?,
                Op::Maximum(count) => all(&mut stack, count).and_then(|all| all.into_iter().max()),
                Op::Minimum(count) => all(&mut stack, count).and_then(|all| all.into_iter().min()),
                Op::Or(count) => take(&mut stack, count).into_iter().flatten().next(),
            };
            stack.push(found);
        }
        Ok(stack.pop().flatten())
    }
}

/// Takes the arguments of a function.
fn take(stack: &mut Vec<Option<Number>>, count: usize) -> Vec<Option<Number>> {
    stack.split_off(stack.len().saturating_sub(count))
}

/// Takes the arguments of a function that needs all of them.
fn all(stack: &mut Vec<Option<Number>>, count: usize) -> Option<Vec<Number>> {
    take(stack, count).into_iter().collect()
}

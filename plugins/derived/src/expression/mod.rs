//! Expressions: arithmetic with readings of other sources.
//!
//! | file | topic |
//! |---|---|
//! | `token` | text to tokens |
//! | `parser` | tokens to an [`Expression`] |
//! | `dimension` | units of the operands and of the result |
//! | `evaluate` | the result |

mod dimension;
mod evaluate;
mod parser;
mod token;

use std::ops::Range;

use framework::{Kind, Unit};

pub(crate) use self::{
    dimension::{Dimension, Units, convert},
    token::Mistake,
};
use crate::Number;

/// An expression as a program for a stack: operands before their operator. It has no depth, so that no expression is
/// too long for the stack of a thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expression {
    nodes: Vec<Node>,
    pub(crate) operands: Vec<Operand>,
}

#[derive(Debug, Clone)]
struct Node {
    op: Op,
    /// Its place in the text, with its operands.
    part: Range<usize>,
    /// Whether it is an argument of `or` that has another one after it.
    can_miss: bool,
}

#[derive(Debug, Clone)]
enum Op {
    Literal(Number),
    Amount(Number, Unit),
    Operand(usize),
    Negate,
    Absolute,
    Add,
    Subtract,
    Multiply,
    Divide,
    Maximum(usize),
    Minimum(usize),
    /// The first one that is there.
    Or(usize),
}

/// Reading of another source, or value of the same one.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) source: String,
    pub(crate) reading: String,
    /// Its first place in the text.
    pub(crate) part: Range<usize>,
    /// Whether the result is there without it.
    pub(crate) is_optional: bool,
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// Returns the first mistake.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        parser::parse(text)
    }

    /// Returns whether it has a division, whose result may have digits without end.
    pub(crate) fn divides(&self) -> bool {
        self.nodes.iter().any(|node| matches!(node.op, Op::Divide))
    }

    /// Returns the behaviour of its result over time, by that of its operands: a sum of counters counts, and with a
    /// difference it may run backwards. Anything else is a gauge.
    pub(crate) fn kind(&self, operands: &[Kind]) -> Kind {
        /// A constant counts as well as not.
        #[derive(Clone, Copy, PartialEq)]
        enum Is {
            Constant { negative: bool },
            Of(Kind),
        }
        use Is::{Constant, Of};
        let backwards = |is: Is| match is {
            Of(Kind::Counter | Kind::Net) => Of(Kind::Net),
            Constant { negative } => Constant { negative: !negative },
            Of(_) => Of(Kind::Gauge),
        };
        let sum = |a: Is, b: Is| match (a, b) {
            (Constant { .. }, Constant { .. }) => Constant { negative: false },
            (Of(kind), Constant { .. }) | (Constant { .. }, Of(kind)) => Of(kind),
            (Of(Kind::Counter), Of(Kind::Counter)) => Of(Kind::Counter),
            (Of(Kind::Counter | Kind::Net), Of(Kind::Counter | Kind::Net)) => Of(Kind::Net),
            _ => Of(Kind::Gauge),
        };
        let scaled = |is: Is, negative: bool| if negative { backwards(is) } else { is };
        let mut stack = Vec::new();
        for node in &self.nodes {
            let mut pop = || stack.pop().unwrap_or(Constant { negative: false });
            let is = match node.op {
                Op::Literal(number) | Op::Amount(number, _) => {
                    Constant { negative: number.is_sign_negative() }
                }
                Op::Operand(n) => match operands.get(n) {
                    Some(Kind::Counter) => Of(Kind::Counter),
                    Some(Kind::Net) => Of(Kind::Net),
                    _ => Of(Kind::Gauge),
                },
                Op::Negate => backwards(pop()),
                Op::Absolute => match pop() {
                    Constant { .. } => Constant { negative: false },
                    Of(Kind::Counter) => Of(Kind::Counter),
                    _ => Of(Kind::Gauge),
                },
                Op::Add => sum(pop(), pop()),
                Op::Subtract => {
                    let subtracted = backwards(pop());
                    sum(pop(), subtracted)
                }
                Op::Multiply => match (pop(), pop()) {
                    (Constant { negative: a }, Constant { negative: b }) => Constant { negative: a != b },
                    (is, Constant { negative }) | (Constant { negative }, is) => scaled(is, negative),
                    _ => Of(Kind::Gauge),
                },
                Op::Divide => match (pop(), pop()) {
                    (Constant { negative: a }, Constant { negative: b }) => Constant { negative: a != b },
                    (Constant { negative }, is) => scaled(is, negative),
                    _ => Of(Kind::Gauge),
                },
                Op::Maximum(count) | Op::Minimum(count) => (1..count).fold(pop(), |is, _| sum(is, pop())),
                // A step from one to another is no consumption.
                Op::Or(count) => {
                    stack.truncate(stack.len().saturating_sub(count));
                    Of(Kind::Gauge)
                }
            };
            stack.push(is);
        }
        match stack.pop() {
            Some(Of(kind)) => kind,
            _ => Kind::Gauge,
        }
    }
}

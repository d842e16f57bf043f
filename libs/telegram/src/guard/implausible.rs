//! Reasons why the guard does not believe a telegram.

use std::fmt;

use framework::{Decimal, Text};

/// Reason why a telegram is implausible.
#[derive(Clone, Debug, PartialEq)]
pub struct Implausible {
    /// Code of the register as sent; empty where all of them are meant.
    pub code: Text,
    /// Behaviour of the register.
    pub what: What,
}

/// Register that is held back, of a telegram that is good otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Index among the telegram's registers.
    pub place: usize,
    /// Reason.
    pub implausible: Implausible,
}

/// Implausible behaviour of a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// The telegram has other registers than those before.
    Registers,
    /// Its unit changed.
    Unit,
    /// It became a number, or stopped being one.
    Number,
    /// It gained or lost digits or decimals.
    Digits,
    /// The counter ran backwards.
    Backwards {
        /// Last value.
        before: Decimal,
        /// New value.
        now: Decimal,
    },
    /// The counter rose, but the time at which it was read is the same as before.
    Untimely,
    /// The counter rose by more than a meter can count in the time.
    Jumped {
        /// Last value.
        before: Decimal,
        /// New value.
        now: Decimal,
    },
    /// The counter rose faster than the connection can carry.
    TooFast {
        /// Power that would be needed, in watts.
        power_w: u64,
    },
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = &self.code;
        match self.what {
            What::Registers => f.write_str("it has other registers than those before"),
            What::Unit => write!(f, "register `{code}` changed its unit"),
            What::Number => write!(f, "register `{code}` became a number or stopped being one"),
            What::Digits => write!(f, "register `{code}` gained or lost digits"),
            What::Backwards { before, now } => {
                write!(f, "register `{code}` ran backwards, from {before} to {now}")
            }
            What::Jumped { before, now } => {
                write!(
                    f,
                    "register `{code}` jumped from {before} to {now}: more than a meter counts in that time"
                )
            }
            What::Untimely => write!(f, "register `{code}` rose, but its time stayed"),
            What::TooFast { power_w } => {
                write!(f, "register `{code}` rose as fast as {power_w} W: more than `max_power` allows")
            }
        }
    }
}

impl std::error::Error for Implausible {}

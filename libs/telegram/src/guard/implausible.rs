//! Why the guard does not believe a telegram.

use std::fmt;

use framework::{Decimal, Text};

/// Why a telegram is implausible.
#[derive(Clone, Debug, PartialEq)]
pub struct Implausible {
    /// The register's code as sent; empty where it is about all of them.
    pub code: Text,
    /// What it did.
    pub what: What,
}

/// What an implausible register did.
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
        /// Its last value.
        before: Decimal,
        /// Its new one.
        now: Decimal,
    },
    /// The counter rose, but the time at which it was read is the same as before.
    Untimely,
    /// The counter rose faster than the connection can carry.
    TooFast {
        /// The power that would be needed, in watts.
        power_w: u64,
    },
}

impl Implausible {
    pub(super) fn is_about_counter(&self) -> bool {
        matches!(self.what, What::Backwards { .. } | What::Untimely | What::TooFast { .. })
    }

    pub(super) fn is_about_list(&self) -> bool {
        self.what == What::Registers
    }
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
            What::Untimely => write!(f, "register `{code}` rose, but its time stayed"),
            What::TooFast { power_w } => {
                write!(f, "register `{code}` rose as fast as {power_w} W: more than `max_power` allows")
            }
        }
    }
}

impl std::error::Error for Implausible {}

//! Tariffs of energy, and what an amount costs: pure, exact, without a clock, a file or a meter.
//!
//! | file | topic |
//! |---|---|
//! | `tariff` | a [`Tariff`]: its prices, and the cost of an amount |
//! | `timed` | a price by time: windows of days, hours and months |
//! | `words` | the words of a window: `Mon-Fri`, `22:00-06:00`, `Jan-Mar` |
//! | `holidays` | holidays: lists of dates, and the rules of some countries |
//! | `changes` | the quarter-hours of a day at which the price changes |
//! | `account` | the amounts of a tariff's days |
//! | `bill` | the bill that they make |
//! | `number` | conversions, and the one rule of rounding |
//!
//! # Rounding
//!
//! Nothing is rounded before the end. Products and sums of amounts and prices are exact; a division (a base price per
//! year, a net price from a gross one) has 28 digits. A bill rounds each of its items to cents, halves away from zero,
//! and adds the rounded items up, as suppliers do.

mod account;
mod bill;
mod changes;
mod holidays;
mod number;
mod tariff;
mod timed;
mod words;

pub use self::{
    account::{Account, Charge, ChargeKind, Charged},
    bill::{Bill, Item, settle, settle_gross},
    changes::Changes,
    holidays::{Country, Holidays},
    number::{Number, cents, decimal, number, rounded},
    tariff::{KwhPrice, Levy, LevyPrice, Per, PriceBasis, Resolution, SpotPrice, Standing, Tariff},
    timed::{Coverage, TimedPrice, Window, local},
    words::{DaySet, HourSet, MonthSet},
};

/// Length of a quarter-hour in seconds: the step in which prices change.
pub const QUARTER_HOUR: i64 = 900;

//! Meters that only tests need, beside those of the [`simulator`]'s household.
//!
//! - A [`PolledMeter`] waits for a request; [`sml`], [`p1`] and [`tic`] write the household's state as other meters do.
//! - [`uart`] computes the bytes that a program at the wrong baud rate reads.
//! - [`foreign`] writes protocols that the program only names.
//! - [`faults`] damages a telegram in the ways of real lines.
//! - [`radio`] encodes what meters send by wireless M-Bus, and what receivers make of it.
//! - [`Port`] is the program's end of a line.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests must fail visibly")]

mod crc;
pub mod faults;
pub mod foreign;
pub mod p1;
pub mod polled;
mod port;
pub mod radio;
pub mod sml;
pub mod uart;

pub use simulator::tic;

pub use crate::{
    polled::{Event, PolledMeter, PolledOptions, WakeUp},
    port::{Port, soon},
};

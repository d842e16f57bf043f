//! The plugin with real programs and real pseudo terminals.

#![allow(clippy::unwrap_used, reason = "tests must fail visibly")]

mod anonymise;
mod contract;
mod decode;
mod foreign;
mod programs;
mod sticks;
mod support;

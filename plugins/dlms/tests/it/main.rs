//! Tests of the plugin.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]
#![allow(clippy::print_stdout, reason = "the rates of damaged telegrams are printed")]

mod anonymise;
mod contract;
mod damage;
mod decoder;
mod describe;
mod golden;
mod properties;
mod restart;
#[allow(dead_code, reason = "the bench uses the rest")]
mod support;
mod zero_alloc;

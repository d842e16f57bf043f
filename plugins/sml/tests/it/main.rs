//! Tests of the plugin.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]
#![allow(clippy::print_stdout, reason = "the number of damaged telegrams is printed")]

mod anonymise;
mod contract;
mod damage;
mod decoder;
mod foreign;
mod golden;
mod properties;
mod quirks;
mod second_reader;
mod support;
mod zero_alloc;

//! Tests of the plugin.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]
#![allow(clippy::print_stdout, reason = "the rates of damaged telegrams are printed")]

mod contract;

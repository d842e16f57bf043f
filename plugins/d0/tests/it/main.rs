//! Tests of the plugin.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]
#![allow(clippy::print_stdout, reason = "the measured rates are printed")]

mod anonymise;
mod anonymised;
mod contract;
mod convert;
mod damage;
mod decoder;
mod foreign;
mod golden;
mod pauses;
mod properties;
mod quirks;
mod request;
mod sub_meters;
mod zero_alloc;

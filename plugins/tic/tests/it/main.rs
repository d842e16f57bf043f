//! Tests of the plugin.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]
#![allow(clippy::print_stdout, reason = "the measured rates are printed")]

mod damage;
mod decoder;
mod golden;
mod plugin;
mod properties;
mod zero_alloc;

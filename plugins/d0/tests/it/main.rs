//! Tests of the plugin that need no corpus.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]

mod anonymise;
#[path = "../anonymised/mod.rs"]
mod anonymised;
mod contract;
mod convert;
mod decoder;
mod field;
mod foreign;
mod golden;
mod pauses;
mod properties;
mod quirks;
mod request;
mod sub_meters;

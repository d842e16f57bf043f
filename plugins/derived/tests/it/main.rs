//! The plugin against inputs of these tests, on a paused clock where it waits.

#![allow(clippy::unwrap_used, missing_docs)] // a test's own inputs

mod config;
mod counters;
mod expressions;
mod house;
mod timing;

use framework::testing;
use plugin_derived::DerivedPlugin;

#[test]
fn keeps_the_contract() {
    testing::check::<DerivedPlugin>();
}

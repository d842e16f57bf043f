//! The plugin by itself; `tests/it/costs.rs` of the program has its readings.

#![allow(clippy::unwrap_used)] // a test

use framework::testing;
use plugin_cost::Cost;

#[test]
fn keeps_the_contract() {
    testing::check::<Cost>();
}

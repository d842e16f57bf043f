//! The plugin with real programs.

#![allow(clippy::unwrap_used)] // a test's own files and processes

mod bad_programs;
mod commands;
mod examples;
mod runs;
mod streams;
mod support;

use std::path::Path;

use framework::{AcquireError, ConfiguredSource, testing, with_causes};
use plugin_exec::Exec;

use self::support::*;

#[test]
fn keeps_the_contract() {
    testing::check::<Exec>();
}

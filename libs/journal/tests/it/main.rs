//! Kills and power cuts of programs that record under load.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test's own files and processes; the figures

mod kill9;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod powercut;
mod support;

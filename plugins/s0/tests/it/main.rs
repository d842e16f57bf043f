//! The plugin on pseudo terminals, and under kill -9.

#![allow(clippy::unwrap_used)] // a test's own processes, terminals and files

mod kill9;
mod serial;

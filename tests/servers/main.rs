//! The real program beside real servers. A trial that lacks one is ignored.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test without the harness is not seen to be one"
)]

mod metrics;
mod nothing_lost;
#[path = "../program/mod.rs"]
mod program;
mod reload;

use libtest_mimic::Arguments;

fn main() {
    let trials = metrics::trials().into_iter().chain(nothing_lost::trials()).chain(reload::trials());
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

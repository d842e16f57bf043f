//! The real program beside real servers. A trial that lacks one is ignored.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test without the harness is not seen to be one"
)]

mod backup_folders;
mod full_disk;
mod metrics;
mod nothing_lost;
#[path = "../program/mod.rs"]
mod program;
mod reload;
mod unit;

use libtest_mimic::Arguments;

fn main() {
    let all = [
        backup_folders::trials(),
        full_disk::trials(),
        metrics::trials(),
        nothing_lost::trials(),
        reload::trials(),
        unit::trials(),
    ];
    libtest_mimic::run(&Arguments::from_args(), all.into_iter().flatten().collect()).exit();
}

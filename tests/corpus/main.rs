//! Trials over telegrams that are not part of this project, as their licences differ: `../shared/corpus` (recorded and
//! damaged ones, with what is expected of them) and `../shared/field` (ones met in the field), folders beside the
//! workspace.
//!
//! A trial is one file, or a group of them, and is named after it. Where its folder is missing it is ignored, and its
//! name says so. A protocol is a module here, with a line in `main`.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test without the harness is not seen to be one")]
#![allow(clippy::print_stdout, reason = "the measured rates are printed")]

mod d0;
mod dlms;
mod foreign;
mod mbus;
mod shared;
mod sml;
mod tic;
mod wmbus;

#[path = "../program/mod.rs"]
mod program;

use libtest_mimic::Arguments;

fn main() {
    let trials = [
        d0::trials(),
        dlms::trials(),
        sml::trials(),
        tic::trials(),
        mbus::trials(),
        wmbus::trials(),
        foreign::trials(),
    ];
    let trials = trials.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

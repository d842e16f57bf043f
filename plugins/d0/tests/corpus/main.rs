//! Trials over telegrams: one for each file of the corpus beside the workspace (their licences differ) where that
//! folder exists, one that is ignored where it does not, and one for each kind of damage.

#![allow(clippy::unwrap_used, reason = "a test without the harness is not seen to be one")]
#![allow(clippy::print_stdout, reason = "the measured rates are printed")]

mod anonymise;
#[path = "../anonymised/mod.rs"]
mod anonymised;
mod corruption;
mod recorded;

fn main() {
    let trials = [recorded::trials(), anonymise::trials(), corruption::trials()];
    telegram_testing::corpus::run(trials.into_iter().flatten());
}

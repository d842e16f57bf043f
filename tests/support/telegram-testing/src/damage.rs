//! Effect of damage on the line: telegrams are damaged at one place each, and read as a meter's are.
//!
//! ```text
//! let passed = damage::measure(&|| Decoder::default(), meter, Damage::any, damage::cases(20_000));
//! passed.print("TIC, standard mode");
//! assert_eq!(passed.guarded, 0);
//! ```
//!
//! A *wrong value* is one that the meter did not send. A telegram, or a part of one, that is left out has none.
//! `SMARTMETER_CASES=1000000` sets the number of cases, `SMARTMETER_SEED` makes them other ones.

#![allow(clippy::print_stdout, reason = "a test prints its figures")]

use std::{collections::BTreeSet, env, time::Duration};

use framework::{Context, SourceContext, Value};
use telegram::{DEFAULT_MAX_POWER, Decoder, Reader};
use test_meters::faults::{Damage, Random};

use crate::{Shown, accepted, decode, read};

/// Kind of damage in a telegram of a length.
pub type Kind = fn(usize, &mut Random) -> Damage;

/// Figures of damaged telegrams.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Damaged telegrams.
    pub cases: usize,
    /// Those of which the decoder let a wrong value pass.
    pub unguarded: usize,
    /// Those of which the decoder and the guard did.
    pub guarded: usize,
    /// Good telegrams between them that were not accepted.
    pub lost: usize,
    /// The first wrong values that passed the decoder.
    pub examples: Vec<String>,
}

/// Returns the number of cases that the environment sets, or `usual`.
///
/// # Panics
/// Panics when it sets something else.
pub fn cases(usual: usize) -> usize {
    variable("SMARTMETER_CASES").unwrap_or(usual)
}

fn variable(name: &str) -> Option<usize> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Damages each second telegram of a meter, and counts the wrong values. `new` makes a decoder, and `telegram` the
/// telegram of each second, whose counters rise.
///
/// # Panics
/// Panics when a telegram is not good before it is damaged.
pub fn measure<D: Decoder>(
    new: &dyn Fn() -> D,
    mut telegram: impl FnMut(u64) -> Vec<u8>,
    kind: Kind,
    cases: usize,
) -> Passed {
    let cx = || SourceContext::new(Context::new("meter", "/nonexistent"), Duration::from_secs(60));
    let reader = || Reader::new(new(), DEFAULT_MAX_POWER, &cx());
    // What a meter sends that is never damaged tells which values are right.
    let (mut damaged_line, mut good_line) = (reader(), reader());
    let mut random = Random::new(variable("SMARTMETER_SEED").unwrap_or(1) as u64);
    let mut passed = Passed::default();
    for case in 0..cases as u64 {
        let (second, now) = (2 * case, |second| Duration::from_secs(second));
        let before = telegram(second);
        passed.lost += usize::from(!read(&mut damaged_line, &before, now(second)).iter().any(Result::is_ok));
        let _ = read(&mut good_line, &before, now(second));

        let good = telegram(second + 1);
        let damage = kind(good.len(), &mut random);
        let damaged = damage.done_to(&good);
        passed.cases += 1;

        let sent = registers(new(), &good);
        assert!(!sent.is_empty(), "a good telegram");
        let wrong = registers(new(), &damaged).into_iter().find(|register| !sent.contains(register));
        if let Some(wrong) = wrong {
            passed.unguarded += 1;
            if passed.examples.len() < 5 {
                passed.examples.push(format!("{damage:?}: {wrong:?}"));
            }
        }

        let readings = |reader: &mut Reader<D>, bytes: &[u8]| -> BTreeSet<(String, String, Option<String>)> {
            let batches = read(reader, bytes, now(second + 1)).into_iter().filter_map(Result::ok);
            let readings = batches.flat_map(|batch| batch.readings);
            let shown = readings.map(|reading| {
                let value = match reading.value {
                    Value::Number(number) => number.to_string(),
                    Value::Text(text) => text.to_string(),
                };
                (reading.name.to_string(), value, reading.unit.map(|unit| unit.to_string()))
            });
            shown.collect()
        };
        let right = readings(&mut good_line, &good);
        passed.guarded += usize::from(!readings(&mut damaged_line, &damaged).is_subset(&right));
    }
    passed
}

/// Returns what a decoder reads of a telegram, without texts of other registers' groups.
fn registers<D: Decoder>(decoder: D, bytes: &[u8]) -> Vec<Shown> {
    let found = decode(decoder, bytes, &[]);
    accepted(&found).into_iter().flat_map(|telegram| telegram.registers.clone()).collect()
}

impl Passed {
    /// Prints the figures of a protocol.
    pub fn print(&self, protocol: &str) {
        let Self { cases, unguarded, guarded, lost, examples } = self;
        let share = |count: usize| 1e6 * count as f64 / (*cases).max(1) as f64;
        println!(
            "{protocol}: wrong values in {unguarded} of {cases} damaged telegrams ({:.1} in a million), with the \
             guard in {guarded} ({:.1} in a million); {lost} good ones were lost",
            share(*unguarded),
            share(*guarded)
        );
        examples.iter().for_each(|example| println!("  {example}"));
    }
}

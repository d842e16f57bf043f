//! Effect of damage on the line: telegrams are damaged at one place each, some ten thousand
//! times, and no other value than those that the meter sent may come out.
//!
//! `SMARTMETER_CASES` sets the number of cases, `SMARTMETER_SEED` makes them other ones.

use std::{collections::BTreeSet, env, path::PathBuf, time::Duration};

use framework::{Reading, SourceContext};
use plugin_sml::decoder::Decoder;
use telegram::{DEFAULT_MAX_POWER, Decoder as _, Reader, Telegram as _};
use telegram_testing::read;
use test_meters::faults::{Damage, Random};

/// Cases where `SMARTMETER_CASES` says nothing.
const CASES: usize = 50_000;

/// Returns all telegrams that are good.
fn samples(files: Vec<(PathBuf, Vec<u8>)>) -> Vec<Vec<u8>> {
    let mut samples = BTreeSet::new();
    for (_, file) in files {
        // One of each file: the others have the same form.
        let mut first = None;
        Decoder::default().push(&file, &mut |found| {
            let Ok(telegram) = found else { return };
            let from = telegram.offset() as usize;
            first.get_or_insert(from..from + telegram.len());
        });
        samples.extend(first.map(|place| file[place].to_vec()));
    }
    samples.into_iter().collect()
}

/// The batches that come out of `bytes`.
fn batches(reader: &mut Reader<Decoder>, bytes: &[u8], now: Duration) -> Vec<Vec<Reading>> {
    read(reader, bytes, now).into_iter().filter_map(Result::ok).map(|batch| batch.readings).collect()
}

fn variable(name: &str) -> Option<usize> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Damages the first telegram of each file.
///
/// # Panics
/// Panics when a wrong value comes out.
pub(crate) fn judge(files: Vec<(PathBuf, Vec<u8>)>) {
    let samples = samples(files);
    assert!(!samples.is_empty());
    let cases = variable("SMARTMETER_CASES").unwrap_or(CASES);
    let seed = variable("SMARTMETER_SEED").unwrap_or(1) as u64;
    let (mut done, mut lost) = (0, 0);
    for (place, sample) in samples.iter().enumerate() {
        let share = cases / samples.len() + usize::from(place < cases % samples.len());
        let mut random = Random::new(seed << 32 | place as u64);
        let cx =
            SourceContext::new(framework::Context::new("meter", "/nonexistent"), Duration::from_secs(60));
        let mut reader = Reader::new(Decoder::default(), DEFAULT_MAX_POWER, &cx);
        let good = batches(&mut reader, sample, Duration::ZERO).pop().expect("a good telegram");
        for second in 0..share as u64 {
            let damage = Damage::any(sample.len(), &mut random);
            let now = Duration::from_secs(second);
            // A good one after it, at once: it must come out, and nothing else.
            let bytes = [&damage.done_to(sample)[..], sample].concat();
            let found = batches(&mut reader, &bytes, now);
            assert!(found.iter().all(|readings| *readings == good), "telegram {place}: {damage:?}");
            lost += usize::from(found.is_empty());
            done += 1;
        }
    }
    println!(
        "SML: 0 wrong values passed in {done} cases with {} telegrams; {lost} good ones after were lost",
        samples.len()
    );
    assert_eq!(done, cases);
}

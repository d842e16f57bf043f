//! Effect of damage on the line. A group that is left out is no wrong value.

use plugin_tic::decoder::Decoder;
use simulator::{
    Moment,
    tic::{self, Contract},
};
use telegram_testing::damage::{self, Kind, Passed};
use test_meters::{faults::Damage, uart::seven_e_one};

/// Cases where the environment says nothing, for all classes together.
const CASES: usize = 2_000;

/// Telegrams of a meter that draws 2 kW, a second apart; with parity, as most adapters pass it on, or without it.
fn telegram(second: u64, parity: bool) -> Vec<u8> {
    let sample = Moment::sample();
    let import = sample.import + second as i64 * 200_000;
    let moment = Moment { second, phases: [100_000, 90_000, 10_000], import, ..sample };
    // One meter's telegrams follow each other; the mode changes now and then.
    let mut telegram = match second / 1000 % 3 {
        0 => tic::standard(&moment),
        1 => tic::historique(&moment, Contract::Tempo),
        _ => tic::historique_three_phase(&moment),
    };
    if parity {
        seven_e_one(&mut telegram);
    }
    telegram
}

fn measured(name: &str, parity: bool, kind: Kind) -> Passed {
    let cases = damage::cases(CASES) / 4;
    let passed = damage::measure(&Decoder::completing, |second| telegram(second, parity), kind, cases);
    passed.print(name);
    // The guard adds no wrong value, and good telegrams go on.
    assert!(passed.guarded <= passed.unguarded + cases / 500, "{passed:?}");
    assert!(passed.lost <= cases / 100, "{passed:?}");
    passed
}

#[test]
fn with_parity_no_wrong_bit_lets_a_wrong_value_pass() {
    let passed = measured("TIC, 7E1, a wrong bit", true, Damage::bit);
    assert_eq!((passed.unguarded, passed.guarded), (0, 0), "{passed:?}");
}

#[test]
fn with_parity_only_characters_that_change_places_do() {
    let passed = measured("TIC, 7E1, any damage", true, Damage::any);
    let swapped = |example: &String| example.starts_with("Swapped");
    assert!(passed.examples.iter().all(swapped), "{passed:?}");
}

#[test]
fn without_parity_what_passes_is_measured() {
    let bits = measured("TIC, without parity, a wrong bit", false, Damage::bit);
    // Neither sum nor grammar sees the difference between some words, nor a bit 6 in a message.
    assert!(bits.unguarded * 100 <= bits.cases, "{bits:?}");
    measured("TIC, without parity, any damage", false, Damage::any);
}

//! Effect of damage on the line: telegrams are damaged at one or two places each, some ten thousand times, and read as a
//! meter's are. A *wrong value* is one that the meter did not send: a group that is left out is none.
//!
//! `SMARTMETER_CASES` sets the number of cases, `SMARTMETER_SEED` makes them other ones.

use std::{env, time::Duration};

use framework::{Batch, Context, SourceContext};
use plugin_tic::decoder::Decoder;
use simulator::Moment;
use telegram::{Decoder as _, Fault, Reader, Telegram as _};
use telegram_testing::read;
use test_meters::{
    faults::{Damage, Random},
    tic::{self, Contract},
    uart::seven_e_one,
};

/// Cases where `SMARTMETER_CASES` says nothing, for all classes together.
const CASES: usize = 12_000;

/// Choice of damage in a telegram of a length.
type Choice = fn(usize, &mut Random) -> Damage;

/// Classes: how characters arrive, whether with their parity, the number of places that are damaged, and how. In the
/// first, nothing may pass.
const CLASSES: [(&str, bool, usize, Choice); 6] = [
    ("7E1, one bit", true, 1, Damage::bit),
    ("7E1, two bits", true, 2, Damage::bit),
    ("7E1, one character lost, doubled, swapped, or a bit of it", true, 1, Damage::any),
    ("without parity, one bit", false, 1, Damage::bit),
    ("without parity, two bits", false, 2, Damage::bit),
    ("without parity, one character lost, doubled, swapped, or a bit of it", false, 1, Damage::any),
];

fn variable(name: &str) -> Option<usize> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// Default of the plugin's `max_power`, in W.
const MAX_POWER: f64 = 45_000.0;

/// Telegrams of a meter, a second apart.
fn samples() -> [fn(u64) -> Vec<u8>; 3] {
    fn moment(second: u64) -> Moment {
        let sample = Moment::sample();
        // 2 kW.
        Moment {
            second,
            phases: [100_000, 90_000, 10_000],
            import: sample.import + second as i64 * 200_000,
            ..sample
        }
    }
    [
        |second| tic::standard(&moment(second)),
        |second| tic::historique(&moment(second), Contract::Tempo),
        |second| tic::historique_three_phase(&moment(second)),
    ]
}

/// A register by its code, and its value and time as sent.
type Shown = (String, String, Option<String>);

/// Returns all registers in these bytes.
fn registers(bytes: &[u8]) -> Vec<Shown> {
    let mut found = Vec::new();
    Decoder::default().push(bytes, &mut |result| {
        let Ok(telegram) = result else { return };
        found.extend(telegram.registers().map(|register| {
            let sent = register.time.map(|time| time.sent.to_owned());
            (register.code.to_owned(), register.value.to_owned(), sent)
        }));
    });
    found
}

/// Returns the registers that are not among the good ones.
fn wrong<'a>(found: &'a [Shown], good: &'a [Shown]) -> impl Iterator<Item = &'a Shown> {
    found.iter().filter(|register| !good.contains(register))
}

#[test]
fn what_a_damaged_group_lets_pass_is_measured_with_and_without_the_guard() {
    let cases = variable("SMARTMETER_CASES").unwrap_or(CASES) / CLASSES.len();
    let seed = variable("SMARTMETER_SEED").unwrap_or(1) as u64;
    for (class, (name, parity, places, choice)) in CLASSES.into_iter().enumerate() {
        let (mut plain, mut guarded, mut counters) = (0usize, 0usize, [0usize; 2]);
        for (kind, sample) in samples().into_iter().enumerate() {
            let mut random = Random::new(seed << 32 | (class * 8 + kind) as u64);
            let mut line = Line::new(sample, parity);
            for _ in 0..cases / 3 {
                let good = line.next();
                let mut bytes = good.clone();
                for _ in 0..places {
                    bytes = choice(bytes.len(), &mut random).done_to(&bytes);
                }
                let (found, sent) = (registers(&bytes), registers(&good));
                let mut wrong = wrong(&found, &sent).peekable();
                plain += usize::from(wrong.peek().is_some());
                counters[0] += usize::from(wrong.any(|(label, ..)| is_index(label)));
                let [wrong, energy] = line.read_damaged(&bytes, &good);
                guarded += usize::from(wrong);
                counters[1] += usize::from(energy);
            }
        }
        println!(
            "{name}: {plain} of {cases} telegrams had a wrong value, past the guard {guarded}; a wrong counter of energy \
             {}, past the guard {}",
            counters[0], counters[1]
        );
        assert!(class > 0 || plain == 0, "{name}: parity finds each single bit");
        assert!(guarded <= plain + cases / 500 && counters[1] * 5 <= counters[0].max(5) * 2, "{name}");
    }
}

/// Returns whether a label is that of an index of energy that counts.
fn is_index(label: &str) -> bool {
    ["BASE", "BBRH", "EAST", "EASF", "EAIT"].iter().any(|begin| label.starts_with(begin))
}

/// A meter's line.
struct Line {
    sample: fn(u64) -> Vec<u8>,
    parity: bool,
    reader: Reader<Decoder>,
    /// Reads what was sent.
    good: Reader<Decoder>,
    second: u64,
}

impl Line {
    fn new(sample: fn(u64) -> Vec<u8>, parity: bool) -> Self {
        let cx = SourceContext::new(Context::new("meter", "/nonexistent"), Duration::from_secs(60));
        let reader = || Reader::new(Decoder::completing(), MAX_POWER, &cx);
        let mut line = Self { sample, parity, reader: reader(), good: reader(), second: 0 };
        for _ in 0..3 {
            let bytes = line.next();
            line.read(&bytes);
        }
        line
    }

    /// Returns the telegram of the next second.
    fn next(&mut self) -> Vec<u8> {
        self.second += 1;
        let mut bytes = (self.sample)(self.second);
        if self.parity {
            seven_e_one(&mut bytes);
        }
        bytes
    }

    /// Reads a damaged telegram and then a good one. Returns whether a wrong value came out, and whether a wrong counter
    /// of energy.
    fn read_damaged(&mut self, bytes: &[u8], good: &[u8]) -> [bool; 2] {
        let batch = |found: Vec<Result<Batch, Fault>>| found.into_iter().filter_map(Result::ok);
        let found: Vec<_> = batch(self.read(bytes)).collect();
        let now = Duration::from_secs(self.second);
        let expected: Vec<_> = batch(read(&mut self.good, good, now)).collect();
        let [expected] = &expected[..] else { panic!("a good telegram") };
        let next = self.next();
        self.read(&next);
        let mut bad = [false; 2];
        for reading in found.iter().flat_map(|batch| &batch.readings) {
            let good = expected.get(&reading.name);
            if good.is_none_or(|good| (&good.value, &good.time) != (&reading.value, &reading.time)) {
                bad[0] = true;
                bad[1] |= reading.name.starts_with("POWER_");
            }
        }
        bad
    }

    fn read(&mut self, bytes: &[u8]) -> Vec<Result<Batch, Fault>> {
        read(&mut self.reader, bytes, Duration::from_secs(self.second))
    }
}

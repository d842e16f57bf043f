//! Effect of damage on the line: telegrams are damaged at one place each, some ten thousand
//! times, and read as a meter's are. A *wrong value* is one that the meter did not send.
//!
//! `SMARTMETER_CASES` sets the number of cases, `SMARTMETER_SEED` makes them other ones.

use std::{collections::BTreeSet, env, fmt, path::PathBuf, time::Duration};

use framework::{Batch, SourceContext, Timestamp, Value};
use plugin_d0::{decoder::Decoder, framing::Framing, telegram::Check};
use telegram::{DEFAULT_MAX_POWER, Decoder as _, Fault, Reader, Telegram as _};
use telegram_testing::read;
use test_meters::{
    faults::{Damage, Random},
    uart::seven_e_one,
};

/// Cases where `SMARTMETER_CASES` says nothing, for all classes together.
const CASES: usize = 50_000;
/// Most good telegrams after a damaged one until one is accepted again.
const PATIENCE: usize = 4;

/// Files with their bytes.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// Measures one class of the telegrams in files.
///
/// # Errors
/// Fails where something passes that can be kept out.
type Class = fn(Files) -> Result<(), String>;

/// All classes, each with what is true of it.
pub(crate) const CLASSES: [(&str, Class); 4] = [
    ("seven_even_lets_no_wrong_bit_pass", seven_even),
    ("a_block_check_lets_nothing_but_swapped_bytes_pass", block_check),
    ("a_crc_lets_no_wrong_number_pass", crc),
    ("what_passes_without_parity_and_check_is_measured", unchecked),
];

pub(crate) fn seven_even(files: Files) -> Result<(), String> {
    let samples = samples(files).into_iter().filter_map(Sample::in_seven_even);
    let passed = measure("7E1", samples.collect(), Damage::bit)?;
    expect(&passed, |_| false)
}

/// The XOR over all bytes does not change when two of them change places.
pub(crate) fn block_check(files: Files) -> Result<(), String> {
    let samples = samples(files).into_iter().filter(|sample| sample.check == Check::Bcc);
    let passed = measure("BCC", samples.collect(), Damage::any)?;
    expect(&passed, |wrong| matches!(wrong.damage, Damage::Swapped(..)))
}

/// Shifted bytes agree with a CRC of 16 bits once in 65,536 times. In a number, the guard sees the digit
/// that is lost; in a text, nothing can.
pub(crate) fn crc(files: Files) -> Result<(), String> {
    let samples = samples(files).into_iter().filter(|sample| sample.check == Check::Crc16);
    let passed = measure("CRC16", samples.collect(), Damage::any)?;
    expect(&passed, |wrong| {
        !wrong.number && matches!(wrong.damage, Damage::Dropped(..) | Damage::Doubled(..))
    })
}

pub(crate) fn unchecked(files: Files) -> Result<(), String> {
    let eight = |sample: &Sample| sample.framing == Framing::Eight && sample.check == Check::None;
    measure("8N1 without check", samples(files).into_iter().filter(eight).collect(), Damage::any).map(drop)
}

/// Telegram with its readings.
struct Sample {
    name: String,
    bytes: Vec<u8>,
    framing: Framing,
    check: Check,
}

impl Sample {
    /// The same as a meter sends it that speaks 7E1; none do that have a CRC.
    fn in_seven_even(mut self) -> Option<Self> {
        if self.framing == Framing::Eight && self.bytes.is_ascii() {
            seven_e_one(&mut self.bytes);
            self.framing = Framing::SevenEven;
        }
        (self.framing == Framing::SevenEven && self.check != Check::Crc16).then_some(self)
    }
}

/// Returns all telegrams that are good.
fn samples(files: Files) -> Vec<Sample> {
    let mut samples = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, file) in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Decoder::default().push(&[&file[..], b"\r\n"].concat(), &mut |found| {
            let Ok(telegram) = found else { return };
            let from = telegram.offset() as usize;
            let mut bytes = file[from..from + telegram.len()].to_vec();
            let (framing, check) = (telegram.framing, telegram.check);
            let end: [u8; 2] = if framing == Framing::SevenEven { [0x8d, 0x0a] } else { [0x0d, 0x0a] };
            bytes.extend(end);
            if seen.insert(bytes.clone()) {
                samples.push(Sample { name: name.clone(), bytes, framing, check });
            }
        });
    }
    samples
}

/// A value that the meter did not send.
#[derive(Debug)]
struct Wrong {
    sample: String,
    damage: Damage,
    register: String,
    /// It is one, or was one.
    number: bool,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?} changed {}", self.sample, self.damage, self.register)
    }
}

/// Reads damaged telegrams, prints how many wrong values came out, and returns them.
fn measure(
    class: &str,
    samples: Vec<Sample>,
    damage: fn(usize, &mut Random) -> Damage,
) -> Result<Vec<Wrong>, String> {
    if samples.is_empty() {
        return Err("there are no such telegrams".into());
    }
    let cases = variable("SMARTMETER_CASES").unwrap_or(CASES) / CLASSES.len();
    let seed = variable("SMARTMETER_SEED").unwrap_or(1) as u64;
    let mut passed = Vec::new();
    let mut done = [0; Damage::KINDS.len()];
    for (place, sample) in samples.iter().enumerate() {
        // Each sample has its share, the first ones what is left.
        let share = cases / samples.len() + usize::from(place < cases % samples.len());
        let mut random = Random::new(seed << 32 | place as u64);
        let mut line = Line::new(sample)?;
        for _ in 0..share {
            let damage = damage(sample.bytes.len(), &mut random);
            done[damage.index()] += 1;
            let wrong = line.read_damaged(damage, random.below(2) == 0)?;
            passed.extend(wrong.map(|(register, number)| Wrong {
                sample: sample.name.clone(),
                damage,
                register,
                number,
            }));
        }
    }
    let kinds: Vec<_> = (0..done.len())
        .filter(|&kind| done[kind] > 0)
        .map(|kind| {
            let wrong = passed.iter().filter(|wrong| wrong.damage.index() == kind).count();
            format!("{} {wrong} of {}", Damage::KINDS[kind], done[kind])
        })
        .collect();
    let rate = 100.0 * passed.len() as f64 / cases.max(1) as f64;
    let (wrong, count) = (passed.len(), samples.len());
    let numbers = passed.iter().filter(|wrong| wrong.number).count();
    println!(
        "{class}: {wrong} wrong values ({numbers} of them numbers) passed in {cases} cases ({rate:.3} %) with {count} telegrams: {}",
        kinds.join(", ")
    );
    Ok(passed)
}

fn variable(name: &str) -> Option<usize> {
    env::var(name).ok().map(|value| value.parse().expect("a number"))
}

fn expect(passed: &[Wrong], unavoidable: impl Fn(&Wrong) -> bool) -> Result<(), String> {
    let wrong: Vec<_> = passed.iter().filter(|wrong| !unavoidable(wrong)).map(Wrong::to_string).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// A meter's line, on which it repeats one telegram every second.
struct Line<'a> {
    sample: &'a Sample,
    reader: Reader<Decoder>,
    good: Batch,
    second: u64,
}

impl<'a> Line<'a> {
    fn new(sample: &'a Sample) -> Result<Self, String> {
        let cx =
            SourceContext::new(framework::Context::new("meter", "/nonexistent"), Duration::from_secs(60));
        let reader = Reader::new(Decoder::default(), DEFAULT_MAX_POWER, &cx);
        let good = Batch { taken_at: Timestamp::UNIX_EPOCH, readings: Vec::new() };
        let mut line = Self { sample, reader, good, second: 0 };
        for _ in 0..3 {
            let found = line.read(&sample.bytes, true);
            let [Ok(batch)] = &found[..] else {
                return Err(format!("{}: {found:?} is not one telegram", sample.name));
            };
            line.good = batch.clone();
        }
        Ok(line)
    }

    /// Reads the telegram with damage, and then good ones until one of them is accepted. Returns the
    /// register that got a wrong value, if one did, and whether that is a number.
    fn read_damaged(&mut self, damage: Damage, pause: bool) -> Result<Option<(String, bool)>, String> {
        let mut found = self.read(&damage.done_to(&self.sample.bytes), pause);
        for _ in 0..PATIENCE {
            let good = self.read(&self.sample.bytes, true);
            let believed =
                good.iter().any(|found| found.as_ref().is_ok_and(|b| b.readings == self.good.readings));
            found.extend(good);
            if believed {
                let batches = found.iter().filter_map(|found| found.as_ref().ok());
                return Ok(batches.filter_map(|batch| self.wrong(batch)).next());
            }
        }
        Err(format!("{}: nothing is believed after {damage:?}: {found:?}", self.sample.name))
    }

    fn wrong(&self, batch: &Batch) -> Option<(String, bool)> {
        batch.readings.iter().find_map(|reading| {
            let good = self.good.get(&reading.name);
            let same = good.is_some_and(|good| (&good.value, &good.unit) == (&reading.value, &reading.unit));
            let is_number = |value: &Value| matches!(value, Value::Number(_));
            let number = is_number(&reading.value) || good.is_some_and(|good| is_number(&good.value));
            (!same).then(|| (format!("{good:?} to {reading:?}"), number))
        })
    }

    /// Reads `bytes` a second after those before; perhaps the pause after them is long enough to be seen.
    fn read(&mut self, bytes: &[u8], pause: bool) -> Vec<Result<Batch, Fault>> {
        self.second += 1;
        let now = Duration::from_secs(self.second);
        let mut found = read(&mut self.reader, bytes, now);
        if pause {
            self.reader.scanner().finish();
            found.extend(read(&mut self.reader, b"", now));
        }
        found
    }
}

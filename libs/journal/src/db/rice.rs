//! Rice coding: a run of integers in as few bits as they need.
//!
//! ```text
//! run   = kind · start · [step] · residuals
//! kind  = 0x80, where each integer is guessed to be the one before it plus the step (the first is the start);
//!         without it each is guessed to be the start
//!       + 0, where every guess is right and nothing follows, or 1 + the parameter of the Rice code
//! ```
//!
//! A residual is the difference of an integer from its guess, zigzag, as a Rice code: its upper bits as that many zeros
//! and a one, then its lower bits, as many as the parameter says. An over-long run of zeros is an escape: six bits
//! give the width minus one, then the raw value follows, so one leap does not spoil the rest of the run. Bits fill
//! bytes from the lowest; the last byte is filled up with zeros.

use crate::varint::{Input, put_signed};

/// Zeros that announce a long code, in the place of upper bits.
const ESCAPE: u32 = 12;
/// Largest parameter: together with the zeros and the one, a code is read from one word of 57 bits.
const MAX_PARAMETER: u32 = 44;
/// Longest run without a bit for each integer, so that a few bytes cannot claim to be millions of integers.
const MAX_SILENT: usize = 256;
const STEPS: u8 = 0x80;

/// Appends a run; of nothing, nothing.
pub(crate) fn put_run(out: &mut Vec<u8>, run: &[i64]) {
    let (Some(level), Some(steps)) = (Plan::level(run), Plan::steps(run)) else { return };
    if level.cost() < steps.cost() { level.write(out) } else { steps.write(out) }
}

/// Takes a run of `count` integers off the front, and passes them to `each`. Returns `None` if it is damaged; `each`
/// may have received nonsense then.
pub(crate) fn take_run(input: &mut Input<'_>, count: usize, mut each: impl FnMut(i64)) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let kind = input.byte()?;
    let steps = kind & STEPS != 0;
    let start = input.signed()?;
    let step = if steps { input.signed()? } else { 0 };
    let mut last = start;
    if steps {
        each(start);
    }
    let count = count - usize::from(steps);
    match u32::from(kind & !STEPS).checked_sub(1) {
        None if count > MAX_SILENT => return None,
        None => (0..count).for_each(|_| {
            last = last.wrapping_add(step);
            each(last);
        }),
        Some(parameter) if parameter > MAX_PARAMETER || count / 8 > input.0.len() => return None,
        Some(parameter) => {
            let mut bits = Bits { bytes: input.0, at: 0 };
            for _ in 0..count {
                let residual = bits.rice(parameter);
                let integer = if steps { last.wrapping_add(step) } else { start };
                last = integer.wrapping_add(residual);
                each(last);
            }
            // Bits after the end were read as zeros.
            input.bytes(bits.at.div_ceil(8))?;
        }
    }
    Some(())
}

/// One way to write a run.
struct Plan {
    kind: u8,
    start: i64,
    step: i64,
    residuals: Vec<u64>,
    bits: usize,
}

impl Plan {
    /// Noise around a number.
    fn level(run: &[i64]) -> Option<Self> {
        let start = median(run.to_vec())?;
        let residuals = run.iter().map(|integer| zigzag(integer.wrapping_sub(start))).collect();
        Some(Self::new(0, start, 0, residuals))
    }

    /// A slope, or a random walk.
    fn steps(run: &[i64]) -> Option<Self> {
        let rises = || run.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        let step = median(rises().collect()).unwrap_or(0);
        let residuals = rises().map(|rise| zigzag(rise.wrapping_sub(step))).collect();
        run.first().map(|start| Self::new(STEPS, *start, step, residuals))
    }

    fn new(kind: u8, start: i64, step: i64, residuals: Vec<u64>) -> Self {
        if residuals.len() <= MAX_SILENT && residuals.iter().all(|residual| *residual == 0) {
            return Self { kind, start, step, residuals: Vec::new(), bits: 0 };
        }
        let cost = |parameter: u32| residuals.iter().map(|s| width(*s, parameter)).sum::<usize>();
        let best = (0..=MAX_PARAMETER).map(|parameter| (cost(parameter), parameter)).min();
        let (bits, parameter) = best.unwrap_or_default();
        Self { kind: kind | (parameter + 1) as u8, start, step, residuals, bits }
    }

    /// Returns the size in bits.
    fn cost(&self) -> usize {
        let mut numbers = Vec::new();
        self.write_numbers(&mut numbers);
        numbers.len() * 8 + self.bits
    }

    fn write_numbers(&self, out: &mut Vec<u8>) {
        out.push(self.kind);
        put_signed(out, self.start);
        if self.kind & STEPS != 0 {
            put_signed(out, self.step);
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.write_numbers(out);
        let parameter = u32::from(self.kind & !STEPS).saturating_sub(1);
        let mut writer = Writer { out, word: 0, filled: 0 };
        self.residuals.iter().for_each(|residual| writer.rice(*residual, parameter));
        writer.finish();
    }
}

fn median(mut integers: Vec<i64>) -> Option<i64> {
    let middle = integers.len() / 2;
    (!integers.is_empty()).then(|| *integers.select_nth_unstable(middle).1)
}

fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// Returns the number of bits that a residual takes.
fn width(residual: u64, parameter: u32) -> usize {
    let upper = residual >> parameter;
    let bits = if upper < u64::from(ESCAPE) {
        upper as u32 + 1 + parameter
    } else {
        ESCAPE + 6 + (64 - residual.leading_zeros())
    };
    bits as usize
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    word: u64,
    filled: u32,
}

impl Writer<'_> {
    /// At most 56 bits.
    fn push(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.filled;
        self.filled += count;
        while self.filled >= 8 {
            self.out.push(self.word as u8);
            self.word >>= 8;
            self.filled -= 8;
        }
    }

    fn rice(&mut self, residual: u64, parameter: u32) {
        let upper = residual >> parameter;
        if upper < u64::from(ESCAPE) {
            self.push(1 << upper, upper as u32 + 1);
            self.push(residual & low(parameter), parameter);
        } else {
            let count = 64 - residual.leading_zeros();
            self.push(0, ESCAPE);
            self.push(u64::from(count - 1), 6);
            self.push(residual & low(32), count.min(32));
            self.push(residual >> 32, count.saturating_sub(32));
        }
    }

    fn finish(self) {
        if self.filled > 0 {
            self.out.push(self.word as u8);
        }
    }
}

/// Returns `count` ones; at most 63.
fn low(count: u32) -> u64 {
    (1 << count) - 1
}

/// Reads bits; after the end there are zeros.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Returns the next 57 bits at least.
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.at / 8..).unwrap_or_default();
        let word = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [0; 8];
            padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            padded
        });
        u64::from_le_bytes(word) >> (self.at % 8)
    }

    /// At most 32 bits.
    fn take(&mut self, count: u32) -> u64 {
        let bits = self.peek() & low(count);
        self.at += count as usize;
        bits
    }

    fn rice(&mut self, parameter: u32) -> i64 {
        let word = self.peek();
        let upper = word.trailing_zeros();
        let residual = if upper < ESCAPE {
            self.at += (upper + 1 + parameter) as usize;
            u64::from(upper) << parameter | word >> (upper + 1) & low(parameter)
        } else {
            self.long()
        };
        (residual >> 1) as i64 ^ -((residual & 1) as i64)
    }

    #[cold]
    fn long(&mut self) -> u64 {
        self.at += ESCAPE as usize;
        let count = self.take(6) as u32 + 1;
        self.take(count.min(32)) | self.take(count.saturating_sub(32)) << 32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(run: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        put_run(&mut out, run);
        out
    }

    fn unpacked(bytes: &[u8], count: usize) -> Option<(Vec<i64>, usize)> {
        let (mut input, mut run) = (Input(bytes), Vec::new());
        take_run(&mut input, count, |integer| run.push(integer))?;
        Some((run, input.0.len()))
    }

    #[test]
    fn what_can_be_guessed_takes_no_bits() {
        let slope: Vec<_> = (0..60).map(|i| 271_412_830_185 + 5870 * i).collect();
        assert!(packed(&slope).len() <= 1 + 6 + 2);
        assert_eq!(packed(&[2324; 60]).len(), 3);
        assert_eq!(packed(&[]).len(), 0);
    }

    #[test]
    fn one_leap_does_not_spoil_the_run() {
        let calm: Vec<_> = (0..60).map(|i| i * i % 7).collect();
        let mut leap = calm.clone();
        leap[30..].iter_mut().for_each(|integer| *integer += 200_000);
        assert!(packed(&leap).len() < packed(&calm).len() + 20);
    }

    #[test]
    fn a_few_bytes_are_not_millions() {
        let silent = packed(&[5; 60]);
        assert!(unpacked(&silent, MAX_SILENT).is_some());
        assert_eq!(unpacked(&silent, MAX_SILENT + 2), None);
        assert_eq!(unpacked(&packed(&[5; 1000]), 1_000_000), None);
        assert_eq!(unpacked(&packed(&[5; 1000]), 1000), Some((vec![5; 1000], 0)));
    }

    proptest! {
        #[test]
        fn runs_round_trip(run in prop_oneof![
            prop::collection::vec(any::<i64>(), 0..20),
            prop::collection::vec(-500i64..500, 0..600),
            prop::collection::vec(prop_oneof![9 => -3i64..3, 1 => any::<i64>()], 0..300),
        ], tail: Vec<u8>) {
            let mut bytes = packed(&run);
            bytes.extend_from_slice(&tail);
            prop_assert_eq!(unpacked(&bytes, run.len()), Some((run, tail.len())));
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>, count in 0usize..5000) {
            let _ = unpacked(&bytes, count);
        }
    }
}

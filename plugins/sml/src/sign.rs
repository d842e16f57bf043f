//! Signs of powers that some meters send wrongly, learnt from their telegrams.
//!
//! **No sign at all**: the direction is in the status word. The rule, which holds on all recordings: a negative value
//! proves that values have signs. A positive one while the status word shows feed-in proves that they have none, if the
//! counter of feed-in rises or if it stays so for some telegrams; a single one may be a status word that is late. In
//! between, the value may be wrong by its sign, and is left out.
//!
//! **A sign that is none**: the value has as few bytes as it needs, and its first bit is not a sign. It is proven when
//! such a value is negative while the status word shows import and the counter of import rises.

use crate::registers::{Entry, Registers};

/// Number of telegrams in a row that prove that values have no sign, where no counter has risen.
const PROOF: i8 = 3;
/// Rises of the counter of import that prove that a negative value has no sign.
const RISES: u8 = 3;
/// Bits of the three phases in the status word of FNN's basic meters.
const PHASE_BITS: [u32; 3] = [12, 13, 14];

/// Most that three rounded powers and their rounded sum differ by, in watts.
const ROUNDING: f64 = 2.0;

/// Direction that the status word shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Direction {
    status: u64,
    /// It is that of FNN's basic meters, whose lowest byte (except bit 5) is 4 in all known ones.
    is_basic: bool,
}

/// Evidence of one meter so far.
#[derive(Debug, Default)]
pub(crate) struct Sign {
    /// A value was negative, so values have signs.
    signed: bool,
    /// A counter has risen while the meter was in doubt, so only counters are evidence.
    counted: bool,
    /// Evidence that values have no sign, up to [`PROOF`]; negative where the status word seems to mean something else.
    score: i8,
    energies: Energies,
    /// Rises of the counter of import while a short value was negative, up to [`RISES`].
    rises: u8,
    energies_of_short: Energies,
}

/// Counters of import and export in the last telegram, if the same doubt was there.
#[derive(Debug, Default)]
struct Energies(Option<[f64; 2]>);

/// Meaning of the values of a telegram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    AsSent,
    /// Values have no sign.
    Unsigned,
    /// Values may have no sign.
    Doubtful,
}

impl Direction {
    /// Returns that of the first energy with a status word; `None` where none has one.
    pub(crate) fn of(registers: &Registers) -> Option<Self> {
        let mut energies = registers.entries().filter(|(code, _)| matches!(code, [1, _, 1 | 2, 8, ..]));
        let status = energies.find_map(|(_, entry)| entry.status)?;
        Some(Self { status, is_basic: status & 0xdf == 4 })
    }

    /// Returns whether energy flows out in all: bit 5 of EDL meters (FNN, Lastenheft EDL 1.0), and bit 11 of basic
    /// meters.
    pub(crate) fn is_out(self) -> bool {
        self.has(if self.is_basic { 11 } else { 5 })
    }

    fn has(self, bit: u32) -> bool {
        self.status & 1 << bit != 0
    }
}

impl Sign {
    /// Judges a telegram by those before.
    pub(crate) fn judge(&mut self, registers: &Registers, direction: Direction) -> Verdict {
        let Some(power) = total(registers).and_then(|code| number_of(registers, code)) else {
            return Verdict::AsSent;
        };
        if power < 0.0 {
            self.signed = true;
        }
        if self.signed || power == 0.0 || !direction.is_out() {
            self.energies.0 = None;
            let is_proven = !self.signed && self.score == PROOF;
            if !direction.is_out() && !is_proven {
                self.score = self.score.min(0);
            }
            return if is_proven { Verdict::Unsigned } else { Verdict::AsSent };
        }
        let is_first = self.energies.0.is_none();
        let [imported, exported] = self.energies.risen(registers);
        self.counted |= imported != exported;
        self.score = match (imported, exported) {
            (false, true) => PROOF,
            (true, false) => (self.score - 1).max(-PROOF),
            _ if self.counted || self.score < 0 => self.score,
            _ => (self.score + 1).min(PROOF),
        };
        match self.score {
            PROOF => Verdict::Unsigned,
            0.. if !is_first => Verdict::Doubtful,
            _ => Verdict::AsSent,
        }
    }
}

impl Sign {
    /// Judges by a telegram and those before whether short values have no sign.
    pub(crate) fn is_unsigned(&mut self, registers: &Registers, direction: Direction) -> bool {
        let mut powers = registers.entries().filter(|(code, _)| is(*code, [16, 7]));
        if direction.is_out() || !powers.any(|(_, entry)| entry.is_short_and_negative()) {
            self.energies_of_short.0 = None;
        } else {
            self.rises = match self.energies_of_short.risen(registers) {
                [true, false] => (self.rises + 1).min(RISES),
                [_, true] => 0,
                [false, false] => self.rises,
            };
        }
        self.rises == RISES
    }
}

impl Energies {
    /// Takes those of the next telegram, and returns which of them have risen.
    fn risen(&mut self, registers: &Registers) -> [bool; 2] {
        let new = [1, 2].map(|group| energy(registers, group));
        self.0.replace(new).map_or([false; 2], |old| [0, 1].map(|i| new[i] > old[i]))
    }
}

/// Gives powers without a sign the one of the status word.
pub(crate) fn correct(registers: &mut Registers, direction: Direction) {
    let Some(total) = total(registers) else { return };
    if direction.is_out() {
        each(registers, total, Entry::make_negative);
    }
    let groups = phases_of(total);
    let [Some(a), Some(b), Some(c)] = groups.map(|group| number_of(registers, [group, 7])) else { return };
    let Some(sum) = number_of(registers, total).filter(|_| a >= 0.0 && b >= 0.0 && c >= 0.0) else { return };
    let outs = match (direction.is_basic, a + b + c) {
        (true, _) => PHASE_BITS.map(|bit| direction.has(bit)),
        (false, phases) if (phases + sum).abs() <= ROUNDING && sum < 0.0 => [true; 3],
        (false, phases) if (phases - sum).abs() <= ROUNDING => [false; 3],
        // Some flow in and some out: nothing tells which.
        (false, _) => return registers.remove(|code| groups.iter().any(|group| is(code, [*group, 7]))),
    };
    for (group, _) in groups.into_iter().zip(outs).filter(|(_, out)| *out) {
        each(registers, [group, 7], Entry::make_negative);
    }
}

/// Leaves out the powers whose direction is unknown.
pub(crate) fn leave_out(registers: &mut Registers) {
    let Some(total) = total(registers) else { return };
    let groups = phases_of(total);
    let signed =
        groups.iter().any(|group| number_of(registers, [*group, 7]).is_some_and(|number| number < 0.0));
    registers.remove(|code| is(code, total) || !signed && groups.iter().any(|group| is(code, [*group, 7])));
}

/// Returns the register of the whole power, as its groups C and D: the signed one, the absolute one, or that of import
/// where there is none of export.
fn total(registers: &Registers) -> Option<[u8; 2]> {
    let has = |group| registers.entries().any(|(code, entry)| is(code, [group, 7]) && entry.number.is_some());
    [16, 15]
        .into_iter()
        .find(|group| has(*group))
        .or((has(1) && !has(2)).then_some(1))
        .map(|group| [group, 7])
}

/// Returns the groups C of the phases that make up this total.
fn phases_of([total, _]: [u8; 2]) -> [u8; 3] {
    if total == 1 { [21, 41, 61] } else { [36, 56, 76] }
}

fn is(code: [u8; 6], groups: [u8; 2]) -> bool {
    matches!(code, [1, _, c, d, 0, _] if [c, d] == groups)
}

fn number_of(registers: &Registers, groups: [u8; 2]) -> Option<f64> {
    let (_, entry) = registers.entries().find(|(code, _)| is(*code, groups))?;
    entry.number.map(framework::Decimal::to_f64)
}

/// Returns the sum of the present energies of group C, with their tariffs: only whether it rises is of interest.
fn energy(registers: &Registers, group: u8) -> f64 {
    let energies =
        registers.entries().filter(|(code, _)| matches!(code, [1, _, c, 8, _, 255] if *c == group));
    energies.filter_map(|(_, entry)| entry.number).map(framework::Decimal::to_f64).sum()
}

fn each(registers: &mut Registers, groups: [u8; 2], correct: fn(&mut Entry)) {
    registers.entries_mut().filter(|(code, _)| is(*code, groups)).for_each(|(_, entry)| correct(entry));
}

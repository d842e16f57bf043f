//! Plausibility over time: damage that a telegram alone does not show.
//!
//! A meter that pushes sends no check character, and two flipped bits pass any parity. But it sends nearly the same
//! every second: a telegram that differs in more than its values, or whose energy counter does what no connection can
//! carry, is damaged.

mod counter;
mod counters;
mod format;
mod implausible;
mod layout;

use std::time::Duration;

use self::layout::Layout;
pub use self::{
    counters::Counters,
    implausible::{Held, Implausible, What},
};
use crate::Telegram;

/// Agreeing telegrams of a new kind that are believed: the meter was exchanged, reset, or unlocked with its PIN.
pub const CONFIRMATIONS: u32 = 3;
/// Lists of registers that are kept: some meters send two or three in turn.
pub const MAX_LAYOUTS: usize = 4;
/// More than the connection of any household carries, in watts: three phases of 145 A.
pub const DEFAULT_MAX_POWER: f64 = 100_000.0;

/// Judge of one meter's telegrams.
#[derive(Debug)]
pub struct Guard {
    max_power_w: f64,
    /// The most recently seen first.
    layouts: Vec<Layout>,
    /// One for each list of registers, the oldest first.
    candidates: Vec<Candidate>,
}

/// Kind of telegram that the meter may have changed to.
#[derive(Debug)]
struct Candidate {
    layout: Layout,
    insistence: Insistence,
    /// Telegrams of known layouts since the last of them.
    others: usize,
}

/// Number of telegrams that contradict what is known, and agree with each other.
#[derive(Debug, Clone, Copy)]
struct Insistence {
    /// Telegrams that agree in everything.
    seen: u32,
    /// Telegrams that agree but that their counters rose faster than they may.
    fast: u32,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_POWER)
    }
}

impl Guard {
    /// A guard that lets energy counters rise as fast as `max_power_w` watts make them.
    pub fn new(max_power_w: f64) -> Self {
        Self { max_power_w, layouts: Vec::new(), candidates: Vec::new() }
    }

    /// Judges a telegram that was complete at `now`, a time since any fixed moment. Returns the registers that must not
    /// be shown, in their order.
    ///
    /// The first telegram is accepted. A later one must have the registers of an earlier one, with their units,
    /// decimals and (where values are padded with zeros) digits. Its energy counters must not rise faster than the
    /// connection can carry, and those of other meters, which it passes on now and then, not change without a new time.
    /// A counter that runs backwards is held back alone.
    ///
    /// The guard gives way when the meter insists. It accepts the third telegram of a new kind, with at most three
    /// telegrams of known kinds between them, and the third value of a counter that contradicts its last good one, each
    /// above the one before. Where checksums [cover](Telegram::is_checksummed) a telegram, its registers are the
    /// meter's: only counters are judged, and whatever is wrong with one holds back that counter only.
    ///
    /// # Errors
    /// Returns the reason why the telegram must be dropped.
    pub fn judge(&mut self, telegram: &impl Telegram, now: Duration) -> Result<Vec<Held>, Implausible> {
        let mut first: Option<Implausible> = None;
        for place in 0..self.layouts.len() {
            let layout = &mut self.layouts[place];
            match layout.judge(telegram, now, self.max_power_w) {
                Ok(good) => {
                    let mut held = Vec::new();
                    if good {
                        layout.learn(telegram, now);
                    } else {
                        held = layout.count(telegram, now, self.max_power_w)?;
                    }
                    self.layouts[..=place].rotate_right(1);
                    self.unsettle_candidates();
                    return Ok(held);
                }
                Err(fault) if fault.what == What::Registers => {
                    first.get_or_insert(fault);
                }
                // A fault in the same list says more than that it is not another one.
                Err(fault) => {
                    layout.unsettle();
                    if first.as_ref().is_none_or(|first| first.what == What::Registers) {
                        first = Some(fault);
                    }
                }
            }
        }
        let mut layout = match first {
            Some(fault) if !telegram.is_checksummed() => self.insisted(telegram, now).ok_or(fault)?,
            _ => Layout::of(telegram, &self.layouts),
        };
        let held = layout.count(telegram, now, self.max_power_w)?;
        self.layouts.retain(|known| *known != layout);
        self.layouts.truncate(MAX_LAYOUTS - 1);
        self.layouts.insert(0, layout);
        Ok(held)
    }

    /// Notes a telegram of a known kind: a candidate with its registers was damage.
    fn unsettle_candidates(&mut self) {
        let Some(known) = self.layouts.first() else { return };
        self.candidates.retain_mut(|candidate| {
            candidate.others += 1;
            candidate.others < MAX_LAYOUTS && !known.has_registers_of(&candidate.layout)
        });
    }

    /// Returns the layout of an implausible telegram, if the meter insists on it.
    fn insisted(&mut self, telegram: &impl Telegram, now: Duration) -> Option<Layout> {
        let place = self.candidates.iter().position(|candidate| candidate.layout.has_codes_of(telegram));
        if let Some(place) = place {
            let candidate = &mut self.candidates[place];
            if let Some(is_fast) = candidate.layout.agrees(telegram, now, self.max_power_w) {
                candidate.layout.learn(telegram, now);
                candidate.others = 0;
                let believed = candidate.insistence.agreed(is_fast);
                return believed.then(|| self.candidates.remove(place).layout);
            }
            // It contradicts the one before: one of the two is damage.
            self.candidates.remove(place);
        } else if self.candidates.len() == MAX_LAYOUTS {
            self.candidates.remove(0);
        }
        let mut layout = Layout::of(telegram, &[]);
        layout.learn(telegram, now);
        self.candidates.push(Candidate { layout, insistence: Insistence::FIRST, others: 0 });
        None
    }
}

impl Insistence {
    const FIRST: Self = Self { seen: 1, fast: 0 };

    /// Notes another telegram; returns whether they are believed now. Counters that rise too fast each time are right,
    /// and `max_power` is too low.
    fn agreed(&mut self, is_fast: bool) -> bool {
        if is_fast {
            (self.seen, self.fast) = (1, self.fast + 1);
        } else {
            self.seen += 1;
        }
        self.seen.max(self.fast + 1) >= CONFIRMATIONS
    }
}

//! Plausibility over time: damage that a telegram alone does not show.
//!
//! A meter that pushes sends no check character, and two flipped bits pass any parity. But it sends nearly the same
//! every second: a telegram that differs in more than its values, or whose energy counter does what no connection can
//! carry, is damaged.

mod format;
mod implausible;
mod layout;

use std::time::Duration;

pub use self::implausible::{Implausible, What};
use self::layout::Layout;
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
    /// Telegrams that agree with it.
    seen: u32,
    /// Telegrams that agree in everything but that their counters rose faster than they may.
    fast: u32,
    /// Telegrams of known layouts since the last of them.
    others: usize,
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

    /// Judges a telegram that was complete at `now`, a time since any fixed moment.
    ///
    /// The first telegram is accepted. A later one must have the registers of an earlier one, with their units,
    /// decimals and (where values are padded with zeros) digits. Its counters must not run backwards, those of energy
    /// not rise faster than the connection can carry, and those of other meters, which it passes on now and then, not
    /// change without a new time.
    ///
    /// The guard gives way when the meter insists. It accepts the third telegram of a new kind, with at most three
    /// telegrams of known kinds between them, and the third that rises too fast, one above the other. Where checksums
    /// [cover](Telegram::is_checksummed) a telegram, its registers are the meter's, and only counters are judged.
    ///
    /// # Errors
    /// Returns the reason why the telegram must be dropped.
    pub fn judge(&mut self, telegram: &impl Telegram, now: Duration) -> Result<(), Implausible> {
        let mut first = None;
        for place in 0..self.layouts.len() {
            match self.layouts[place].judge(telegram, now, self.max_power_w) {
                Ok(()) => {
                    self.layouts[place].learn(telegram, now);
                    self.layouts[..=place].rotate_right(1);
                    self.unsettle_candidates();
                    return Ok(());
                }
                // A fault in the same list says more than that it is not another one.
                Err(fault) if first.as_ref().is_none_or(Implausible::is_about_list) => first = Some(fault),
                Err(_) => {}
            }
        }
        let layout = match first {
            None => Layout::of(telegram, now),
            Some(fault) if telegram.is_checksummed() && !fault.is_about_counter() => {
                self.judge_counters(telegram, now)?;
                Layout::of(telegram, now)
            }
            Some(fault) => self.insisted(telegram, now).ok_or(fault)?,
        };
        self.layouts.retain(|known| *known != layout);
        self.layouts.truncate(MAX_LAYOUTS - 1);
        self.layouts.insert(0, layout);
        Ok(())
    }

    /// Judges the counters of a telegram of a new kind against their values in others.
    fn judge_counters(&self, telegram: &impl Telegram, now: Duration) -> Result<(), Implausible> {
        for sent in telegram.registers() {
            let Some(known) = self.layouts.iter().find_map(|layout| layout.counter(sent.code)) else {
                continue;
            };
            known
                .judge_alone(&sent, now, self.max_power_w)
                .map_err(|what| Implausible { code: sent.code.into(), what })?;
        }
        Ok(())
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
            if candidate.layout.judge(telegram, now, self.max_power_w).is_ok() {
                candidate.layout.learn(telegram, now);
                candidate.seen += 1;
                candidate.others = 0;
                return (candidate.seen >= CONFIRMATIONS).then(|| self.candidates.remove(place).layout);
            }
            // Counters that only rise too fast, and do so each time: `max_power_w` is too low, not they.
            if candidate.layout.judge(telegram, now, f64::INFINITY).is_ok() {
                candidate.layout.learn(telegram, now);
                candidate.seen = 1;
                candidate.fast += 1;
                candidate.others = 0;
                return (candidate.fast + 1 >= CONFIRMATIONS).then(|| self.candidates.remove(place).layout);
            }
            // It contradicts the one before: one of the two is damage.
            self.candidates.remove(place);
        } else if self.candidates.len() == MAX_LAYOUTS {
            self.candidates.remove(0);
        }
        self.candidates.push(Candidate { layout: Layout::of(telegram, now), seen: 1, fast: 0, others: 0 });
        None
    }
}

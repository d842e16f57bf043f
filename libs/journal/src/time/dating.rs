//! What time it is, on a machine whose clock may be unset, wrong, or set while it runs.
//!
//! The journal's time is the time since boot, which nobody can set, plus an offset. Where the offset turns out to have
//! been wrong, everything that was dated with it was wrong by the same amount, and can be put right.

use crate::time::{Epoch, MINUTE, Micros, SECOND, TimeCorrection, clock_source::ClockReading};

const HOUR: Micros = 60 * MINUTE;
/// What the clock may differ from one look to the next before it is a step.
const STEP: Micros = SECOND;
/// So long without a step, and the clock is right even where nobody says so.
const TRUSTED_AFTER: Micros = 7 * 24 * HOUR;
/// So long a clock that was right is not believed when it steps.
const HELD_FOR: Micros = HOUR;
/// Where the clock goes back by less than a step, the journal's time goes slower: by a hundredth.
const SLOWER: Micros = 100;

/// Dates readings.
#[derive(Debug)]
pub(crate) struct Dating {
    epoch: Epoch,
    /// How far the journal is ahead of a clock that is behind what was recorded before; 0 once it is confirmed.
    lead: Micros,
    /// What belongs to other epochs lies before this. An unconfirmed epoch never begins earlier: it can be moved as
    /// a whole.
    clear: Micros,
    /// Whether `clear` is the least that it can be: an earlier run's may have been less.
    pinned: bool,
    /// The clock stepped, though it was right: not believed yet.
    held: Option<Held>,
    /// No date is before this: ages that reach over a step are wrong.
    floor: Micros,
    /// The last synchronization that was seen.
    synchronized: Option<Micros>,
    /// Time since boot at the last look, and at the last step (or the beginning).
    looked: Micros,
    stepped: Micros,
}

/// A step out of a confirmed epoch.
#[derive(Debug)]
struct Held {
    /// The journal's time when it was seen.
    since: Micros,
    wall_offset: Micros,
}

impl Dating {
    /// Begins, or goes on with the epoch that an earlier run of this boot left.
    /// `newest`: when the newest reading was taken that is recorded already.
    pub(crate) fn begin(
        now: &ClockReading,
        boot: &str,
        left: Option<Epoch>,
        newest: Option<Micros>,
    ) -> (Self, Option<TimeCorrection>) {
        let left = left.filter(|left| !boot.is_empty() && left.boot == boot);
        left.map_or_else(|| (Self::fresh(now, boot, newest), None), |left| Self::resume(now, left, newest))
    }

    fn fresh(now: &ClockReading, boot: &str, newest: Option<Micros>) -> Self {
        let confirmed = now.synchronized.is_some();
        let clear = newest.map_or(Micros::MIN, |newest| newest.saturating_add(SECOND));
        let since = if confirmed { now.wall } else { now.wall.max(clear) };
        let (wall_offset, offset) = (now.wall_offset(), since.saturating_sub(now.boottime));
        let epoch = Epoch { boot: boot.into(), since, wall_offset, offset, confirmed };
        Self::with(epoch, now, clear, now.boottime, now.synchronized)
    }

    fn resume(now: &ClockReading, left: Epoch, newest: Option<Micros>) -> (Self, Option<TimeCorrection>) {
        let begun = left.since.saturating_sub(left.offset);
        // What is not confirmed began behind all that was recorded then; else what lies ahead may be another epoch's.
        let clear = match newest {
            _ if !left.confirmed => left.since,
            Some(newest) if newest >= now.boottime.saturating_add(left.offset) => newest.saturating_add(1),
            _ => Micros::MIN,
        };
        // Whether a step that nobody saw came before or after the synchronization cannot be told: the next one counts.
        let synchronized = now.synchronized.filter(|_| left.confirmed);
        let mut dating = Self { pinned: false, ..Self::with(left, now, clear, begun, synchronized) };
        let correction = dating.observe(now);
        (dating, correction)
    }

    fn with(
        epoch: Epoch,
        now: &ClockReading,
        clear: Micros,
        stepped: Micros,
        synchronized: Option<Micros>,
    ) -> Self {
        let lead = epoch.offset.saturating_sub(epoch.wall_offset);
        // Less is a clock that goes back slowly.
        let lead = if epoch.confirmed || lead <= STEP { 0 } else { lead };
        let floor = now.boottime.saturating_add(epoch.offset);
        Self {
            epoch,
            lead,
            clear,
            held: None,
            pinned: true,
            floor,
            synchronized,
            looked: now.boottime,
            stepped,
        }
    }

    /// Looks at the clock: at each batch, and each minute. What it says is to be done to what is recorded.
    pub(crate) fn observe(&mut self, now: &ClockReading) -> Option<TimeCorrection> {
        let synchronized = now.synchronized.is_some() && now.synchronized != self.synchronized;
        if synchronized {
            self.synchronized = now.synchronized;
        }
        let known = self.held.as_ref().map_or(self.epoch.wall_offset, |held| held.wall_offset);
        let change = now.wall_offset().saturating_sub(known);
        let stepped = change.saturating_abs() > STEP;
        if stepped {
            self.stepped = now.boottime;
        } else {
            self.slew(now, change);
        }
        self.looked = self.looked.max(now.boottime);
        if self.epoch.confirmed {
            self.doubt(now, stepped, synchronized)
        } else {
            self.settle(now, stepped, synchronized)
        }
    }

    /// Follows a small change of the clock, never so that the journal's time goes back.
    fn slew(&mut self, now: &ClockReading, change: Micros) {
        self.epoch.wall_offset = self.epoch.wall_offset.saturating_add(change);
        if let Some(held) = &mut self.held {
            held.wall_offset = held.wall_offset.saturating_add(change);
        }
        let elapsed = now.boottime.saturating_sub(self.looked).max(0);
        let lowest = self.epoch.offset.saturating_sub(elapsed / SLOWER);
        self.epoch.offset = self.epoch.wall_offset.saturating_add(self.lead).max(lowest);
    }

    /// In an epoch whose clock is not known to be right.
    fn settle(&mut self, now: &ClockReading, stepped: bool, synchronized: bool) -> Option<TimeCorrection> {
        let quiet = now.boottime.saturating_sub(self.stepped);
        self.epoch.wall_offset = now.wall_offset();
        // A clock behind what is recorded does not become right by running on.
        self.epoch.confirmed = synchronized || (!stepped && self.lead == 0 && quiet >= TRUSTED_AFTER);
        if !stepped && (!synchronized || self.lead == 0) {
            return None;
        }
        let since = self.epoch.since;
        let right = since.saturating_add(now.wall_offset().saturating_sub(self.epoch.offset));
        let pinned = !synchronized && (self.pinned || self.lead > 0);
        self.epoch.since = if pinned { right.max(self.clear) } else { right };
        self.epoch.confirmed |= self.epoch.since < self.clear;
        let delta = self.epoch.since.saturating_sub(since);
        self.epoch.offset = self.epoch.offset.saturating_add(delta);
        self.lead = self.epoch.offset.saturating_sub(now.wall_offset());
        self.floor = if stepped { self.date_of(now.boottime) } else { self.floor.saturating_add(delta) };
        (delta != 0).then_some(TimeCorrection { since, delta })
    }

    /// In an epoch whose clock was right: a step is somebody's hand, or a correction.
    fn doubt(&mut self, now: &ClockReading, stepped: bool, synchronized: bool) -> Option<TimeCorrection> {
        let here = self.date_of(now.boottime);
        if stepped {
            self.floor = here;
            let back = now.wall_offset().saturating_sub(self.epoch.wall_offset);
            if back.saturating_abs() <= STEP {
                self.held = None;
                self.slew(now, back);
            } else {
                let since = self.held.as_ref().map_or(here, |held| held.since);
                self.held = Some(Held { since, wall_offset: now.wall_offset() });
            }
        }
        let long = now.boottime.saturating_sub(self.stepped) >= HELD_FOR;
        let held = self.held.take_if(|_| synchronized || long)?;
        // The step was seen just now, or what came since then cannot be told from older readings by its date.
        let stays = held.since >= here || held.since < self.clear;
        let delta = held.wall_offset.saturating_sub(self.epoch.offset);
        self.clear = self.clear.max(if stays { here } else { held.since });
        self.pinned = true;
        self.epoch.since = if stays { now.wall } else { held.since.saturating_add(delta) };
        self.floor = if stays { now.wall } else { self.floor.saturating_add(delta) };
        self.epoch.wall_offset = held.wall_offset;
        self.epoch.offset = held.wall_offset;
        // One that lies over older readings cannot be moved as a whole any more.
        self.epoch.confirmed = synchronized || self.epoch.since < self.clear;
        (!stays).then_some(TimeCorrection { since: held.since, delta })
    }

    /// The journal's time for what was taken at `wall` by the system's clock, a moment before `now`.
    pub(crate) fn date(&self, taken_at: Micros, now: &ClockReading) -> Micros {
        let age = now.wall.saturating_sub(taken_at);
        let age = if (0..=MINUTE).contains(&age) { age } else { 0 };
        self.date_of(now.boottime.saturating_sub(age)).max(self.floor)
    }

    fn date_of(&self, boottime: Micros) -> Micros {
        boottime.saturating_add(self.epoch.offset)
    }

    /// While nobody says that the clock is right: when the newest reading was taken that another boot left.
    pub(crate) fn certain(&self) -> Micros {
        if self.pinned { self.clear.min(self.epoch.since) } else { Micros::MIN }
    }

    /// How far the journal is ahead of the system's clock, which is behind what was recorded before.
    pub(crate) fn lead(&self) -> Micros {
        self.lead
    }

    /// What to keep, so that the next run of this boot can go on.
    pub(crate) fn epoch(&self) -> &Epoch {
        &self.epoch
    }
}

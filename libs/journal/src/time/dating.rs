//! Times of readings, on a machine whose clock may be unset, wrong, or set while it runs.
//!
//! The journal's time is the time since boot, which nobody can set, plus an offset. Where the offset turns out to be
//! wrong, everything that was dated with it is wrong by the same amount, and a [`TimeCorrection`] puts it right. How
//! far the system clock is trusted decides what a step of it means. It is doubted while a step of a confirmed clock may
//! still be undone:
//!
//! | trust | event | what happens | then |
//! |---|---|---|---|
//! | unconfirmed | the clock steps, or is synchronized while the journal is ahead of it | the whole epoch moves | confirmed if it was synchronized, else unconfirmed |
//! | unconfirmed | the clock is synchronized, or made no step for a week | nothing | confirmed |
//! | confirmed | the clock steps | the old offset stays in use | doubted |
//! | doubted | the clock steps back to where it was | nothing | confirmed |
//! | doubted | the clock is synchronized, or an hour has passed | all readings since the step move | confirmed if it was synchronized, else unconfirmed |
//!
//! An epoch that reaches into readings of an older one cannot be told from them any more. It is never moved again, so
//! it counts as confirmed.

use crate::time::{ClockReading, Epoch, MINUTE, Micros, SECOND, TimeCorrection};

const HOUR: Micros = 60 * MINUTE;
/// Change of the clock between two readings of it that is a step; less is slewing.
const STEP: Micros = SECOND;
/// Time without a step after which the clock is right, even where no service confirms it.
const TRUSTED_AFTER: Micros = 7 * 24 * HOUR;
/// Time for which a confirmed clock is not believed when it steps.
const DOUBTED_FOR: Micros = HOUR;
/// Divisor by which the journal's time runs slower while the clock goes back by less than a step.
const SLOWER: Micros = 100;

/// Dates readings.
#[derive(Debug)]
pub(crate) struct Dating {
    /// Current epoch. `confirmed` follows from `trust`.
    epoch: Epoch,
    trust: Trust,
    older: Older,
    monotone: Monotone,
    /// Last synchronization that was seen.
    synchronized: Option<Micros>,
    /// Time since boot of the last step, or of the beginning.
    stepped: Micros,
}

/// Trust in the system clock.
#[derive(Debug, Clone, Copy)]
enum Trust {
    /// It may be wrong. The journal's time is ahead of it by `lead`, where it is behind what was recorded before.
    Unconfirmed { lead: Micros },
    /// It is right.
    Confirmed,
    /// It was right, and stepped at the journal's time `since`: maybe somebody's hand, to be undone soon.
    Doubted { since: Micros, wall_offset: Micros },
}

/// Readings of older epochs.
#[derive(Debug)]
struct Older {
    /// They lie before this. An unconfirmed epoch begins after it, so that it can be moved as a whole.
    end: Micros,
    /// Whether they reach up to `end`. An earlier run may have known of less.
    exact: bool,
}

/// Keeps the journal's time from going back.
#[derive(Debug)]
struct Monotone {
    /// No reading is dated before this: an age that reaches over a step is wrong.
    floor: Micros,
    /// Time since boot at which the clock was read last.
    read_at: Micros,
}

impl Monotone {
    /// Returns the smallest offset that may follow.
    fn lowest(&self, offset: Micros, now: &ClockReading) -> Micros {
        let elapsed = now.boottime.saturating_sub(self.read_at).max(0);
        offset.saturating_sub(elapsed / SLOWER)
    }
}

impl Dating {
    /// Begins an epoch, or goes on with the one that an earlier run of this boot left.
    /// `newest`: time of the newest reading that is recorded already.
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
        let end = newest.map_or(Micros::MIN, |newest| newest.saturating_add(SECOND));
        let since = if confirmed { now.wall } else { now.wall.max(end) };
        let (wall_offset, offset) = (now.wall_offset(), since.saturating_sub(now.boottime));
        let epoch = Epoch { boot: boot.into(), since, wall_offset, offset, confirmed };
        Self::with(epoch, now, Older { end, exact: true }, now.boottime, now.synchronized)
    }

    fn resume(now: &ClockReading, left: Epoch, newest: Option<Micros>) -> (Self, Option<TimeCorrection>) {
        let begun = left.since.saturating_sub(left.offset);
        // An unconfirmed epoch began after everything that was recorded then. Otherwise what lies ahead may be
        // another's.
        let end = match newest {
            _ if !left.confirmed => left.since,
            Some(newest) if newest >= now.boottime.saturating_add(left.offset) => newest.saturating_add(1),
            _ => Micros::MIN,
        };
        // Nobody saw whether a step came before or after this synchronization, so only the next one counts.
        let synchronized = now.synchronized.filter(|_| left.confirmed);
        let mut dating = Self::with(left, now, Older { end, exact: false }, begun, synchronized);
        let correction = dating.observe(now);
        (dating, correction)
    }

    fn with(
        epoch: Epoch,
        now: &ClockReading,
        older: Older,
        stepped: Micros,
        synchronized: Option<Micros>,
    ) -> Self {
        let lead = epoch.offset.saturating_sub(epoch.wall_offset);
        let trust = if epoch.confirmed {
            Trust::Confirmed
        } else {
            // Less is a clock that goes back slowly.
            Trust::Unconfirmed { lead: if lead <= STEP { 0 } else { lead } }
        };
        let floor = now.boottime.saturating_add(epoch.offset);
        let monotone = Monotone { floor, read_at: now.boottime };
        Self { epoch, trust, older, monotone, synchronized, stepped }
    }

    /// Reads the clock: for each batch, and each minute. Returns the correction of what was recorded, if there is one.
    pub(crate) fn observe(&mut self, now: &ClockReading) -> Option<TimeCorrection> {
        let synchronized = now.synchronized.is_some() && now.synchronized != self.synchronized;
        if synchronized {
            self.synchronized = now.synchronized;
        }
        let known = match self.trust {
            Trust::Doubted { wall_offset, .. } => wall_offset,
            Trust::Unconfirmed { .. } | Trust::Confirmed => self.epoch.wall_offset,
        };
        let change = now.wall_offset().saturating_sub(known);
        let stepped = change.saturating_abs() > STEP;
        if stepped {
            self.stepped = now.boottime;
        } else {
            self.slew(now, change);
        }
        self.monotone.read_at = self.monotone.read_at.max(now.boottime);
        let correction = match self.trust {
            Trust::Unconfirmed { lead } => self.settle(now, lead, stepped, synchronized),
            Trust::Confirmed | Trust::Doubted { .. } => self.doubt(now, stepped, synchronized),
        };
        self.epoch.confirmed = !matches!(self.trust, Trust::Unconfirmed { .. });
        correction
    }

    /// Follows a small change of the clock.
    fn slew(&mut self, now: &ClockReading, change: Micros) {
        self.epoch.wall_offset = self.epoch.wall_offset.saturating_add(change);
        if let Trust::Doubted { wall_offset, .. } = &mut self.trust {
            *wall_offset = wall_offset.saturating_add(change);
        }
        let lowest = self.monotone.lowest(self.epoch.offset, now);
        self.epoch.offset = self.epoch.wall_offset.saturating_add(self.lead()).max(lowest);
    }

    /// Handles a reading of a clock that may be wrong.
    fn settle(
        &mut self,
        now: &ClockReading,
        lead: Micros,
        stepped: bool,
        synchronized: bool,
    ) -> Option<TimeCorrection> {
        self.epoch.wall_offset = now.wall_offset();
        // A clock behind what is recorded does not become right by running on.
        let quiet = now.boottime.saturating_sub(self.stepped) >= TRUSTED_AFTER;
        let confirmed = synchronized || (!stepped && lead == 0 && quiet);
        if !stepped && (!synchronized || lead == 0) {
            if confirmed {
                self.trust = Trust::Confirmed;
            }
            return None;
        }
        let since = self.epoch.since;
        let right = since.saturating_add(now.wall_offset().saturating_sub(self.epoch.offset));
        let behind_older = !synchronized && (self.older.exact || lead > 0);
        self.epoch.since = if behind_older { right.max(self.older.end) } else { right };
        let delta = self.epoch.since.saturating_sub(since);
        self.epoch.offset = self.epoch.offset.saturating_add(delta);
        self.trust = if confirmed || self.epoch.since < self.older.end {
            Trust::Confirmed
        } else {
            Trust::Unconfirmed { lead: self.epoch.offset.saturating_sub(now.wall_offset()) }
        };
        self.monotone.floor =
            if stepped { self.date_of(now.boottime) } else { self.monotone.floor.saturating_add(delta) };
        (delta != 0).then_some(TimeCorrection { since, delta })
    }

    /// Handles a reading of a clock that was right.
    fn doubt(&mut self, now: &ClockReading, stepped: bool, synchronized: bool) -> Option<TimeCorrection> {
        let here = self.date_of(now.boottime);
        if stepped {
            self.monotone.floor = here;
            let back = now.wall_offset().saturating_sub(self.epoch.wall_offset);
            if back.saturating_abs() <= STEP {
                self.trust = Trust::Confirmed;
                self.slew(now, back);
            } else {
                let since = if let Trust::Doubted { since, .. } = self.trust { since } else { here };
                self.trust = Trust::Doubted { since, wall_offset: now.wall_offset() };
            }
        }
        let long = now.boottime.saturating_sub(self.stepped) >= DOUBTED_FOR;
        let Trust::Doubted { since, wall_offset } = self.trust else { return None };
        (synchronized || long).then(|| self.believe((since, wall_offset), here, now, synchronized)).flatten()
    }

    /// Believes a step that was doubted.
    fn believe(
        &mut self,
        (since, wall_offset): (Micros, Micros),
        here: Micros,
        now: &ClockReading,
        synchronized: bool,
    ) -> Option<TimeCorrection> {
        // The step was seen just now, or what came since then cannot be told from older readings by its date.
        let stays = since >= here || since < self.older.end;
        let delta = wall_offset.saturating_sub(self.epoch.offset);
        self.older = Older { end: self.older.end.max(if stays { here } else { since }), exact: true };
        self.epoch.since = if stays { now.wall } else { since.saturating_add(delta) };
        self.monotone.floor = if stays { now.wall } else { self.monotone.floor.saturating_add(delta) };
        (self.epoch.wall_offset, self.epoch.offset) = (wall_offset, wall_offset);
        self.trust = if synchronized || self.epoch.since < self.older.end {
            Trust::Confirmed
        } else {
            Trust::Unconfirmed { lead: 0 }
        };
        (!stays).then_some(TimeCorrection { since, delta })
    }

    /// Returns the journal's time of what was taken at `wall` by the system clock, shortly before `now`.
    pub(crate) fn date(&self, taken_at: Micros, now: &ClockReading) -> Micros {
        let age = now.wall.saturating_sub(taken_at);
        let age = if (0..=MINUTE).contains(&age) { age } else { 0 };
        self.date_of(now.boottime.saturating_sub(age)).max(self.monotone.floor)
    }

    fn date_of(&self, boottime: Micros) -> Micros {
        boottime.saturating_add(self.epoch.offset)
    }

    /// Returns the time up to which an older boot's readings are known to reach, while the clock is unconfirmed.
    pub(crate) fn certain(&self) -> Micros {
        if self.older.exact { self.older.end.min(self.epoch.since) } else { Micros::MIN }
    }

    /// Returns how far the journal's time is ahead of the system clock, which is behind what was recorded before.
    pub(crate) fn lead(&self) -> Micros {
        if let Trust::Unconfirmed { lead } = self.trust { lead } else { 0 }
    }

    /// Returns the epoch, which is written so that the next run of this boot can go on.
    pub(crate) fn epoch(&self) -> &Epoch {
        &self.epoch
    }
}

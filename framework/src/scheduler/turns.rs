//! Turns of a source: when the next one is due.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

use super::{Schedule, WallClock};
use crate::Mode;

/// Longest sleep before the wall clock is looked at again: it may have been set.
const LOOK: Duration = Duration::from_secs(300);
/// Delay after which a turn was not late, but the clock was set over it.
const LATE: SignedDuration = SignedDuration::from_secs(600);
/// Margin against a wall clock that is set back a little, which must not repeat a turn.
const SLIP: SignedDuration = SignedDuration::from_secs(60);
/// A turn may be this part of the interval early, up to `EARLIEST`.
const EARLY: u32 = 10;
const EARLIEST: Duration = Duration::from_secs(2);

/// Turns of one source. They keep their grid, so that small delays do not add up. Missed turns are dropped.
#[derive(Debug)]
pub(super) struct Turns {
    schedule: Schedule,
    /// They are those of the wall clock.
    has_clock: bool,
    clock: WallClock,
    next: Turn,
    /// Last turn by the wall clock.
    last: Option<Timestamp>,
}

/// Time of a turn.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Now,
    At(Instant),
    OfClock(Timestamp),
}

impl Turns {
    /// The turns from now on. The first one is now, unless they have times of day. An interval of a device that pushes
    /// begins with its first batch.
    pub(super) fn new(schedule: Schedule, mode: Mode, clock: WallClock) -> Self {
        let has_clock = schedule.is_rare() || (mode != Mode::Push && schedule.has_clock());
        let mut turns = Self { schedule, has_clock, clock, next: Turn::Now, last: None };
        if turns.schedule.is_rare() {
            turns.next = turns.of_clock();
        }
        turns
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Returns the part of the interval that a turn may be early.
    pub(super) fn slack(&self) -> Duration {
        match self.schedule {
            Schedule::Every(period) => (period / EARLY).min(EARLIEST),
            _ => Duration::ZERO,
        }
    }

    /// Returns the time to the next turn, or a shorter one after which it must be asked for again; zero: it is due.
    pub(super) fn left(&mut self) -> Duration {
        match self.next {
            Turn::Now => Duration::ZERO,
            Turn::At(due) => due.saturating_duration_since(Instant::now()),
            Turn::OfClock(due) => {
                let now = self.clock.timestamp();
                let left = due.duration_since(now);
                if left <= -LATE || left > LOOK.try_into().unwrap_or(SignedDuration::MAX) {
                    self.next = self.of_clock();
                }
                let Turn::OfClock(due) = self.next else { return LOOK };
                Duration::try_from(due.duration_since(now)).unwrap_or_default().min(LOOK)
            }
        }
    }

    /// Waits for the next turn.
    pub(super) async fn wait(&mut self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    /// Notes that a turn was taken, and sets the time of the next one.
    pub(super) fn taken(&mut self) {
        self.next = match (&self.schedule, self.next) {
            (Schedule::Continuous, _) => Turn::Now,
            (_, Turn::OfClock(due)) => {
                self.last = Some(due);
                self.of_clock()
            }
            _ if self.has_clock => {
                let next = self.next_of_clock();
                // The first one is at no time of the clock, which may be about to have one.
                let slack = SignedDuration::try_from(self.slack()).unwrap_or_default();
                self.last = next.filter(|next| next.duration_since(self.clock.timestamp()) <= slack);
                self.of_clock()
            }
            (schedule, turn) => {
                let (now, period) = (Instant::now(), schedule.period().unwrap_or_default());
                let due = if let Turn::At(due) = turn { due } else { now };
                Turn::At(if due + period >= now { due + period } else { now + period })
            }
        };
    }

    fn of_clock(&self) -> Turn {
        match self.next_of_clock() {
            Some(next) => Turn::OfClock(next),
            None => Turn::At(Instant::now() + self.schedule.period().unwrap_or(LOOK)),
        }
    }

    /// Returns the next turn by the wall clock.
    fn next_of_clock(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        let is_repeated = |last: &Timestamp| {
            let ahead = last.duration_since(now.timestamp());
            ahead.is_positive() && ahead <= SLIP
        };
        match self.last.filter(is_repeated) {
            Some(last) => self.schedule.next_after(&last.to_zoned(now.time_zone().clone())),
            None => self.schedule.next_after(&now),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{civil, tz::TimeZone};
    use tokio::time::advance;

    use super::*;

    fn clock(local: &str) -> WallClock {
        // Central Europe's rule, written out: the test needs no time zone database.
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        WallClock::starting_at(local.parse::<civil::DateTime>().unwrap().to_zoned(berlin).unwrap())
    }

    fn every(seconds: u64) -> Schedule {
        Schedule::Every(Duration::from_secs(seconds))
    }

    const POLLED: Mode = Mode::Poll(Duration::from_secs(1));

    #[tokio::test(start_paused = true)]
    async fn turns_keep_their_grid_and_missed_ones_are_dropped() {
        let mut turns = Turns::new(every(7), Mode::Push, WallClock::default());
        let seconds = async |turns: &mut Turns, seconds| {
            advance(Duration::from_secs(seconds)).await;
            turns.taken();
            turns.left().as_secs()
        };
        assert_eq!(turns.left().as_secs(), 0);
        assert_eq!(seconds(&mut turns, 0).await, 7);
        assert_eq!(seconds(&mut turns, 8).await, 6);
        assert_eq!(seconds(&mut turns, 20).await, 7);
        let mut turns = Turns::new(Schedule::Continuous, Mode::Push, WallClock::default());
        assert_eq!(seconds(&mut turns, 3).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_daily_turn_follows_the_local_clock() {
        let wait = |now: &str, time: &str| {
            let daily = Schedule::Daily([time.parse().unwrap()].into());
            let clock = clock(now);
            let Turn::OfClock(next) = Turns::new(daily, POLLED, clock.clone()).next else { panic!() };
            next.duration_since(clock.timestamp()).as_secs()
        };
        assert_eq!(wait("2026-11-23T02:00", "03:00"), 3600);
        assert_eq!(wait("2026-11-23T03:00", "03:00"), 86_400);
        // The night that loses an hour, and the one that gains one.
        assert_eq!(wait("2026-03-28T12:00", "12:00"), 23 * 3600);
        assert_eq!(wait("2026-10-24T12:00", "12:00"), 25 * 3600);
        assert_eq!(wait("2026-03-29T01:30", "02:30"), 3600);
        // A start within the minute before.
        assert_eq!(wait("2026-11-23T02:59:30", "03:00"), 30);
    }

    /// Returns the seconds from the start to each of the next turns.
    async fn turns(mut turns: Turns, count: usize) -> Vec<u64> {
        let start = Instant::now();
        let mut taken = Vec::new();
        for _ in 0..count {
            turns.wait().await;
            taken.push(start.elapsed().as_secs());
            turns.taken();
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_polled_source_is_read_on_the_grid_of_the_wall_clock_where_the_interval_divides_a_day() {
        let of = async |now, interval| turns(Turns::new(every(interval), POLLED, clock(now)), 4).await;
        assert_eq!(of("2026-11-23T10:07:30", 900).await, [0, 450, 1350, 2250]);
        assert_eq!(of("2026-11-23T10:00:00", 900).await, [0, 900, 1800, 2700]);
        assert_eq!(of("2026-11-23T10:14:59", 900).await, [0, 901, 1801, 2701], "not twice in a second");
        assert_eq!(of("2026-11-23T10:00:03", 10).await, [0, 7, 17, 27]);
        assert_eq!(of("2026-11-23T21:00:00", 21_600).await, [0, 10_800, 32_400, 54_000]);
        // Seven minutes do not divide a day.
        assert_eq!(of("2026-11-23T10:07:30", 420).await, [0, 420, 840, 1260]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_moves_the_turns_and_repeats_none() {
        let daily = Schedule::Daily(["03:00".parse().unwrap()].into());
        // It is noticed within five minutes, and a turn that it jumps over is not taken at another time of day.
        let mut started = Turns::new(daily.clone(), POLLED, clock("1970-01-01T00:00"));
        started.clock = clock("2026-11-23T12:00");
        assert!(turns(started, 1).await[0].abs_diff(15 * 3600) <= 300);
        let mut started = Turns::new(daily, POLLED, clock("2026-11-23T03:00:01"));
        started.next = Turn::OfClock(started.clock.timestamp());
        started.taken();
        started.clock = clock("2026-11-23T02:59:30");
        assert_eq!(turns(started, 1).await[0], 24 * 3600 + 30);
    }
}

//! Edges in, pulses out. It does no I/O and has no clock: only the edges' own times decide.
//!
//! A pulse is counted when the line has been active for `hold` without a break, after having been
//! inactive for `hold` without a break. In IEC 62053-31 a pulse and a pause last at least 30 ms each; a level that is
//! shorter than `hold` is a bouncing contact, or noise. The result does not depend on how late an edge is read.

use std::time::Duration;

/// Change of a line's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Time of the kernel's monotonic clock.
    pub(crate) time: Duration,
    /// Level after it.
    pub(crate) active: bool,
    /// Number among the line's edges, from 1; it wraps. A gap means lost edges.
    pub(crate) seqno: u32,
}

/// Pulses that became certain at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pulses {
    /// Number of pulses.
    pub(crate) count: u64,
    /// Beginning of the last of them, on the monotonic clock.
    pub(crate) at: Duration,
}

/// Statistics of a line, for `/health`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Edges or bytes that arrived.
    pub(crate) arrived: framework::Counter,
    /// Changes of level that did not hold, or bytes that were not a pulse of their own.
    pub(crate) bounces: framework::Counter,
    /// Edges that the kernel dropped because they were not read in time.
    pub(crate) lost: framework::Counter,
}

/// Everything that a counter knows of its line, so that another one can go on, also in another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineState {
    /// Number of the last edge that was taken.
    pub(crate) seqno: u32,
    /// The level since `since`; `None` until it is known.
    pub(crate) level: Option<bool>,
    /// Time of the kernel's monotonic clock.
    pub(crate) since: Duration,
    /// The last level that held.
    pub(crate) stable: bool,
}

/// Tells pulses from bounces.
#[derive(Debug)]
pub(crate) struct Counter {
    hold: Duration,
    /// The level since `since`; `None` until it is known.
    level: Option<bool>,
    since: Duration,
    /// The last level that held.
    stable: bool,
    /// Number of the last edge; `None` if the next one may have any.
    seqno: Option<u32>,
    pub(crate) tally: Tally,
}

impl Counter {
    /// Returns the counter of a line that is watched since `now`, at `level` if that is known. A line that is active at
    /// that time is not a pulse, as it began before.
    ///
    /// With a `hold` of zero every activation is a pulse.
    pub(crate) fn new(hold: Duration, level: Option<bool>, now: Duration, tally: Tally) -> Self {
        Self { hold, level, since: now, stable: level.unwrap_or_default(), seqno: Some(0), tally }
    }

    /// Returns the counter of a line that the kernel has watched since another counter was in this state. Where that is
    /// not known, the first edge shows the level before it.
    pub(crate) fn resumed(hold: Duration, line: Option<LineState>, now: Duration, tally: Tally) -> Self {
        match line {
            Some(LineState { seqno, level, since, stable }) => {
                Self { hold, level, since, stable, seqno: Some(seqno), tally }
            }
            None => Self { seqno: None, ..Self::new(hold, None, now, tally) },
        }
    }

    /// Returns its state; `None` until it knows the number of an edge.
    pub(crate) fn line(&self) -> Option<LineState> {
        let Self { level, since, stable, .. } = *self;
        Some(LineState { seqno: self.seqno?, level, since, stable })
    }

    /// Takes the next edge; pulses that it makes certain are added to `found`.
    pub(crate) fn edge(&mut self, edge: Edge, found: &mut Vec<Pulses>) {
        self.tally.arrived.increment();
        let mut lost = self.seqno.map_or(0, |last| edge.seqno.wrapping_sub(last).wrapping_sub(1));
        if lost > u32::MAX / 2 {
            lost = 0; // the numbers started again
        }
        self.seqno = Some(edge.seqno);
        // Levels alternate, also through the lost edges: the level before an edge is the opposite one.
        let first = edge.active ^ lost.is_multiple_of(2);
        if self.level.is_none() {
            (self.level, self.stable) = (Some(first), first);
        }
        let level = if lost > 0 {
            self.tally.lost.add(u64::from(lost));
            self.gap(lost, edge, found);
            !edge.active
        } else {
            self.settle(edge.time, found);
            self.level.unwrap_or(first)
        };
        if edge.active == level {
            // Two edges so close that the kernel saw one: it looks at the level a moment after the edge.
            if self.hold.is_zero() {
                found.push(Pulses { count: 1, at: edge.time });
            } else {
                self.tally.bounces.increment();
            }
        } else if edge.active == self.stable {
            self.tally.bounces.increment(); // the other level had not held yet
        }
        (self.level, self.since) = (Some(edge.active), edge.time);
        if self.hold.is_zero() {
            self.settle(edge.time, found);
        }
    }

    /// Takes note that no edge came until `now`: a level that has held for `hold` counts.
    pub(crate) fn settle(&mut self, now: Duration, found: &mut Vec<Pulses>) {
        let level = self.level.unwrap_or(self.stable);
        if level != self.stable && now.saturating_sub(self.since) >= self.hold {
            self.stable = level;
            if level {
                found.push(Pulses { count: 1, at: self.since });
            }
        }
    }

    /// Returns the time at which [`settle`](Self::settle) will find a pulse, if the level stays as it is.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        (self.level == Some(true) && !self.stable).then(|| self.since + self.hold)
    }

    /// Counts the pulses of a gap: every other lost edge began one, up to the number that fits into its time. A gap
    /// that is too short for a pulse and a pause is part of a bounce.
    fn gap(&mut self, lost: u32, edge: Edge, found: &mut Vec<Pulses>) {
        let span = edge.time.saturating_sub(self.since);
        if span < 2 * self.hold {
            return;
        }
        let active = self.level == Some(true);
        let undecided = u64::from(active && !self.stable);
        let activations = u64::from(if active { lost / 2 } else { lost.div_ceil(2) }) + undecided;
        // The `hold` is added because a pulse at an end of the gap needs no pause beyond it.
        let room = (span + self.hold).as_nanos().checked_div((2 * self.hold).as_nanos());
        let count = activations.min(room.and_then(|room| room.try_into().ok()).unwrap_or(u64::MAX));
        if count > 0 {
            found.push(Pulses { count, at: edge.time });
        }
        self.stable = !edge.active;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    const HOLD: Duration = ms(10);

    /// Levels of a line and their durations; edges are numbered as by the kernel.
    #[derive(Debug, Clone)]
    struct Train {
        now: Duration,
        edges: Vec<Edge>,
    }

    impl Train {
        fn new() -> Self {
            Self { now: ms(1000), edges: Vec::new() }
        }

        /// Changes the level, and stays there for `lasts`.
        fn then(&mut self, lasts: Duration) -> &mut Self {
            let n = self.edges.len() as u32;
            self.edges.push(Edge { time: self.now, active: n.is_multiple_of(2), seqno: n + 1 });
            self.now += lasts;
            self
        }

        fn pulses(n: u64, on: Duration, off: Duration) -> Self {
            let mut train = Self::new();
            (0..n).for_each(|_| {
                train.then(on).then(off);
            });
            train
        }

        fn count(&self, hold: Duration) -> (u64, Tally) {
            let tally = Tally::default();
            let mut counter = Counter::new(hold, Some(false), Duration::ZERO, tally.clone());
            let mut found = Vec::new();
            self.edges.iter().for_each(|edge| counter.edge(*edge, &mut found));
            counter.settle(self.now, &mut found);
            (found.iter().map(|pulses| pulses.count).sum(), tally)
        }

        /// Without the edges of these indices: the kernel dropped them.
        fn without(mut self, lost: std::ops::Range<usize>) -> Self {
            self.edges.drain(lost);
            self
        }
    }

    #[test]
    fn the_shortest_pulses_of_the_standard_count_exactly() {
        let (count, tally) = Train::pulses(10_000, ms(30), ms(30)).count(HOLD);
        assert_eq!((count, tally.arrived.get()), (10_000, 20_000));
        assert_eq!((tally.bounces.get(), tally.lost.get()), (0, 0));
    }

    #[test]
    fn bounces_at_press_and_release_are_no_pulses() {
        let mut train = Train::new();
        for _ in 0..100 {
            train.then(ms(3)).then(ms(1)).then(ms(9)).then(ms(9)).then(ms(30));
            train.then(ms(2)).then(ms(5)).then(ms(40));
        }
        let (count, tally) = train.count(HOLD);
        assert_eq!(count, 100);
        // Three that did not hold at each pulse: two times active and once inactive.
        assert_eq!(tally.bounces.get(), 300);
    }

    #[test]
    fn a_pulse_is_dated_at_the_edge_after_which_it_held() {
        let mut counter = Counter::new(HOLD, Some(false), Duration::ZERO, Tally::default());
        let mut found = Vec::new();
        let mut train = Train::new();
        train.then(ms(2)).then(ms(1)).then(ms(30)).then(ms(30));
        train.edges.iter().for_each(|edge| counter.edge(*edge, &mut found));
        assert_eq!(found, [Pulses { count: 1, at: ms(1003) }]);
    }

    #[test]
    fn a_pulse_is_certain_as_soon_as_it_held() {
        let mut counter = Counter::new(HOLD, Some(false), Duration::ZERO, Tally::default());
        let mut found = Vec::new();
        assert_eq!(counter.deadline(), None);
        counter.edge(Edge { time: ms(50), active: true, seqno: 1 }, &mut found);
        assert_eq!(counter.deadline(), Some(ms(60)));
        counter.settle(ms(59), &mut found);
        assert_eq!(found, []);
        counter.settle(ms(60), &mut found);
        assert_eq!(found, [Pulses { count: 1, at: ms(50) }]);
        assert_eq!(counter.deadline(), None);
        // A contact that sticks is one pulse, however often one looks and whenever it opens.
        counter.settle(ms(3_600_000), &mut found);
        counter.edge(Edge { time: ms(7_200_000), active: false, seqno: 2 }, &mut found);
        counter.settle(ms(7_300_000), &mut found);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_line_that_is_active_at_the_start_is_no_pulse() {
        for level in [Some(true), None] {
            let mut counter = Counter::new(HOLD, level, Duration::ZERO, Tally::default());
            let mut found = Vec::new();
            counter.settle(ms(500), &mut found);
            counter.edge(Edge { time: ms(1000), active: false, seqno: 1 }, &mut found);
            counter.edge(Edge { time: ms(2000), active: true, seqno: 2 }, &mut found);
            assert_eq!(found, []);
            counter.settle(ms(2010), &mut found);
            assert_eq!(found.len(), 1, "{level:?}");
        }
    }

    #[test]
    fn without_a_hold_every_activation_counts() {
        let mut train = Train::new();
        (0..1000).for_each(|_| {
            train.then(Duration::from_micros(1)).then(Duration::ZERO);
        });
        assert_eq!(train.count(Duration::ZERO).0, 1000);
    }

    #[test]
    fn two_edges_reported_as_one_are_a_blip() {
        let edges = [(true, 100), (true, 105), (false, 200), (false, 300), (true, 400)];
        let count = |hold| {
            let mut counter = Counter::new(hold, Some(false), Duration::ZERO, Tally::default());
            let mut found = Vec::new();
            for (n, (active, at)) in edges.into_iter().enumerate() {
                counter.edge(Edge { time: ms(at), active, seqno: n as u32 + 1 }, &mut found);
            }
            counter.settle(ms(500), &mut found);
            (found.iter().map(|pulses| pulses.count).sum::<u64>(), counter.tally.bounces.get())
        };
        assert_eq!(count(HOLD), (2, 2));
        assert_eq!(count(Duration::ZERO), (4, 0));
    }

    #[test]
    fn pulses_of_a_clean_train_are_counted_through_a_gap() {
        let train = Train::pulses(500, ms(30), ms(30));
        for first in 0..8 {
            for lost in 0..40 {
                let (count, tally) = train.clone().without(first..first + lost).count(HOLD);
                assert_eq!(count, 500, "{lost} lost from {first} on");
                assert_eq!(tally.lost.get(), lost as u64);
                assert_eq!(train.clone().without(first..first + lost).count(ms(30)).0, 500);
                assert_eq!(train.clone().without(first..first + lost).count(Duration::ZERO).0, 500);
            }
        }
    }

    #[test]
    fn a_gap_within_a_bounce_is_no_pulse() {
        let mut train = Train::new();
        for _ in 0..9 {
            train.then(ms(1)).then(ms(1));
        }
        train.then(ms(30)).then(ms(30));
        for first in 1..5 {
            for lost in 1..8 {
                assert_eq!(train.clone().without(first..first + lost).count(HOLD).0, 1);
            }
        }
    }

    #[test]
    fn a_gap_has_no_more_pulses_than_fit_into_it() {
        // A storm: 1000 activations within a second, of which hardly any is seen.
        let train = Train::pulses(1000, Duration::from_micros(500), Duration::from_micros(500));
        let (count, tally) = train.without(10..1990).count(HOLD);
        assert_eq!(tally.lost.get(), 1980);
        assert!(count <= 50, "{count} pulses of 10 ms and pauses of 10 ms in 1 s");
    }

    #[test]
    fn a_line_of_which_nothing_is_known_is_counted_from_its_first_edge_on() {
        let train = Train::pulses(20, ms(30), ms(30));
        for (first, expected) in [(10, 15), (11, 14)] {
            let tally = Tally::default();
            let mut counter = Counter::resumed(HOLD, None, train.now, tally.clone());
            assert_eq!(counter.line(), None);
            let mut found = Vec::new();
            train.edges[first..].iter().for_each(|edge| counter.edge(*edge, &mut found));
            counter.settle(train.now, &mut found);
            assert_eq!((found.len(), tally.lost.get()), (expected, 0));
        }
    }

    #[test]
    fn edge_numbers_wrap_and_may_restart() {
        let mut counter = Counter::new(HOLD, Some(false), Duration::ZERO, Tally::default());
        counter.seqno = Some(u32::MAX - 3);
        let mut found = Vec::new();
        for n in 0..8u32 {
            let edge = Edge {
                time: ms(100 * u64::from(n)),
                active: n.is_multiple_of(2),
                seqno: (u32::MAX - 2).wrapping_add(n),
            };
            counter.edge(edge, &mut found);
        }
        counter.edge(Edge { time: ms(800), active: true, seqno: 1 }, &mut found);
        counter.settle(ms(900), &mut found);
        assert_eq!(found.len(), 5);
        assert_eq!(counter.tally.lost.get(), 0);
    }

    prop_compose! {
        /// Change of level: pieces that do not hold, then the rest.
        fn change()(pieces in proptest::collection::vec((1u64..10_000, 1u64..10_000), 0..4), rest in 10_000u64..500_000)
            -> Vec<u64> {
            let mut all: Vec<_> = pieces.into_iter().flat_map(|(there, back)| [there, back]).collect();
            all.push(rest);
            all
        }
    }

    proptest! {
        #[test]
        fn a_train_with_bounces_counts_exactly(
            changes in proptest::collection::vec((change(), change()), 0..60),
            looks in proptest::collection::vec(0u64..600_000, 0..300),
        ) {
            let mut train = Train::new();
            for (press, release) in &changes {
                press.iter().chain(release).for_each(|us| { train.then(Duration::from_micros(*us)); });
            }
            // Looks in between must not change the result.
            let mut counter = Counter::new(HOLD, Some(false), Duration::ZERO, Tally::default());
            let mut found = Vec::new();
            let mut looks = looks.into_iter();
            for (i, edge) in train.edges.iter().enumerate() {
                counter.edge(*edge, &mut found);
                let next = train.edges.get(i + 1).map_or(train.now, |next| next.time);
                if let Some(look) = looks.next() {
                    counter.settle((edge.time + Duration::from_micros(look)).min(next), &mut found);
                }
            }
            counter.settle(train.now, &mut found);
            prop_assert_eq!(found.iter().map(|pulses| pulses.count).sum::<u64>(), changes.len() as u64);
            prop_assert_eq!(train.count(HOLD).0, changes.len() as u64);
            prop_assert_eq!(counter.tally.lost.get(), 0);
        }

        #[test]
        fn a_counter_that_goes_on_after_another_at_any_moment_counts_each_pulse_once(
            changes in proptest::collection::vec((change(), change()), 1..30),
            ends in proptest::collection::vec((any::<proptest::sample::Index>(), 0u64..600_000), 1..5),
        ) {
            let mut train = Train::new();
            for (press, release) in &changes {
                press.iter().chain(release).for_each(|us| { train.then(Duration::from_micros(*us)); });
            }
            let mut ends: Vec<_> =
                ends.into_iter().map(|(end, late)| (end.index(train.edges.len()), late)).collect();
            ends.sort_unstable();
            let tally = Tally::default();
            let mut counter = Counter::new(HOLD, Some(false), Duration::ZERO, tally.clone());
            let mut found = Vec::new();
            for (i, edge) in train.edges.iter().enumerate() {
                counter.edge(*edge, &mut found);
                let next = train.edges.get(i + 1).map_or(train.now, |next| next.time);
                for (_, late) in ends.iter().filter(|(end, _)| *end == i) {
                    counter.settle((edge.time + Duration::from_micros(*late)).min(next), &mut found);
                    // The time at which the other one begins does not matter.
                    counter = Counter::resumed(HOLD, counter.line(), train.now, tally.clone());
                }
            }
            counter.settle(train.now, &mut found);
            prop_assert_eq!(found.iter().map(|pulses| pulses.count).sum::<u64>(), changes.len() as u64);
            prop_assert_eq!(tally.lost.get(), 0);
        }

        #[test]
        fn edges_that_a_killed_process_took_without_saving_them_cost_no_pulse_of_a_clean_train(
            pulses in 1u64..50,
            saved: proptest::sample::Index,
            taken in 0usize..5,
        ) {
            let train = Train::pulses(pulses, ms(30), ms(30));
            let saved = saved.index(train.edges.len());
            let tally = Tally::default();
            let mut counter = Counter::new(HOLD, Some(false), Duration::ZERO, tally.clone());
            let mut found = Vec::new();
            train.edges[..saved].iter().for_each(|edge| counter.edge(*edge, &mut found));
            let mut counter = Counter::resumed(HOLD, counter.line(), train.now, tally);
            let first = (saved + taken).min(train.edges.len() - 1);
            train.edges[first..].iter().for_each(|edge| counter.edge(*edge, &mut found));
            counter.settle(train.now, &mut found);
            prop_assert_eq!(found.iter().map(|pulses| pulses.count).sum::<u64>(), pulses);
        }

        #[test]
        fn no_edges_make_it_panic(
            edges in proptest::collection::vec((0u64..100_000, any::<bool>(), any::<u32>()), 0..50),
            hold in 0u64..50,
            level: Option<bool>,
        ) {
            let mut counter = Counter::new(ms(hold), level, Duration::ZERO, Tally::default());
            let mut found = Vec::new();
            for (at, active, seqno) in edges {
                counter.edge(Edge { time: ms(at), active, seqno }, &mut found);
            }
            counter.settle(ms(200_000), &mut found);
        }
    }
}

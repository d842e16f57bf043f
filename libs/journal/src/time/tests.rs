//! A machine whose clock the test manipulates.

use proptest::prelude::*;

use crate::time::{ClockReading, ClockSource, Dating, Epoch, MINUTE, Micros, SECOND, TimeCorrection};

const HOUR: Micros = 60 * MINUTE;

const DAY: Micros = 24 * HOUR;
/// The true time when the machine starts.
const START: Micros = 1_767_225_600 * SECOND;

/// The machine: the true time goes on, the clock says something else.
struct Machine {
    boottime: Micros,
    /// The clock minus the true time.
    error: Micros,
    synchronized: Option<Micros>,
    dating: Dating,
    /// Recorded readings: the true time, and the time that they were given.
    readings: Vec<(Micros, Micros)>,
    /// The first reading of the epoch.
    first: usize,
    corrections: Vec<TimeCorrection>,
}

impl Machine {
    fn boot(error: Micros, synchronized: Option<Micros>, newest: Option<Micros>) -> Self {
        let now = ClockReading { boottime: 10 * SECOND, wall: START + error, synchronized };
        let (dating, correction) = Dating::begin(&now, "a", None, newest);
        assert_eq!(correction, None);
        let (boottime, readings, corrections) = (now.boottime, Vec::new(), Vec::new());
        Self { boottime, error, synchronized, dating, readings, first: 0, corrections }
    }

    fn truth(&self) -> Micros {
        START + self.boottime - 10 * SECOND
    }

    fn now(&self) -> ClockReading {
        ClockReading {
            boottime: self.boottime,
            wall: self.truth() + self.error,
            synchronized: self.synchronized,
        }
    }

    /// Time goes by; then a look, and a reading that was taken a moment before.
    fn pass(&mut self, time: Micros, age: Micros) {
        self.boottime += time;
        let now = self.now();
        let since = self.dating.epoch().since;
        let correction = self.dating.observe(&now);
        self.corrected(correction, since);
        self.readings.push((self.truth() - age, self.dating.date(now.wall - age, &now)));
    }

    fn restart(&mut self, newest: Option<Micros>) {
        let left = self.dating.epoch().clone();
        let since = left.since;
        let (dating, correction) = Dating::begin(&self.now(), "a", Some(left), newest);
        self.dating = dating;
        self.corrected(correction, since);
    }

    fn corrected(&mut self, correction: Option<TimeCorrection>, since: Micros) {
        if let Some(TimeCorrection { since, delta }) = correction {
            let first = self.readings.iter().position(|reading| reading.1 >= since);
            let first = first.unwrap_or(self.readings.len());
            assert!(first >= self.first, "readings of an older epoch are moved");
            for reading in &mut self.readings[first..] {
                assert!(reading.1 >= since, "a later reading is not moved");
                reading.1 += delta;
            }
            self.first = first;
        } else if since != self.dating.epoch().since {
            self.first = self.readings.len();
        }
        self.corrections.extend(correction);
    }

    fn set(&mut self, error: Micros) {
        self.error = error;
    }

    /// The clock is set right, and a file is touched.
    fn synchronize(&mut self) {
        self.error = 0;
        self.synchronized = Some(self.truth());
    }

    fn hours(&mut self, hours: usize) {
        (0..60 * hours).for_each(|_| self.pass(MINUTE, 0));
    }

    fn errors(&self) -> Vec<Micros> {
        let mut errors: Vec<_> = self.readings.iter().map(|(truth, date)| date - truth).collect();
        errors.dedup();
        errors
    }

    fn in_order(&self) -> bool {
        self.readings[self.first..].is_sorted_by(|a, b| a.1 < b.1)
    }
}

#[test]
fn a_clock_that_is_right_is_followed() {
    let mut machine = Machine::boot(0, Some(START - HOUR), Some(START - HOUR));
    machine.hours(2);
    assert_eq!(machine.errors(), [0]);
    assert!(machine.dating.epoch().confirmed);
}

#[test]
fn a_machine_without_a_clock_goes_on_after_the_newest_reading_until_it_is_set() {
    let newest = START - 3 * DAY;
    let mut machine = Machine::boot(-START, None, Some(newest));
    machine.hours(1);
    assert_eq!(machine.readings[0].1, newest + SECOND + MINUTE);
    machine.synchronize();
    machine.hours(1);
    assert_eq!((machine.errors(), machine.corrections.len()), (vec![0], 1));
    assert!(machine.dating.epoch().confirmed);
}

#[test]
fn a_clock_of_1970_does_not_become_right_by_running_on() {
    let mut machine = Machine::boot(-START, None, Some(START - DAY));
    machine.hours(24 * 8);
    assert!(!machine.dating.epoch().confirmed);
    machine.synchronize();
    machine.hours(1);
    assert_eq!((machine.errors(), machine.corrections.len()), (vec![0], 1));
}

#[test]
fn a_first_run_in_1970_is_dated_later() {
    let mut machine = Machine::boot(-START, None, None);
    machine.hours(1);
    assert_eq!(machine.errors(), [-START]);
    // The clock is seen before the file that says so.
    machine.set(0);
    machine.pass(SECOND, 0);
    machine.synchronize();
    machine.hours(1);
    assert_eq!((machine.errors(), machine.corrections.len()), (vec![0], 1));
}

#[test]
fn a_clock_behind_the_newest_reading_is_right_once_it_is_synchronized() {
    // The readings before were dated in the future.
    let mut machine = Machine::boot(0, None, Some(START + DAY));
    machine.hours(1);
    assert_eq!(machine.errors(), [DAY + SECOND]);
    machine.synchronize();
    machine.hours(1);
    assert_eq!((machine.errors(), machine.corrections.len()), (vec![0], 1));
    // What comes next cannot be told from them by its date: only what is not recorded yet moves.
    machine.set(-2 * HOUR);
    machine.hours(2);
    assert_eq!(machine.corrections.len(), 1);
}

#[test]
fn a_clock_ahead_comes_back() {
    let mut machine = Machine::boot(6 * HOUR, None, Some(START - DAY));
    machine.hours(1);
    machine.set(-2 * DAY);
    machine.hours(1);
    let first = machine.readings[0].1;
    assert!((START - DAY..START - DAY + 2 * MINUTE).contains(&first), "not before the newest");
    machine.synchronize();
    machine.hours(1);
    assert_eq!((machine.errors(), machine.corrections.len()), (vec![0], 2));
    assert!(machine.in_order());
}

#[test]
fn a_clock_set_by_hand_is_believed_after_an_hour() {
    for error in [3 * HOUR, -3 * HOUR] {
        let mut machine = Machine::boot(0, Some(START), None);
        machine.hours(1);
        machine.set(error);
        (0..59).for_each(|_| machine.pass(MINUTE, 0));
        assert_eq!((machine.errors(), machine.corrections.len()), (vec![0], 0));
        machine.hours(1);
        let moment = START + HOUR + MINUTE;
        assert_eq!(machine.corrections, [TimeCorrection { since: moment, delta: error }]);
        assert_eq!(machine.errors(), [0, error]);
        assert!(machine.in_order());
        // Put right again: what was believed too early moves back if it can be told apart.
        machine.synchronize();
        machine.hours(1);
        assert_eq!(machine.errors(), if error > 0 { vec![0] } else { vec![0, error, 0] });
    }
}

#[test]
fn a_clock_set_by_hand_and_back_has_not_been_set() {
    let mut machine = Machine::boot(0, Some(START), None);
    machine.hours(1);
    for error in [3 * HOUR, -DAY, SECOND / 2] {
        machine.set(error);
        (0..30).for_each(|_| machine.pass(MINUTE, 0));
    }
    assert_eq!(machine.corrections, []);
    assert_eq!(machine.errors(), [0, SECOND / 2]);
    assert!(machine.dating.epoch().confirmed);
}

#[test]
fn a_clock_that_ran_wrong_is_corrected_at_once() {
    for error in [MINUTE, -MINUTE] {
        let mut machine = Machine::boot(error, Some(START + error), None);
        machine.hours(1);
        machine.synchronize();
        machine.hours(1);
        assert_eq!((machine.errors(), machine.corrections.len()), (vec![error, 0], 0));
    }
}

#[test]
fn a_week_without_a_step_confirms() {
    let mut machine = Machine::boot(HOUR, None, None);
    machine.hours(24 * 7 - 1);
    assert!(!machine.dating.epoch().confirmed);
    machine.hours(1);
    assert!(machine.dating.epoch().confirmed);
    machine.set(0);
    machine.hours(2);
    assert_eq!(machine.errors(), [HOUR, 0]);
}

#[test]
fn a_restart_goes_on() {
    // Behind the newest reading, and then set: by what was left, the whole epoch is found.
    let mut machine = Machine::boot(-2 * HOUR, None, Some(START - HOUR));
    machine.hours(1);
    let newest = machine.readings.last().map(|reading| reading.1 + MINUTE);
    machine.restart(newest);
    machine.hours(1);
    assert_eq!(machine.errors(), [-HOUR + SECOND]);
    machine.synchronize();
    machine.restart(newest);
    machine.hours(1);
    assert_eq!((machine.errors(), machine.corrections.len()), (vec![0], 1));
    // A step while the program was away.
    machine.set(HOUR);
    machine.boottime += HOUR;
    let newest = machine.readings.last().map(|reading| reading.1 + MINUTE);
    machine.restart(newest);
    machine.pass(MINUTE, 0);
    assert_eq!(machine.errors(), [0], "held");
    machine.hours(1);
    assert_eq!((machine.errors(), machine.corrections.len()), (vec![0, HOUR], 2));
}

#[test]
fn an_epoch_that_reaches_into_an_older_one_is_not_moved_again() {
    let mut machine = Machine::boot(0, None, None);
    machine.hours(24 * 8);
    machine.set(3 * HOUR);
    machine.hours(2);
    // Not confirmed. After a restart nobody knows how far it may go back.
    machine.restart(None);
    machine.set(-HOUR);
    machine.hours(1);
    assert_eq!(machine.errors(), [0, -HOUR]);
    assert!(machine.dating.epoch().confirmed);
    machine.set(0);
    machine.hours(2);
    assert_eq!(machine.errors(), [0, -HOUR, 0]);
}

#[test]
fn another_boot_is_another_epoch() {
    let machine = Machine::boot(0, None, None);
    for boot in ["", "b"] {
        let left = Epoch { boot: boot.into(), ..machine.dating.epoch().clone() };
        let now = ClockReading { boottime: 1, wall: START - HOUR, synchronized: None };
        let (dating, correction) =
            Dating::begin(&now, if boot.is_empty() { "" } else { "a" }, Some(left), None);
        assert_eq!((dating.epoch().since, correction), (START - HOUR, None));
    }
}

#[test]
fn a_month_of_slewing_is_followed() {
    let mut machine = Machine::boot(0, Some(START), None);
    let boottime = machine.boottime;
    while machine.boottime < boottime + 30 * DAY {
        // At most 500 parts in a million, as the kernel does it.
        machine.error += if machine.boottime / DAY % 2 == 0 { 30_000 } else { -25_000 };
        machine.pass(MINUTE, 5000);
        assert_eq!(machine.readings.last().map(|(truth, date)| date - truth), Some(machine.error));
    }
    assert_eq!(machine.corrections, []);
    assert!(machine.in_order());
}

#[test]
fn a_small_step_back_does_not_turn_the_order() {
    let mut machine = Machine::boot(0, Some(START), None);
    machine.pass(SECOND / 10, 0);
    machine.set(-SECOND * 9 / 10);
    (0..1000).for_each(|_| machine.pass(SECOND / 10, SECOND / 20));
    assert!(machine.in_order());
    assert_eq!(machine.readings.last().map(|(truth, date)| date - truth), Some(machine.error));
}

#[test]
fn what_is_no_age_is_taken_now() {
    let machine = Machine::boot(0, Some(START), None);
    let now = ClockReading { boottime: 10 * SECOND + HOUR, ..machine.now() };
    let now = ClockReading { wall: now.wall + HOUR, ..now };
    for (age, expected) in [(0, 0), (MINUTE, MINUTE), (MINUTE + 1, 0), (-1, 0), (i64::MAX, 0)] {
        assert_eq!(machine.dating.date(now.wall.wrapping_sub(age), &now), START + HOUR - expected, "{age}");
    }
}

#[test]
fn the_clocks_of_this_machine_can_be_read() {
    let (first, second) = (ClockSource::system().now(), ClockSource::system().now());
    assert!(first.boottime <= second.boottime && first.boottime > 0);
    assert!(first.wall > 0);
}

#[derive(Debug, Clone)]
enum Event {
    Look(Micros, Micros),
    Set(Micros),
    Synchronize,
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let some_time =
        prop_oneof![20_000..3 * SECOND, MINUTE..3 * MINUTE, 10 * MINUTE..2 * HOUR, Just(8 * DAY),];
    let error = prop_oneof![
        Just(0),
        -SECOND..SECOND,
        -5 * SECOND..5 * SECOND,
        -2 * MINUTE..2 * MINUTE,
        -5 * HOUR..5 * HOUR,
        Just(-START),
    ];
    prop_oneof![
        12 => (some_time, 0i64..10_000).prop_map(|(time, age)| Event::Look(time, age)),
        4 => error.prop_map(Event::Set),
        1 => Just(Event::Synchronize),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn the_order_within_an_epoch_is_kept(
        error in prop_oneof![Just(0), Just(-START), -DAY..DAY],
        synchronized in any::<bool>(),
        newest in prop::option::of(-DAY..DAY),
        events in prop::collection::vec(event(), 1..80),
    ) {
        let synchronized = synchronized.then_some(START + error);
        let mut machine = Machine::boot(error, synchronized, newest.map(|newest| START + newest));
        for event in events {
            match event {
                Event::Look(time, age) => machine.pass(time, age),
                Event::Set(error) => machine.set(error),
                Event::Synchronize => machine.synchronize(),
                Event::Restart => {
                    let newest = machine.readings.iter().map(|reading| reading.1).max();
                    machine.restart(newest.map(|newest| newest.div_euclid(MINUTE) * MINUTE + MINUTE));
                }
            }
            prop_assert!(machine.in_order());
        }
        machine.synchronize();
        machine.pass(HOUR, 0);
        machine.synchronize();
        machine.pass(HOUR, 0);
        prop_assert_eq!(machine.readings.last().map(|(truth, date)| date - truth), Some(0), "right in the end");
    }
}

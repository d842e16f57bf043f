use proptest::prelude::*;

use crate::{
    query::{
        ReadError,
        consumption::{Amount, Per},
    },
    series::Sample,
    testing::{Household, at, named, sample},
    time::{Micros, SECOND},
    wal::CounterSet,
};
use reading::Decimal;

const HOUR: Micros = 3600 * SECOND;

fn ask(household: &Household, from: Micros, to: Micros, per: Per) -> Vec<Amount> {
    household.ask(|view| view.find("d0", "E", None).unwrap().consumption(from, to, per).unwrap())
}

fn kwh(amount: &Amount) -> Option<i64> {
    amount.amount.map(|amount| (amount * 1000.0).round() as i64)
}

/// Amounts in Wh, and what is marked: `g`ap, `s`wap, `p`artial.
fn shown(amounts: &[Amount]) -> Vec<String> {
    let show = |of: &Amount| {
        let mut shown = kwh(of).map_or("-".to_owned(), |wh| wh.to_string());
        for (mark, is) in [('g', of.gap), ('s', of.swap), ('p', of.partial)] {
            shown.extend(is.then_some(mark));
        }
        shown
    };
    amounts.iter().map(show).collect()
}

pub(super) fn energy() -> crate::SeriesName {
    named("d0", "E", "kWh")
}

/// A reading a minute with 10 Wh between two, from `number` on.
pub(super) fn steady(from: Micros, minutes: i64, number: i64) -> Vec<Sample> {
    (0..minutes).map(|i| sample(from + i * 60 * SECOND, number + 10 * i)).collect()
}

/// All of it stored, all of it recent, and half of each.
pub(super) fn households(samples: &[Sample], sets: &[CounterSet]) -> Vec<Household> {
    let cut = |cut: usize| {
        let mut household = Household::new();
        let (old, new) = samples.split_at(cut);
        let end = new.first().map_or(Micros::MAX, |first| first.time);
        let (old_sets, new_sets): (Vec<_>, Vec<_>) = sets.iter().cloned().partition(|set| set.time < end);
        // A setting is checkpointed with the readings before it.
        if old.is_empty() {
            household.record(&energy(), "1.8.0", new, sets);
        } else {
            household.store(&energy(), "1.8.0", old, &old_sets);
            household.record(&energy(), "1.8.0", new, &new_sets);
        }
        household
    };
    let len = samples.len();
    vec![cut(0), cut(len / 3), cut(len / 2), cut(len - 1), cut(len)]
}

#[test]
fn amounts_are_those_of_local_periods() {
    let from = at("2026-10-24T22:00:00Z");
    for household in households(&steady(from, 26 * 60, 1_000_000), &[]) {
        // The day on which the clocks go back has 25 hours; the first reading is at its beginning.
        let days = ask(&household, from, from + 26 * HOUR, Per::Day);
        assert_eq!(shown(&days), ["15000", "590p"]);
        assert_eq!((days[0].end - days[0].start) / 3600, 25);
        assert_eq!(shown(&ask(&household, from, from + 1, Per::Month)), ["15590p"]);
        assert_eq!(shown(&ask(&household, from, from + 1, Per::Year)), ["15590p"]);
        let hours = ask(&household, from, from + 27 * HOUR, Per::Hour);
        assert_eq!(hours.len(), 27);
        assert_eq!(shown(&hours[..3]), ["600", "600", "600"]);
        assert_eq!(shown(&hours[26..]), ["-p"]);
    }
}

#[test]
fn what_was_counted_in_a_gap_is_spread_over_it() {
    let start = at("2026-11-02T06:00:00Z");
    let mut samples = steady(start, 2 * 60, 0);
    let resume = start + 5 * HOUR;
    samples.extend(steady(resume, 59, 1190 + 3000));
    for household in households(&samples, &[]) {
        let hours = ask(&household, start, start + 6 * HOUR, Per::Hour);
        assert_eq!(shown(&hours), ["600", "590", "1011g", "995g", "994g", "580p"]);
    }
}

#[test]
fn steps_are_no_consumption() {
    let start = at("2026-11-02T06:00:00Z");
    let set = |time: Micros, before: i64, after: i64| CounterSet {
        series: energy(),
        time,
        before: Decimal::new(before, 3).unwrap(),
        after: Decimal::new(after, 3).unwrap(),
    };
    // Another meter, in the middle of an hour; at the hour; after a gap, at the first reading.
    for (minutes, pause, shows) in [
        (90, 0, ["600", "590s", "580p"]),
        (120, 0, ["600", "590", "580sp"]),
        (60, 60, ["590", "0g", "580sp"]),
    ] {
        let mut samples = steady(start, minutes, 5_000_000);
        let resume = start + (minutes + pause) * 60 * SECOND;
        samples.extend(steady(resume, 179 - minutes - pause, 7_000));
        for household in households(&samples, &[]) {
            assert_eq!(shown(&ask(&household, start, start + 3 * HOUR, Per::Hour)), shows);
        }
    }
    // A command, between the last reading of an hour and its end, and then in the middle.
    for (minutes, shows) in [(60, ["600s", "600", "580p"]), (90, ["600", "600s", "580p"])] {
        let mut samples = steady(start, minutes, 5_000_000);
        let last = 5_000_000 + 10 * (minutes - 1);
        let resume = start + minutes * 60 * SECOND;
        samples.extend(steady(resume, 179 - minutes, 10));
        for household in households(&samples, &[set(resume - 5 * SECOND, last, 0)]) {
            assert_eq!(shown(&ask(&household, start, start + 3 * HOUR, Per::Hour)), shows);
        }
    }
    // A command after the last reading.
    let samples = steady(start, 59, 5_000_000);
    for household in households(&samples, &[set(start + HOUR - 5 * SECOND, 5_000_580, 0)]) {
        assert_eq!(shown(&ask(&household, start, start + HOUR, Per::Hour)), ["580sp"]);
    }
    // Between two checkpoints.
    let samples = steady(start, 60, 5_000_000);
    for folded in [true, false] {
        let mut household = Household::new();
        let set = set(start + 30 * 60 * SECOND - SECOND, 5_000_290, 9_000_000);
        let sets = [set];
        let (old, new) = if folded { (&sets[..], &[][..]) } else { (&[][..], &sets[..]) };
        household.store(&energy(), "1.8.0", &samples[..30], old);
        let later = samples[30..].iter().map(|of| sample(of.time, of.value.mantissa() + 3_999_710));
        household.record(&energy(), "1.8.0", &later.collect::<Vec<_>>(), new);
        assert_eq!(shown(&ask(&household, start, start + HOUR, Per::Hour)), ["590sp"]);
    }
}

#[test]
fn a_small_correction_counts_where_it_was_made() {
    let start = at("2026-11-02T06:00:00Z");
    let minute = |i: i64| start + i * 60 * SECOND;
    let decimal = |number| Decimal::new(number, 3).unwrap();
    // 3.6 kW; within a quarter its readings come nearer to the number before the correction again.
    for (at, exact, correction, shows) in [
        (45, true, -500, ["3600s", "3480p"]),
        (45, false, -500, ["3600s", "3480p"]),
        // As far up: the first reading of a quarter is nearer to the number after it.
        (74, true, 500, ["3600", "3480sp"]),
        (62, false, -100, ["3600", "3480sp"]),
    ] {
        let time = minute(at) + 30 * SECOND;
        let number = |i: i64| 1_000_000 + 60 * i + if i > at { correction } else { 0 };
        let samples: Vec<_> = (0..119).map(|i| sample(minute(i), number(i))).collect();
        let set = CounterSet {
            series: energy(),
            time,
            before: decimal(number(at)),
            after: decimal(number(at) + correction),
        };
        for (i, household) in households(&samples, &[set]).into_iter().enumerate() {
            if !exact {
                household.database.connection.execute("DELETE FROM raw", []).unwrap();
            }
            let hours = ask(&household, start, start + 2 * HOUR, Per::Hour);
            assert_eq!(shown(&hours), shows, "{at} {exact} {i}");
        }
    }
}

#[test]
fn late_and_repeated_readings_change_nothing() {
    let start = at("2026-11-02T06:00:00Z");
    let samples = steady(start, 119, 1_000_000);
    let late = sample(start + 50 * 60 * SECOND + 30 * SECOND, 1_000_505);
    for recent in [vec![late], samples[50..].to_vec(), [vec![late], samples[100..].to_vec()].concat()] {
        for pruned in [false, true] {
            let mut household = Household::new();
            household.store(&energy(), "1.8.0", &samples, &[]);
            if pruned {
                household.database.connection.execute("DELETE FROM raw", []).unwrap();
            }
            household.record(&energy(), "1.8.0", &recent, &[]);
            let hours = ask(&household, start, start + 2 * HOUR, Per::Hour);
            assert_eq!(shown(&hours), ["600", "580p"], "{recent:?}");
        }
    }
    // An old meter's readings, from before the stored ones.
    let mut household = Household::new();
    household.store(&energy(), "1.8.0", &samples[60..], &[]);
    household.record(&energy(), "1.8.0", &steady(start, 60, 9_000_000), &[]);
    assert_eq!(shown(&ask(&household, start, start + 2 * HOUR, Per::Hour)), ["590", "580sp"]);
}

#[test]
fn a_meter_that_is_read_rarely_has_no_gaps_until_it_is_read_later_than_that() {
    let start = at("2026-11-02T06:00:00Z");
    let reads = |from: Micros, period: Micros, count: i64| {
        (0..count).map(|i| sample(from + i * period, 1000 * i)).collect::<Vec<_>>()
    };
    // Each hour at 20 past, and once not for four hours.
    let mut samples = reads(start + 20 * 60 * SECOND, HOUR, 24);
    for household in households(&samples, &[]) {
        let hours = ask(&household, start, start + 24 * HOUR, Per::Hour);
        assert!(hours.iter().all(|hour| !hour.gap), "{:?}", shown(&hours));
    }
    samples.drain(10..13);
    for household in households(&samples, &[]) {
        let hours = ask(&household, start, start + 24 * HOUR, Per::Hour);
        let gaps: Vec<_> = (0..24).filter(|hour| hours[*hour].gap).collect();
        assert_eq!(gaps, [9, 10, 11, 12, 13]);
    }
    // Each day at 03:00, and once not for a week.
    let midnight = at("2026-11-01T23:00:00Z");
    let mut samples = reads(midnight + 3 * HOUR, 24 * HOUR, 40);
    samples.drain(20..26);
    for household in households(&samples, &[]) {
        let days = ask(&household, midnight, midnight + 40 * 24 * HOUR, Per::Day);
        let gaps: Vec<_> = (0..40).filter(|day| days[*day].gap).collect();
        assert_eq!(gaps, (19..=26).collect::<Vec<_>>());
    }
}

#[test]
fn a_fall_that_nobody_noted_is_no_consumption() {
    let start = at("2026-11-02T06:00:00Z");
    let mut household = Household::new();
    let mut samples = steady(start, 90, 5_000_000);
    samples.extend(steady(start + 90 * 60 * SECOND, 89, 0));
    household.store(&energy(), "1.8.0", &samples, &[]);
    household.database.connection.execute("DELETE FROM event", []).unwrap();
    assert_eq!(shown(&ask(&household, start, start + 3 * HOUR, Per::Hour)), ["600", "0s", "580p"]);
}

#[test]
fn only_counters_count_and_not_too_finely() {
    let mut household = Household::new();
    household.store(&named("d0", "P", "W"), "16.7.0", &[sample(0, 1)], &[]);
    household.store(&energy(), "1.8.0", &[sample(0, 1)], &[]);
    let error =
        |name, to, per| match household.ask(|view| view.find("d0", name, None)?.consumption(0, to, per)) {
            Err(ReadError::BadRequest(message)) => message,
            other => panic!("{other:?}"),
        };
    assert!(error("P", 1, Per::Day).starts_with("`P` is not a counter, it has the unit `W`"));
    assert_eq!(
        error("E", 200_000 * HOUR, Per::Hour),
        "the range has more than 10000 periods: ask for `per=day`"
    );
    assert!(error("E", 10_000 * HOUR, Per::Hour).contains("10000 periods"));
    let hours = household.ask(|view| view.find("d0", "E", None)?.consumption(0, 9_999 * HOUR, Per::Hour));
    assert_eq!(hours.unwrap().len(), 9_999);
    assert_eq!(
        error("E", 400_000 * HOUR, Per::Day),
        "the range has more than 10000 periods: ask for `per=month`"
    );
}

#[test]
fn what_runs_both_ways_may_be_negative() {
    let start = at("2026-11-02T06:00:00Z");
    let samples: Vec<_> = (0..119).map(|i| sample(start + i * 60 * SECOND, 100_000 - 10 * i)).collect();
    for code in ["16.8.0", "36.8.0", "56.8.0", "76.8.0"] {
        for cut in [0, 60, samples.len()] {
            let (old, new) = samples.split_at(cut);
            let mut household = Household::new();
            household.store(&energy(), code, old, &[]);
            household.record(&energy(), code, new, &[]);
            let hours = ask(&household, start, start + 2 * HOUR, Per::Hour);
            assert_eq!(shown(&hours), ["-600", "-580p"], "{code} {cut}");
        }
    }
}

/// Event before a stretch of readings.
#[derive(Debug, Clone, Copy)]
enum Change {
    Nothing,
    /// Another meter, which reads this share of the old one.
    Swap(i64),
    /// A command sets it to this.
    Set(i64),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn amounts_add_up(
        stretches in prop::collection::vec(
            (
                prop_oneof![3 => 0i64..120, 1 => 0i64..300_000],
                prop_oneof![
                    Just(Change::Nothing),
                    (0i64..90).prop_map(Change::Swap),
                    (0i64..9_000_000).prop_map(Change::Set),
                ],
                1usize..300,
                prop_oneof![Just(60i64), Just(301), Just(1800)],
                0i64..60,
            ),
            1..12,
        ),
        cut in 0usize..1500,
        summer: bool,
        start in 0i64..86_400,
    ) {
        let begin = at(if summer { "2026-03-27T00:00:00Z" } else { "2026-10-23T00:00:00Z" }) + start * SECOND;
        let (mut time, mut number) = (begin, 1_000_000);
        let (mut samples, mut sets, mut counted) = (Vec::<Sample>::new(), Vec::new(), 0);
        for (gap, change, readings, period, rise) in stretches {
            let last = samples.last().map(|last| last.time);
            time += gap * SECOND;
            match change {
                Change::Swap(percent) if last.is_some() && number > 1000 => number = number * percent / 100,
                Change::Set(to) if last.is_some_and(|last| last + 2 < time) => {
                    let time = last.unwrap_or(time) + (time - last.unwrap_or(time)) / 2;
                    let decimal = |number| Decimal::new(number, 3).unwrap();
                    sets.push(CounterSet { series: energy(), time, before: decimal(number), after: decimal(to) });
                    number = to;
                }
                // As the readings before it went on.
                _ if last.is_some() => {
                    number += rise;
                    counted += rise;
                }
                _ => {}
            }
            for i in 0..readings {
                if i > 0 {
                    number += rise;
                    counted += rise;
                }
                samples.push(sample(time, number));
                time += period * SECOND;
            }
        }
        let mut household = Household::new();
        let (old, new) = samples.split_at(cut.min(samples.len()));
        let (mut old_sets, mut new_sets) = (Vec::new(), Vec::new());
        for set in sets {
            let folded = new.first().is_none_or(|first| set.time < first.time) && !old.is_empty();
            if folded { old_sets.push(set) } else { new_sets.push(set) }
        }
        if !old.is_empty() {
            household.store(&energy(), "1.8.0", old, &old_sets);
        }
        household.record(&energy(), "1.8.0", new, &new_sets);

        let total = |amounts: &[Amount]| amounts.iter().filter_map(|of| of.amount).sum::<f64>();
        let days = ask(&household, begin, time, Per::Day);
        for per in Per::ALL {
            let amounts = ask(&household, begin, time, per);
            let sum = total(&amounts);
            prop_assert!((sum - counted as f64 / 1000.0).abs() < 1e-6, "{:?}: {} of {}", per, sum, counted);
            for of in &amounts {
                prop_assert!(of.amount.is_none_or(|amount| amount > -1e-6), "{:?}", of);
            }
        }
        for day in &days {
            let hours = ask(&household, day.start * SECOND, day.end * SECOND, Per::Hour);
            prop_assert_eq!((hours[0].start, hours[hours.len() - 1].end), (day.start, day.end));
            prop_assert!((total(&hours) - day.amount.unwrap_or(0.0)).abs() < 1e-6);
            for hour in hours {
                // 60 Wh a minute, and what was counted in the quarter before it began.
                prop_assert!(hour.amount.is_none_or(|amount| amount < 5.0), "{:?}", hour);
            }
        }
    }
}

#[test]
fn a_missing_quarter_of_a_meter_that_is_read_often_is_a_gap() {
    let mut household = Household::new();
    let from = at("2026-11-02T06:00:00Z");
    let outage = at("2026-11-02T07:44:00Z")..at("2026-11-02T08:02:00Z");
    let times = (0..3 * 360).map(|i| from + i * 10 * SECOND).filter(|time| !outage.contains(time));
    let samples: Vec<_> = times.map(|time| sample(time, (time - from) / (10 * SECOND))).collect();
    household.store(&energy(), "1.8.0", &samples, &[]);
    let hours = ask(&household, from, from + 3 * HOUR, Per::Hour);
    let marked: Vec<_> = hours.iter().map(|hour| hour.gap).collect();
    assert_eq!(marked, [false, true, false]);
}

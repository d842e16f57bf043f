use proptest::prelude::*;

use super::consumption::{energy, households, steady};
use crate::{
    query::register::{Register, Registered, Swap},
    series::Sample,
    testing::{Household, at, named, sample},
    time::{Micros, SECOND},
    wal::CounterSet,
};
use reading::Decimal;

const MINUTE: Micros = 60 * SECOND;
const HOUR: Micros = 60 * MINUTE;

fn register(household: &Household, at: Micros) -> Register {
    household.ask(|view| view.find("d0", "E", None).unwrap().register(at).unwrap())
}

fn registered(household: &Household, from: Micros, to: Micros) -> Registered {
    household.ask(|view| view.find("d0", "E", None).unwrap().registered(from, to).unwrap())
}

fn number(value: Option<Decimal>) -> Option<f64> {
    value.map(Decimal::to_f64)
}

fn plain(read: Option<Sample>) -> Option<(Micros, f64)> {
    read.map(|read| (read.time, read.value.to_f64()))
}

#[test]
fn a_reading_within_a_minute_is_the_number_with_the_digits_of_the_meter() {
    let start = at("2026-12-31T20:00:00Z");
    let midnight = at("2026-12-31T23:00:00Z");
    let samples = steady(start + 20 * SECOND, 6 * 60, 1_000_000);
    for household in households(&samples, &[]) {
        let found = register(&household, midnight);
        assert_eq!((number(found.value), found.exact, found.gap), (Some(1001.79), true, false));
        assert_eq!(found.at, midnight - 40 * SECOND);
        assert_eq!(plain(found.before), plain(Some(samples[179])));
        assert_eq!(plain(found.after), plain(Some(samples[180])));
        // A reading at the moment itself is that of the moment.
        let found = register(&household, samples[77].time);
        assert_eq!((number(found.value), found.at), (Some(1000.77), samples[77].time));
        // Of a roll-up only the minute is known.
        household.database.connection.execute("DELETE FROM raw", []).unwrap();
        let found = register(&household, midnight);
        assert_eq!((found.value.map(Decimal::to_f64), found.exact), (Some(1001.79), true));
        assert!((midnight - MINUTE..midnight).contains(&found.at));
    }
}

#[test]
fn elsewhere_the_number_lies_between_those_around_in_proportion_to_time() {
    let start = at("2026-12-31T06:00:00Z");
    // 10 Wh a minute for two hours, nothing for ten hours in which 3 kWh are counted, and again.
    let mut samples = steady(start, 121, 0);
    let resume = start + 12 * HOUR;
    samples.extend(steady(resume, 120, 1200 + 3000));
    for household in households(&samples, &[]) {
        let found = register(&household, start + 7 * HOUR);
        assert_eq!((number(found.value), found.exact, found.gap), (Some(2.7), false, true));
        assert_eq!(plain(found.before), plain(Some(samples[120])));
        assert_eq!(plain(found.after), plain(Some(samples[121])));
        let span = registered(&household, start + HOUR, start + 7 * HOUR);
        assert_eq!(number(span.amount), Some(2.1));
        assert!(span.begin.exact && !span.end.exact && span.swaps.is_empty());
    }
    // A meter that is read each hour has no gap between two readings.
    let hourly: Vec<_> = (0..48).map(|i| sample(start + i * HOUR, 1000 * i)).collect();
    for household in households(&hourly, &[]) {
        let found = register(&household, start + 10 * HOUR + 15 * MINUTE);
        assert_eq!((number(found.value), found.exact, found.gap), (Some(10.25), false, false));
    }
}

#[test]
fn before_the_first_reading_and_long_after_the_last_there_is_no_number() {
    let start = at("2026-12-31T06:00:00Z");
    let samples: Vec<_> = (0..48).map(|i| sample(start + i * HOUR, 1000 * i)).collect();
    for household in households(&samples, &[]) {
        let found = register(&household, start - 2 * MINUTE);
        assert_eq!((found.value, found.gap), (None, true));
        assert_eq!(plain(found.after), plain(Some(samples[0])));
        assert_eq!(registered(&household, start - HOUR, start + HOUR).amount, None);
        // The newest number of a meter that is read seldom is shown with its own time.
        let last = samples[47];
        let found = register(&household, last.time + 50 * MINUTE);
        assert_eq!((number(found.value), found.exact, found.gap), (Some(47.0), false, false));
        assert_eq!(found.at.div_euclid(MINUTE), last.time.div_euclid(MINUTE));
        let found = register(&household, last.time + 24 * HOUR);
        assert_eq!((found.value, found.gap), (None, true));
        assert_eq!(plain(found.before).map(|(_, number)| number), Some(47.0));
    }
}

#[test]
fn over_a_meter_swap_the_amount_is_the_sum_of_the_parts() {
    let start = at("2026-10-24T06:00:00Z");
    // 90 minutes of the old meter, half an hour for the exchange, and the new one.
    let mut samples = steady(start, 91, 5_000_000);
    let new = start + 2 * HOUR;
    samples.extend(steady(new, 60, 7));
    for (i, household) in households(&samples, &[]).into_iter().enumerate() {
        for pruned in [false, true] {
            if pruned {
                household.database.connection.execute("DELETE FROM raw", []).unwrap();
            }
            let span = registered(&household, start, new + HOUR);
            // 900 Wh and 590 Wh.
            assert_eq!(span.amount.map(Decimal::to_f64), Some(1.49), "{i} {pruned}");
            assert_eq!(span.swaps, [Swap { time: new, from: 5000.9, to: 0.007 }]);
            assert_eq!(span.end.value.map(Decimal::to_f64), Some(0.597));
            // Until the new meter is read, the number is that of the old one.
            let between = register(&household, start + 100 * MINUTE);
            assert_eq!((between.value.map(Decimal::to_f64), between.exact), (Some(5000.9), false));
            let before = registered(&household, start, start + 100 * MINUTE);
            assert!(before.swaps.is_empty());
            assert_eq!(before.amount.map(Decimal::to_f64), Some(0.9));
        }
    }
}

#[test]
fn what_a_command_set_is_no_consumption_and_is_said() {
    let start = at("2026-10-24T06:00:00Z");
    let set = CounterSet {
        series: energy(),
        time: start + 60 * MINUTE - 30 * SECOND,
        before: Decimal::new(590, 3).unwrap(),
        after: Decimal::new(88_000, 3).unwrap(),
    };
    let mut samples = steady(start, 60, 0);
    samples.extend(steady(start + 60 * MINUTE, 60, 88_010));
    for household in households(&samples, &[set]) {
        let span = registered(&household, start, start + 119 * MINUTE);
        assert_eq!(number(span.amount), Some(1.19));
        assert_eq!(span.swaps.iter().map(|swap| (swap.from, swap.to)).collect::<Vec<_>>(), [(0.59, 88.0)]);
    }
}

#[test]
fn a_register_of_power_is_refused() {
    let mut household = Household::new();
    household.store(&named("d0", "P", "W"), "16.7.0", &[sample(0, 1)], &[]);
    let refused = household.ask(|view| view.find("d0", "P", None).unwrap().register(0).is_err());
    assert!(refused);
}

/// Number at a moment by the definition, from all readings of one meter in order.
fn reference(samples: &[Sample], at: Micros) -> Option<f64> {
    let near = |of: &&Sample| (of.time - at).abs() <= MINUTE;
    let before = samples.iter().rev().find(|of| of.time <= at);
    let after = samples.iter().find(|of| of.time > at);
    if let Some(read) = before.filter(near).or(after.filter(near)) {
        return Some(read.value.to_f64());
    }
    let (before, after) = (before?, after?);
    let share = (at - before.time) as f64 / (after.time - before.time) as f64;
    Some(before.value.to_f64() + (after.value.to_f64() - before.value.to_f64()) * share)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn numbers_and_amounts_are_those_of_the_readings(
        steps in prop::collection::vec((1i64..4000, 0i64..500), 2..80),
        moments in prop::collection::vec(0.0..1.0f64, 6),
        cut in 0usize..80,
    ) {
        let start = at("2026-10-24T20:00:00Z");
        let (mut time, mut number) = (start, 1_000_000);
        let mut samples = vec![sample(time, number)];
        for (seconds, rise) in steps {
            time += seconds * SECOND;
            // A step of more than 1 MW would be another meter.
            number += rise.min(seconds * 100);
            samples.push(sample(time, number));
        }
        let mut household = Household::new();
        let (old, new) = samples.split_at(cut.min(samples.len()));
        household.store(&energy(), "1.8.0", old, &[]);
        household.record(&energy(), "1.8.0", new, &[]);
        let moment = |share: f64| start + ((time - start) as f64 * share) as Micros;
        for pair in moments.chunks(2) {
            let (from, to) = (moment(pair[0].min(pair[1])), moment(pair[0].max(pair[1])) + SECOND);
            let span = registered(&household, from, to);
            for (found, at) in [(&span.begin, from), (&span.end, to)] {
                let expected = reference(&samples, at);
                if let Some(expected) = expected {
                    let value = found.value.map_or(f64::NAN, Decimal::to_f64);
                    prop_assert!((value - expected).abs() < 0.00051, "{value} {expected}");
                }
            }
            // Both numbers are what they are shown as, so the amount is the difference that a person computes.
            if let (Some(low), Some(high)) = (span.begin.value, span.end.value) {
                let amount = span.amount.map(Decimal::to_f64);
                prop_assert_eq!(amount, high.checked_sub(low).map(Decimal::to_f64));
            }
        }
    }
}

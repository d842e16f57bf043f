//! Amounts by the rule of totals: of meters that are read on the quarter, hourly, daily, with jitter, over swaps and
//! changes of the clock.

use proptest::prelude::*;

use super::consumption::{energy, households};
use crate::{
    QUARTER_HOUR,
    query::consumption::{Amount, Per},
    series::Sample,
    testing::{Household, at, sample},
    time::{Micros, SECOND},
};
use reading::Decimal;

const QUARTER: Micros = QUARTER_HOUR * SECOND;
const HOUR: Micros = 4 * QUARTER;

/// Asks for the amounts between edges, in microseconds, both by single searches and in one pass.
fn between(household: &Household, edges: &[Micros]) -> Vec<Amount> {
    let edges: Vec<_> = edges.iter().map(|edge| edge / SECOND).collect();
    let [searched, passed] = [false, true].map(|all| {
        household.ask(|view| view.find("d0", "E", None).unwrap().consumption_between(&edges, all).unwrap())
    });
    assert_eq!(searched, passed);
    searched
}

fn edges(from: Micros, step: Micros, count: i64) -> Vec<Micros> {
    (0..=count).map(|n| from + n * step).collect()
}

/// Amounts in thousandths.
fn thousandths(amounts: &[Amount]) -> Vec<Option<i64>> {
    amounts
        .iter()
        .map(|of| of.exact.and_then(|exact| exact.mantissa_at(9)).map(|nano| nano / 1_000_000))
        .collect()
}

/// Households with single readings, and with their roll-ups only.
fn with_and_without_raw(samples: &[Sample]) -> Vec<Household> {
    let removed = households(samples, &[]);
    for household in &removed {
        household.database.connection.execute("DELETE FROM raw", []).unwrap();
    }
    households(samples, &[]).into_iter().chain(removed).collect()
}

#[test]
fn a_meter_that_is_read_on_the_quarter_of_an_hour_has_exactly_the_differences() {
    let start = at("2026-10-24T20:00:00Z");
    let rises = [0, 7, 1250, 3, 0, 999, 41, 18, 5, 2600, 1, 77];
    let mut number = 5_000_000;
    let mut samples = vec![sample(start, number)];
    for (n, rise) in rises.iter().enumerate() {
        number += rise;
        samples.push(sample(start + (n as Micros + 1) * QUARTER, number));
    }
    for household in with_and_without_raw(&samples) {
        let amounts = between(&household, &edges(start, QUARTER, 12));
        assert_eq!(thousandths(&amounts), rises.map(Some));
        assert!(amounts.iter().all(|of| !of.gap && !of.partial && !of.swap), "{amounts:?}");
    }
}

#[test]
fn a_reading_soon_after_the_quarter_stands_for_it() {
    // A poll is answered some seconds later, and the clocks of two machines differ.
    let start = at("2026-10-24T20:00:00Z");
    let delays = [3, 0, 41, 12, -7, 55, -60, 60, 0];
    let samples =
        delays.iter().zip(0..).map(|(delay, n)| sample(start + n * QUARTER + delay * SECOND, 100 * n * n));
    let samples: Vec<_> = samples.collect();
    for household in with_and_without_raw(&samples) {
        let amounts = between(&household, &edges(start, QUARTER, 8));
        assert_eq!(thousandths(&amounts), [100, 300, 500, 700, 900, 1100, 1300, 1500].map(Some));
    }
}

#[test]
fn what_an_hourly_or_daily_meter_counted_is_spread_over_the_hour_or_day() {
    let start = at("2026-11-02T00:00:00Z");
    for (period, offset) in [(HOUR, 0), (HOUR, 20 * 60 * SECOND), (24 * HOUR, 0), (24 * HOUR, 3 * HOUR)] {
        let samples: Vec<_> = (0..20).map(|n| sample(start + offset + n * period, 24_000 * n)).collect();
        let quarters = period / QUARTER;
        for household in with_and_without_raw(&samples) {
            let amounts = between(&household, &edges(start + period, QUARTER, 4 * quarters));
            assert_eq!(thousandths(&amounts), vec![Some(24_000 / quarters); 4 * quarters as usize]);
            assert!(amounts.iter().all(|of| !of.gap), "{period} {offset}");
        }
    }
}

#[test]
fn a_moment_has_one_total_whatever_resets_its_question_has() {
    let start = at("2026-11-02T00:20:00Z");
    // Ten-thousandths, some with a zero at the end; another meter from the fifth on.
    let numbers = [
        50_001_234, 50_007_777, 50_012_340, 50_019_991, 5_000, 11_430, 18_250, 24_680, 31_111, 37_890,
        44_560, 51_003,
    ];
    let sample = |(n, number): (Micros, i64)| Sample {
        time: start + n * HOUR,
        value: Decimal::new(number, 4).unwrap(),
    };
    let samples: Vec<_> = (0..).zip(numbers).map(sample).collect();
    for household in with_and_without_raw(&samples) {
        let edges = edges(start + 40 * 60 * SECOND, HOUR, 10);
        let together: Vec<_> = between(&household, &edges).iter().map(|of| of.exact).collect();
        let alone: Vec<_> = edges.windows(2).map(|pair| between(&household, pair)[0].exact).collect();
        assert_eq!(together, alone);
    }
}

#[test]
fn the_day_on_which_the_clocks_change_has_what_was_counted_in_its_hours() {
    for (day, hours) in [("2026-03-28T23:00:00Z", 23), ("2026-10-24T22:00:00Z", 25)] {
        let day = at(day);
        let samples: Vec<_> = (-8..400).map(|n| sample(day + n * QUARTER, 10_000 + 250 * n)).collect();
        for household in households(&samples, &[]) {
            let days = household
                .ask(|view| view.find("d0", "E", None).unwrap().consumption(day, day + 1, Per::Day).unwrap());
            assert_eq!(thousandths(&days), [Some(hours * 1000)]);
        }
    }
}

#[test]
fn rows_of_an_older_version_have_the_times_of_their_readings_looked_up() {
    let start = at("2026-11-02T00:00:00Z");
    let samples: Vec<_> = (0..12).map(|n| sample(start + n * QUARTER, 250 * n)).collect();
    for household in households(&samples, &[]) {
        forget_times(&household);
        let amounts = between(&household, &edges(start, QUARTER, 11));
        assert_eq!(thousandths(&amounts), [Some(250); 11]);
    }
}

/// Rows of quarters as version 3 wrote them.
fn forget_times(household: &Household) {
    let sql = "UPDATE quarter SET first_at = NULL, last_at = NULL";
    household.database.connection.execute(sql, []).unwrap();
}

#[test]
fn often_read_quarters_of_an_older_version_have_the_amounts_of_new_ones() {
    let start = at("2026-10-24T20:00:00Z");
    // Each ten seconds, with a stop of a day in the middle of a quarter, and another meter after it.
    let number = |n: i64| if n < 3000 { 5_000_000 + n * (1 + n % 3) } else { 40 + n };
    let time = |n: i64| start + n * 10 * SECOND + SECOND + if n < 2000 { 0 } else { 24 * HOUR };
    let samples: Vec<_> = (0..4000).map(|n| sample(time(n), number(n))).collect();
    let mut sorted = samples.clone();
    sorted.dedup_by(|late, early| late.value.to_f64() < early.value.to_f64() && late.value.to_f64() > 1000.0);
    for pruned in [false, true] {
        let [new, old] = [(), ()].map(|()| {
            let mut household = Household::new();
            household.store(&energy(), "1.8.0", &sorted, &[]);
            if pruned {
                household.database.connection.execute("DELETE FROM raw", []).unwrap();
            }
            household
        });
        forget_times(&old);
        let edges = edges(start, QUARTER, 140);
        assert_eq!(between(&new, &edges), between(&old, &edges), "{pruned}");
    }
}

#[test]
fn only_what_was_counted_next_to_an_edge_moves_in_an_often_read_quarter_of_an_older_version() {
    let start = at("2026-11-02T00:00:00Z");
    // Each 80 seconds: the last reading may be more than a minute before the edge.
    let samples: Vec<_> = (0..120).map(|n| sample(start + n * 80 * SECOND + 5 * SECOND, 80 * n)).collect();
    let household = {
        let mut household = Household::new();
        household.store(&energy(), "1.8.0", &samples, &[]);
        household
    };
    forget_times(&household);
    let edges = edges(start, QUARTER, 9);
    let last = |edge: &Micros| {
        let before = samples.iter().rev().find(|sample| sample.time < *edge);
        before.map_or(0, |sample| sample.value.mantissa_at(3).unwrap())
    };
    let expected: Vec<_> = edges[1..].windows(2).map(|pair| Some(last(&pair[1]) - last(&pair[0]))).collect();
    assert_eq!(thousandths(&between(&household, &edges)[1..]), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_division_into_periods_has_the_same_sum_which_is_that_of_the_registers(
        steps in prop::collection::vec(
            (prop_oneof![Just(900i64), Just(3600), Just(60), 1i64..4000, Just(86_400)], -90i64..90, 0i64..500),
            2..60,
        ),
        swap in prop::option::of(0usize..60),
        cuts in prop::collection::vec(0i64..3000, 0..30),
        cut: usize,
        pruned: bool,
        untimed: bool,
        often in prop::option::of(5usize..60),
    ) {
        let start = at("2026-10-24T20:00:00Z");
        let (mut time, mut number) = (start, 1_000_000);
        let mut samples = vec![sample(time, number)];
        // Some meters are read often for a while.
        let steps = steps.into_iter().enumerate().flat_map(|(n, step)| {
            let often = often.filter(|often| n % often == 4).map_or(0, |often| 2 * often);
            std::iter::once((n, step)).chain((0..often).map(move |_| (usize::MAX, (step.0.min(75), step.1, step.2))))
        });
        for (n, (seconds, jitter, rise)) in steps {
            time += seconds * SECOND;
            number = if swap == Some(n) { 40 } else { number + rise.min(seconds * 100) };
            let read = time + jitter * SECOND;
            if samples.last().is_some_and(|last| last.time < read) {
                samples.push(sample(read, number));
            }
        }
        let mut household = Household::new();
        let (old, new) = samples.split_at(cut % (samples.len() + 1));
        household.store(&energy(), "1.8.0", old, &[]);
        if pruned {
            household.database.connection.execute("DELETE FROM raw", []).unwrap();
        }
        if untimed {
            // Of the newest quarter there are single readings when a program goes on with an old database.
            let sql = "UPDATE quarter SET first_at = NULL, last_at = NULL WHERE ts < (SELECT max(ts) FROM quarter)";
            household.database.connection.execute(sql, []).unwrap();
        }
        household.record(&energy(), "1.8.0", new, &[]);

        let end = samples.last().map_or(start, |last| last.time);
        let count = (end - start) / QUARTER;
        let whole = edges(start, QUARTER, count.max(1));
        let mut some: Vec<_> =
            cuts.iter().map(|cut| start + cut % count.max(1) * QUARTER).chain([whole[0], whole[whole.len() - 1]]).collect();
        some.sort_unstable();
        some.dedup();
        let sum = |amounts: &[Amount]| {
            let parts = amounts.iter().filter_map(|of| of.exact);
            parts.fold(Decimal::from(0), |sum, part| sum.checked_add(part).unwrap())
        };
        let all = between(&household, &whole);
        prop_assert!(all.iter().all(|of| of.amount.is_none_or(|amount| amount >= 0.0)), "{:?}", all);
        for pair in some.windows(2) {
            let part = between(&household, pair);
            let within = &all[((pair[0] - start) / QUARTER) as usize..((pair[1] - start) / QUARTER) as usize];
            prop_assert_eq!(sum(&part).to_f64(), sum(within).to_f64());
            let registers =
                household.ask(|view| view.find("d0", "E", None).unwrap().registered(pair[0], pair[1]).unwrap());
            if let Some(amount) = registers.amount {
                prop_assert_eq!(amount.to_f64(), sum(&part).to_f64());
            }
            // A rise that no connection carries is another meter, too.
            let is_one_meter = swap.is_none() && registers.swaps.is_empty();
            if let (Some(begin), Some(end), true) = (registers.begin.value, registers.end.value, is_one_meter) {
                prop_assert_eq!(registers.amount.map(Decimal::to_f64), end.checked_sub(begin).map(Decimal::to_f64));
            }
        }
        prop_assert_eq!(sum(&between(&household, &some)).to_f64(), sum(&all).to_f64());
    }
}

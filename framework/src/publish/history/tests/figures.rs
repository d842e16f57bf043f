//! Figures of hours are those of `/history`.

use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use tariff::{Number, decimal, number};

use super::super::{
    Figure, Figures, HOUR, Hour, HourSeries,
    figures::Walk,
    series::{complete, selected},
};
use crate::{
    Config, Decimal, Labels, Route, Stats, Store, Tariffs,
    costs::costs,
    journal::{
        CounterSet, Journal, Per, SECOND, Sample, Step,
        testing::{Household, at, named, sample},
    },
    labels::Label,
    store::Section,
};

const MINUTE: i64 = 60 * SECOND;

fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

/// Tariffs with another price from day to night, and another one from the third day on.
fn tariffs() -> Arc<Tariffs> {
    let text = "[sources.grid]\nplugin = \"greedy\"\n\
                [[tariffs]]\nsource = \"grid\"\nfrom = \"2026-03-28\"\ncurrency = \"EUR\"\n\
                work_price = 0.25\nwindows = [{ price = 0.32, hours = \"06:00-22:00\" }]\nfeed_in_price = 0.08\n\
                [[tariffs]]\nsource = \"grid\"\nfrom = \"2026-03-30\"\ncurrency = \"EUR\"\nwork_price = 0.31\nfeed_in_price = 0.07\n";
    Config::parse("config.toml", text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}")).tariffs
}

fn store() -> Arc<Store> {
    let label = |label: &str| Label { label: Some(label.into()), role: None };
    let labels = Labels::new(label("House"), [("IMPORT", label("From the grid"))]);
    let section = Section::new("grid", "test", std::time::Duration::from_secs(60), Stats::default());
    Store::new([section.labelled(labels)])
}

/// Name, unit and OBIS code of a series, with its readings and the commands that set it.
type Recorded<'a> = (&'a str, &'a str, &'a str, Vec<Sample>, Vec<CounterSet>);

/// A journal whose first readings are in the database, and the others in the log.
fn journal(folder: &tempfile::TempDir, series: &[Recorded<'_>], stored: usize) -> Journal {
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    for (name, unit, obis, samples, sets) in series {
        let name = named("grid", name, unit);
        let (old, new) = samples.split_at(stored.min(samples.len()));
        let until = old.last().map_or(i64::MIN, |last| last.time);
        let (old_sets, new_sets) = sets.iter().cloned().partition::<Vec<_>, _>(|set| set.time <= until);
        household.store(&name, obis, old, &old_sets);
        household.record(&name, obis, new, &new_sets);
    }
    household.open_in(&path, zone())
}

/// Returns all hours of a range of a series.
fn hours(journal: &Journal, tariffs: &Tariffs, series: &HourSeries, from: i64, to: i64) -> Vec<Hour> {
    let mut walk = Walk::new(series.clone(), from..to, None);
    let mut all = Vec::new();
    loop {
        let next = journal.read(|view| walk.next(view, tariffs)).unwrap();
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

/// Returns the same as `/history` tells: `per=hour`, with `cost=true`, and `step=1h`.
fn told(journal: &Journal, tariffs: &Tariffs, series: &HourSeries) -> Vec<Hour> {
    let (from, to) = (series.complete.start * SECOND, series.complete.end * SECOND);
    let asked = journal.read(|view| {
        let found = view.find(&series.source, &series.name, Some(&series.unit))?;
        let mut spans = Vec::new();
        found.history(from, to, Step::named("1h"))?.spans(|(start, rollup)| {
            spans.extend(rollup.map(|rollup| (*start, rollup)));
            true
        })?;
        if series.figure == Figure::Measured {
            let measured = |(start, of): (i64, crate::journal::Rollup)| Hour {
                start,
                figures: Figures::Measured { mean: of.mean, min: of.min, max: of.max },
            };
            return Ok(spans.into_iter().map(measured).collect());
        }
        let amounts = found.consumption(from, to, Per::Hour)?;
        let costs = costs(view, tariffs, &found, &amounts)?;
        let (mut sum, mut hours) = (Number::ZERO, Vec::new());
        for (amount, cost) in amounts.iter().zip(costs) {
            let is_cost = series.figure != Figure::Counted;
            let counted = if is_cost { cost.cost } else { amount.exact.map(number) };
            let Some(counted) = counted else { continue };
            sum += counted;
            let last = spans.iter().find(|(start, _)| *start == amount.start).map(|(_, of)| of.last);
            let figures = Figures::Counted {
                amount: decimal(counted, 9).unwrap(),
                sum: decimal(sum, 9).unwrap(),
                state: last.filter(|_| !is_cost).and_then(Decimal::from_f64),
            };
            hours.push(Hour { start: amount.start, figures });
        }
        Ok(hours)
    });
    asked.unwrap()
}

/// Step of a counter: minutes since the last reading, thousandths, and what else happens.
#[derive(Debug, Clone)]
enum Event {
    Counts(i64, i64),
    /// Another meter, whose number is lower.
    Swapped(i64, i64),
    /// A command sets the count.
    Set(i64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Event>> {
    // Most readings are close to each other; some come after an outage of up to two days.
    let minutes = prop_oneof![8 => 1..50_i64, 3 => 50..200_i64, 1 => 600..2_900_i64];
    let step = (minutes, 0..900_i64, 0..30_u8).prop_map(|(minutes, thousandths, what)| match what {
        0 => Event::Swapped(minutes, thousandths),
        1 => Event::Set(minutes, thousandths * 1000),
        _ => Event::Counts(minutes, thousandths),
    });
    prop::collection::vec(step, 2..100)
}

fn readings(steps: &[Event], start: i64, name: &str) -> (Vec<Sample>, Vec<CounterSet>) {
    let (mut time, mut count) = (start, 70_000_000);
    let (mut samples, mut sets) = (vec![sample(time, count)], Vec::new());
    for step in steps {
        match *step {
            Event::Counts(minutes, by) => (time, count) = (time + minutes * MINUTE, count + by),
            Event::Swapped(minutes, to) => (time, count) = (time + minutes * MINUTE, to),
            Event::Set(minutes, to) => {
                let [before, after] = [count, to].map(|count| Decimal::new(count, 3).unwrap());
                let series = named("grid", name, "kWh");
                sets.push(CounterSet { series, time: time + minutes * MINUTE / 2, before, after });
                (time, count) = (time + minutes * MINUTE, to);
            }
        }
        samples.push(sample(time, count));
    }
    (samples, sets)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Over resets, swaps, `set_s0`, gaps, a change of the clocks, of the price, and of the tariff, wherever the
    /// checkpoint was, and wherever one begins to read.
    #[test]
    fn the_hours_that_are_published_are_those_of_history(
        import in steps(), export in steps(), offset in 0..3_600_i64, stored in 0..100_usize, pick in 0..10_000_i64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let start = at("2026-03-27T17:00:00Z") + offset * SECOND;
        let (import, import_sets) = readings(&import, start, "IMPORT");
        let (export, export_sets) = readings(&export, start, "EXPORT");
        let power = import.iter().map(|read| sample(read.time, (read.value.to_f64() * 7.0) as i64 % 4_000_000));
        let power = power.collect();
        let journal = journal(&folder, &[
            ("IMPORT", "kWh", "1.8.0", import, import_sets),
            ("EXPORT", "kWh", "2.8.0", export, export_sets),
            ("POWER", "W", "16.7.0", power, Vec::new()),
        ], stored);
        let (tariffs, store) = (tariffs(), store());
        let all = journal.read(|view| selected(view, &tariffs, &store, &Route::default())).unwrap();
        for series in &all {
            let (from, to) = (series.complete.start, series.complete.end);
            let read = hours(&journal, &tariffs, series, from, to);
            prop_assert_eq!(&read, &told(&journal, &tariffs, series), "{:?}", series);
            // A part of them is the same, with the same sums.
            let middle = from + pick % ((to - from) / HOUR) * HOUR;
            let part = hours(&journal, &tariffs, series, middle, to);
            let expected: Vec<_> = read.iter().filter(|hour| hour.start >= middle).copied().collect();
            prop_assert_eq!(&part, &expected, "from {} on, {:?}", middle, series);
            // So is what comes after it, if the walk before is known.
            let mut walk = Walk::new(series.clone(), from..middle, None);
            while !journal.read(|view| walk.next(view, &tariffs)).unwrap().is_empty() {}
            let mut walk = Walk::new(series.clone(), middle..to, walk.counted_to());
            let mut part = Vec::new();
            while let Ok(next) = journal.read(|view| walk.next(view, &tariffs)) && !next.is_empty() {
                part.extend(next);
            }
            prop_assert_eq!(&part, &expected, "on from {}, {:?}", middle, series);
        }
    }
}

/// Quarter-hours of three days.
fn three_days(count: impl Fn(i64) -> i64) -> Vec<Sample> {
    let start = at("2026-03-27T00:10:00Z");
    (0..=3 * 96).map(|n| sample(start + n * 15 * MINUTE, count(n))).collect()
}

#[test]
fn counters_gauges_and_costs_are_published_and_no_states_angles_or_values_of_the_past() {
    let folder = tempfile::tempdir().unwrap();
    let rising = || three_days(|n| n * 250);
    let journal = journal(
        &folder,
        &[
            ("IMPORT", "kWh", "1.8.0", rising(), vec![]),
            ("IMPORT_T1", "kWh", "1.8.1", rising(), vec![]),
            ("EXPORT", "kWh", "2.8.0", rising(), vec![]),
            ("POWER", "W", "16.7.0", rising(), vec![]),
            ("ANGLE", "°", "81.7.4", rising(), vec![]),
            ("LAST_MONTH", "kWh", "1.8.0*01", rising(), vec![]),
            ("STATUS", "", "96.5.5", rising(), vec![]),
            ("L1", "kWh", "21.8.0", rising(), vec![]),
        ],
        200,
    );
    let (tariffs, store) = (tariffs(), store());
    let listed = |route: &Route, tariffs: &Tariffs| {
        let all = journal.read(|view| selected(view, tariffs, &store, route)).unwrap();
        all.into_iter().map(|series| (series.name.to_string(), series.figure)).collect::<Vec<_>>()
    };
    let cost = || Figure::Cost { currency: "EUR".into() };
    let expected = [
        ("EXPORT".to_owned(), Figure::Counted),
        ("EXPORT".to_owned(), cost()),
        ("IMPORT".to_owned(), Figure::Counted),
        ("IMPORT".to_owned(), cost()),
        ("IMPORT_T1".to_owned(), Figure::Counted),
        ("L1".to_owned(), Figure::Counted),
        ("POWER".to_owned(), Figure::Measured),
    ];
    assert_eq!(listed(&Route::default(), &tariffs), expected);
    let without = listed(&Route::default(), &Tariffs::default());
    assert!(without.iter().all(|(_, figure)| *figure != cost()), "no cost without tariffs: {without:?}");
    let route = Route { series: vec![wildmatch::WildMatch::new("IMPORT")], ..Route::default() };
    assert_eq!(
        listed(&route, &tariffs),
        expected[2..4],
        "`series` selects, and the cost goes with its counter"
    );
    let route = Route { sources: vec![wildmatch::WildMatch::new("gas*")], ..Route::default() };
    assert_eq!(listed(&route, &tariffs), []);
    let all = journal.read(|view| selected(view, &tariffs, &store, &Route::default())).unwrap();
    let label = |name: &str| all.iter().find(|series| series.name == name).unwrap().label.clone();
    assert_eq!((label("IMPORT").as_deref(), label("EXPORT")), (Some("From the grid"), None));
    assert!(all.iter().all(|series| series.source_label.as_deref() == Some("House")));
}

#[test]
fn an_hour_is_complete_when_a_reading_has_come_after_its_end() {
    let hour = |text: &str| at(text) / SECOND;
    for (first, last, complete_to) in [
        ("2026-03-27T05:30:00Z", "2026-03-27T07:00:00Z", "2026-03-27T06:00:00Z"),
        ("2026-03-27T05:30:00Z", "2026-03-27T07:00:01Z", "2026-03-27T07:00:00Z"),
        ("2026-03-27T05:00:00Z", "2026-03-27T05:59:59Z", "2026-03-27T05:00:00Z"),
    ] {
        let expected = hour("2026-03-27T05:00:00Z")..hour(complete_to);
        assert_eq!(complete(at(first), at(last)), expected, "{last}");
    }
}

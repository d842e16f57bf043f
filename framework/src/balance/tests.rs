//! Balances against sums over the raw numbers.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use jiff::tz::TimeZone;

use super::*;
use crate::{
    Stats, Text,
    journal::{
        Journal, Micros, Per, Sample, quarter_hours,
        testing::{Household, at, named, sample},
    },
    store::Section,
};

const MINUTE: Micros = 60 * SECOND;
const HOUR: Micros = 60 * MINUTE;
const STEP: Micros = 5 * MINUTE;

/// Central Europe's rule.
fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
}

/// Energies in Wh that were counted in the five minutes until a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Truth {
    time: Micros,
    load: i64,
    drawn: i64,
    fed: i64,
    produced: i64,
    charged: i64,
    discharged: i64,
    heat: i64,
    car: i64,
}

/// A household of which each meter is read every five minutes.
struct House {
    truth: Vec<Truth>,
}

impl House {
    fn new(from: &str, hours: i64) -> Self {
        let begin = at(from) + 10 * SECOND;
        let (mut truth, mut stored) = (Vec::new(), 0);
        for i in 0..hours * 12 {
            // Numbers that follow no pattern of the clock.
            let noise = |of: i64, most: i64| (i * 7919 + of * 104_729).rem_euclid(9973) % most;
            let hour = (i / 12 + 2) % 24;
            let sun = if (7..18).contains(&hour) { 40 * (6 - (hour - 12).abs()) + noise(1, 60) } else { 0 };
            let heat = if noise(2, 5) == 0 { 150 } else { 0 };
            let car = if hour == 19 { 300 } else { 0 };
            let load = 20 + noise(3, 90) + heat + car;
            let charged = (sun - load).clamp(0, 60).min(2000 - stored);
            let discharged = (load - sun).clamp(0, 50).min(stored);
            stored += charged - discharged;
            let net = load + charged - sun - discharged;
            let (drawn, fed) = (net.max(0), (-net).max(0));
            truth.push(Truth {
                time: begin + i * STEP,
                load,
                drawn,
                fed,
                produced: sun,
                charged,
                discharged,
                heat,
                car,
            });
        }
        Self { truth }
    }

    /// Returns the readings of a counter from `first` on.
    fn counter(&self, first: i64, of: fn(&Truth) -> i64) -> Vec<Sample> {
        let mut number = first;
        let reads = self.truth.iter().map(|truth| {
            number += of(truth);
            sample(truth.time, number)
        });
        reads.collect()
    }

    /// Returns the sum over the readings between two moments, in kWh. A reading ten seconds after a moment stands for it,
    /// and the first reading begins.
    fn sum(&self, from: i64, to: i64, of: fn(&Truth) -> i64) -> f64 {
        let (first, soon) = (self.truth[0].time, 10 * SECOND);
        let range = from * SECOND + soon..=to * SECOND + soon;
        let within =
            |truth: &&Truth| truth.time > first && truth.time > *range.start() && range.contains(&truth.time);
        self.truth.iter().filter(within).map(of).sum::<i64>() as f64 / 1000.0
    }
}

type Series = (&'static str, &'static str, &'static str, Vec<Sample>);

fn all(house: &House) -> Vec<Series> {
    vec![
        ("grid", "IMPORT", "1.8.0", house.counter(5_000_000, |of| of.drawn)),
        ("grid", "EXPORT", "2.8.0", house.counter(7_000, |of| of.fed)),
        ("roof", "ENERGY", "2.8.0", house.counter(0, |of| of.produced)),
        ("battery", "CHARGED", "", house.counter(40, |of| of.charged)),
        ("battery", "DISCHARGED", "", house.counter(20, |of| of.discharged)),
        ("heat", "E", "", house.counter(999_000, |of| of.heat)),
        ("car", "E", "", house.counter(0, |of| of.car)),
    ]
}

fn sections(roles: &[(&str, SourceRole)]) -> Vec<Arc<Section>> {
    let section = |(name, role): &(&str, SourceRole)| {
        let section = Section::new(*name, "test", Duration::from_secs(60), Stats::default());
        Arc::new(
            section.labelled(crate::Labels::of_source(Some(Text::from(format!("The {name}"))), Some(*role))),
        )
    };
    roles.iter().map(section).collect()
}

const ROLES: [(&str, SourceRole); 5] = [
    ("grid", SourceRole::Grid),
    ("roof", SourceRole::Production),
    ("battery", SourceRole::Storage),
    ("heat", SourceRole::Consumer),
    ("car", SourceRole::Submeter),
];

/// A journal in a folder, with part of the readings in the database and the others in the log.
struct Kept {
    journal: Journal,
    _folder: tempfile::TempDir,
}

fn kept(series: &[Series], stored: f64) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    for (section, name, code, samples) in series {
        let name = named(section, name, "kWh");
        let (old, new) = samples.split_at((samples.len() as f64 * stored) as usize);
        if !old.is_empty() {
            household.store(&name, code, old, &[]);
        }
        household.record(&name, code, new, &[]);
    }
    Kept { journal: household.open(&path), _folder: folder }
}

impl Kept {
    fn balance(&self, roles: &[(&str, SourceRole)], edges: &[i64]) -> Balance {
        let sections = sections(roles);
        let ask = |view: &View<'_>| balance(view, &parts(&sections, &view.series()?), edges);
        self.journal.read(ask).unwrap()
    }
}

#[track_caller]
fn same(found: Option<f64>, expected: f64, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what} is unknown"));
    assert!((found - expected).abs() < 1e-6, "{what}: {found}, expected {expected}");
}

/// Compares all rows that are neither partial nor empty with sums over the raw numbers.
fn compare(house: &House, rows: &[Row]) -> usize {
    let mut whole = 0;
    for row in rows.iter().filter(|row| !row.partial) {
        whole += 1;
        assert!(!row.gap);
        let sum = |of: fn(&Truth) -> i64| house.sum(row.start, row.end, of);
        same(row.consumption, sum(|of| of.load), "consumption");
        same(row.drawn, sum(|of| of.drawn), "drawn");
        same(row.fed, sum(|of| of.fed), "fed");
        same(row.produced, sum(|of| of.produced), "produced");
        same(row.charged, sum(|of| of.charged), "charged");
        same(row.discharged, sum(|of| of.discharged), "discharged");
        same(row.self_used, sum(|of| of.produced - of.fed).max(0.0), "self-used");
        same(row.consumers[0], sum(|of| of.heat), "heat");
        same(row.consumers[1], sum(|of| of.car), "car");
        same(row.other, sum(|of| of.load - of.heat), "other");
        let independent = 1.0 - sum(|of| of.drawn) / sum(|of| of.load);
        same(row.self_sufficiency(), independent.max(0.0), "self-sufficiency");
        match sum(|of| of.produced) {
            0.0 => assert_eq!(row.self_consumption(), None),
            made => same(row.self_consumption(), (made - sum(|of| of.fed)) / made, "self-consumption"),
        }
    }
    whole
}

#[test]
fn each_row_is_the_sum_of_the_raw_numbers_also_on_days_of_23_and_25_hours() {
    for (from, hours) in [("2026-03-27T23:00:00Z", 71), ("2026-10-23T22:00:00Z", 73)] {
        let house = House::new(from, hours);
        let (from, to) = (at(from), at(from) + hours * HOUR);
        for stored in [0.0, 0.4, 1.0] {
            let kept = kept(&all(&house), stored);
            let days = kept.balance(&ROLES, &Per::Day.edges(from, to, &zone()).unwrap()).rows;
            let lengths: Vec<_> = days.iter().map(|row| (row.end - row.start) / 3600).collect();
            assert_eq!(lengths, [24, hours - 48, 24]);
            assert_eq!(
                compare(&house, &days),
                1,
                "the first begins with the readings, the last ends with them"
            );
            assert!(days[0].partial && days[2].partial && days[2].consumption.is_some());
            let rows = kept.balance(&ROLES, &Per::Hour.edges(from, to, &zone()).unwrap()).rows;
            assert!(compare(&house, &rows) as i64 >= hours - 2);
            let rows = kept.balance(&ROLES, &quarter_hours(from, to, &zone()).unwrap()).rows;
            assert!(compare(&house, &rows) as i64 >= hours * 4 - 2);
        }
    }
}

#[test]
fn quarter_hours_and_hours_add_up_to_the_day_also_where_a_battery_feeds_in_at_night() {
    let mut house = House::new("2026-05-01T00:00:00Z", 49);
    for of in &mut house.truth {
        // For an hour of the night the battery feeds in what it took from the roof.
        if of.time / HOUR % 24 == 1 {
            (of.fed, of.drawn, of.discharged) = (40, 0, of.load + 40 - of.produced);
        }
    }
    let mut series = all(&house);
    // The roof is read a little later than the others: a consumption may be a little below 0.
    series[2].3.iter_mut().for_each(|read| read.time += 4 * MINUTE);
    let kept = kept(&series, 0.6);
    let from = at("2026-05-01T00:00:00Z") + 2 * HOUR;
    let to = from + 46 * HOUR;
    let day = &kept.balance(&ROLES, &[from / SECOND, to / SECOND]).rows[0];
    let edges = [
        quarter_hours(from, to, &TimeZone::UTC).unwrap(),
        Per::Hour.edges(from, to, &TimeZone::UTC).unwrap(),
    ];
    for edges in edges {
        let rows = kept.balance(&ROLES, &edges).rows;
        assert!(rows.iter().any(|row| row.self_used.unwrap() < -0.1), "fed in at night");
        let sum = |of: fn(&Row) -> Option<f64>| rows.iter().map(|row| of(row).unwrap()).sum::<f64>();
        for (of, what) in [
            ((|row| row.self_used) as fn(&Row) -> Option<f64>, "self-used"),
            (|row| row.consumption, "consumption"),
            (|row| row.other, "other"),
        ] {
            same(of(day), sum(of), what);
        }
    }
}

#[test]
fn a_meter_that_is_swapped_changes_no_sum() {
    let house = House::new("2026-05-01T00:00:00Z", 48);
    let mut series = all(&house);
    // Both registers of the grid's meter begin again at noon; what was counted meanwhile is lost with the old meter.
    for (_, _, _, samples) in &mut series[..2] {
        let old = samples[144].value.mantissa();
        for read in &mut samples[144..] {
            *read = sample(read.time, read.value.mantissa() - old);
        }
    }
    let mut house = house;
    (house.truth[144].drawn, house.truth[144].fed) = (0, 0);
    let kept = kept(&series, 0.7);
    let from = at("2026-05-01T00:00:00Z");
    let rows = kept.balance(&ROLES, &Per::Hour.edges(from, from + 48 * HOUR, &TimeZone::UTC).unwrap()).rows;
    let row = &rows[11];
    same(row.drawn, house.sum(row.start, row.end, |of| of.drawn), "drawn");
    same(row.fed, house.sum(row.start, row.end, |of| of.fed), "fed");
    let others: Vec<_> =
        rows.into_iter().enumerate().filter(|(at, _)| *at != 11).map(|(_, row)| row).collect();
    assert_eq!(compare(&house, &others), 45);
}

#[test]
fn a_gap_of_one_source_is_a_gap_of_the_balance() {
    let house = House::new("2026-05-01T00:00:00Z", 48);
    let mut series = all(&house);
    let (from, begin) = (at("2026-05-01T00:00:00Z"), at("2026-05-01T10:00:00Z"));
    series[2].3.retain(|read| !(begin..begin + 4 * HOUR).contains(&read.time));
    let kept = kept(&series, 0.9);
    let rows = kept.balance(&ROLES, &Per::Hour.edges(from, from + 48 * HOUR, &TimeZone::UTC).unwrap()).rows;
    let gaps: Vec<_> = (0..48).filter(|hour| rows[*hour].gap).collect();
    assert_eq!(gaps, [10, 11, 12, 13]);
    // What was counted in the gap is in the day.
    let days = kept.balance(&ROLES, &Per::Day.edges(from, from + 48 * HOUR, &TimeZone::UTC).unwrap()).rows;
    same(days[0].produced, house.sum(days[0].start, days[0].end, |of| of.produced), "produced");
}

#[test]
fn a_source_that_is_read_an_hour_late_ends_the_row_with_it_instead_of_making_it_wrong() {
    let house = House::new("2026-05-01T00:00:00Z", 37);
    let mut series = all(&house);
    // The roof has been read until noon, the others until one.
    let (from, noon) = (at("2026-05-01T00:00:00Z"), at("2026-05-02T12:00:00Z"));
    series[2].3.retain(|read| read.time < noon);
    let kept = kept(&series, 0.9);
    let edges = Per::Day.edges(from, from + 48 * HOUR, &TimeZone::UTC).unwrap();
    let found = kept.balance(&ROLES, &edges);
    // Its last whole quarter of an hour.
    let until = noon / SECOND - 900;
    assert_eq!((found.until, found.reason), (Some(until), None));
    let today = &found.rows[1];
    assert!(today.partial);
    same(today.consumption, house.sum(today.start, until, |of| of.load), "consumption until then");
    same(today.drawn, house.sum(today.start, until, |of| of.drawn), "drawn until then");
    let hours = kept.balance(&ROLES, &Per::Hour.edges(from, from + 37 * HOUR, &TimeZone::UTC).unwrap()).rows;
    assert_eq!((hours[36].consumption, hours[36].drawn, hours[36].partial), (None, None, true));
    assert!(hours[35].consumption.is_some() && hours[35].partial && !hours[34].partial);
}

#[test]
fn what_was_fed_in_without_a_source_leaves_the_consumption_unknown() {
    let house = House::new("2026-05-01T00:00:00Z", 48);
    let kept = kept(&all(&house), 1.0);
    let from = at("2026-05-01T00:00:00Z");
    let edges = Per::Day.edges(from, from + 48 * HOUR, &TimeZone::UTC).unwrap();
    let found = kept.balance(&[("grid", SourceRole::Grid)], &edges);
    assert_eq!(found.reason, Some(Reason::NoProduction));
    let day = &found.rows[0];
    assert_eq!((day.consumption, day.self_used, day.self_sufficiency(), day.gap), (None, None, None, true));
    assert!(day.drawn.is_some() && day.fed.is_some());
    // At night nothing is fed in.
    let hours = kept.balance(
        &[("grid", SourceRole::Grid)],
        &Per::Hour.edges(from, from + 3 * HOUR, &TimeZone::UTC).unwrap(),
    );
    same(
        hours.rows[1].consumption,
        house.sum(hours.rows[1].start, hours.rows[1].end, |of| of.drawn),
        "at night",
    );
}

#[test]
fn a_source_takes_part_from_its_first_reading_on_and_is_not_compared_with_what_was_before() {
    let house = House::new("2026-05-01T00:00:00Z", 72);
    let mut series = all(&house);
    let (from, begin) = (at("2026-05-01T00:00:00Z"), at("2026-05-02T12:00:00Z"));
    for (source, _, _, samples) in &mut series {
        if *source != "grid" {
            samples.retain(|read| read.time >= begin);
        }
    }
    let kept = kept(&series, 1.0);
    let edges = Per::Day.edges(from, from + 72 * HOUR, &TimeZone::UTC).unwrap();
    let rows = kept.balance(&ROLES, &edges).rows;
    // Before, it fed in what nobody counted.
    assert_eq!((rows[0].consumption, rows[1].consumption), (None, None));
    assert!(rows[0].gap && rows[1].gap && rows[1].partial);
    assert_eq!(rows[0].consumers, [None, None]);
    let hours = kept.balance(&ROLES, &Per::Hour.edges(begin, from + 72 * HOUR, &TimeZone::UTC).unwrap()).rows;
    assert_eq!(compare(&house, &hours), 34);
}

#[test]
fn a_household_without_production_consumes_what_it_draws() {
    let house = House::new("2026-05-01T00:00:00Z", 24);
    let series: Vec<Series> = vec![("meter", "E", "1.8.0", house.counter(1, |of| of.load))];
    let kept = kept(&series, 0.5);
    let from = at("2026-05-01T00:00:00Z");
    let edges = Per::Hour.edges(from, from + 23 * HOUR, &TimeZone::UTC).unwrap();
    // Without a role: the only meter of electricity is that of the grid.
    let section = Section::new("meter", "test", Duration::from_secs(60), Stats::default());
    let ask = |view: &View<'_>| balance(view, &parts(&[Arc::new(section)], &view.series()?), &edges);
    let rows = kept.journal.read(ask).unwrap().rows;
    same(rows[5].consumption, house.sum(rows[5].start, rows[5].end, |of| of.load), "consumption");
    assert_eq!((rows[5].self_sufficiency(), rows[5].self_consumption()), (Some(0.0), None));
    let none = kept.balance(&[("meter", SourceRole::Consumer)], &edges);
    assert_eq!((none.reason, none.rows[5].consumption), (Some(Reason::NoGrid), None));
}

#[test]
fn tariffs_are_added_up_where_there_is_no_total_and_units_are_converted() {
    let house = House::new("2026-05-01T00:00:00Z", 24);
    let day = |of: &Truth| if of.time / HOUR % 24 < 12 { of.load } else { 0 };
    let night = |of: &Truth| if of.time / HOUR % 24 < 12 { 0 } else { of.load };
    let series: Vec<Series> = vec![
        ("meter", "T1", "1.8.1", house.counter(1, day)),
        ("meter", "T2", "1.8.2", house.counter(1, night)),
    ];
    let kept = kept(&series, 0.5);
    let from = at("2026-05-01T00:00:00Z");
    let edges = Per::Hour.edges(from, from + 23 * HOUR, &TimeZone::UTC).unwrap();
    let rows = kept.balance(&[("meter", SourceRole::Grid)], &edges).rows;
    for row in &rows[1..] {
        same(row.consumption, house.sum(row.start, row.end, |of| of.load), "consumption");
    }
}

#[test]
fn thirty_consumers_are_told_apart_and_add_up() {
    let house = House::new("2026-05-01T00:00:00Z", 30);
    let names: Vec<&'static str> = (0..29).map(|n| &*Box::leak(format!("c{n}").into_boxed_str())).collect();
    let mut series: Vec<Series> = vec![("grid", "E", "1.8.0", house.counter(1, |of| of.load * 30))];
    series.extend(names.iter().map(|name| (*name, "E", "", house.counter(7, |of| of.load))));
    let kept = kept(&series, 0.5);
    let mut roles = vec![("grid", SourceRole::Grid)];
    roles.extend(names.iter().map(|name| (*name, SourceRole::Consumer)));
    let from = at("2026-05-01T00:00:00Z");
    let rows = kept.balance(&roles, &Per::Day.edges(from, from + 48 * HOUR, &TimeZone::UTC).unwrap()).rows;
    let load = house.sum(rows[0].start, rows[0].end, |of| of.load);
    assert_eq!(rows[0].consumers.len(), 29);
    rows[0].consumers.iter().for_each(|amount| same(*amount, load, "a consumer"));
    same(rows[0].other, load, "other");
}

#[test]
fn the_shares_of_today_are_those_of_the_balance() {
    let house = House::new("2026-05-01T00:00:00Z", 40);
    let kept = kept(&all(&house), 0.8);
    let store = crate::Store::new(sections(&ROLES));
    let names = ROLES.map(|(name, role)| (Text::from(name), role));
    let context = crate::Context::new("balance", "")
        .with_sources(names.iter().map(|(name, _)| name.clone()).collect())
        .with_roles(names.into());
    let cx = crate::SourceContext::new(context, Duration::from_secs(60));
    let household = super::Household::new(&cx).unwrap();
    let own = Arc::new(Section::new("balance", "test", Duration::from_secs(60), Stats::default()));
    crate::inputs::connect([(&cx, &own)], &store);
    cx.record_in(kept.journal.clone());
    let (midnight, now) = (at("2026-05-02T00:00:00Z") / SECOND, at("2026-05-02T16:00:00Z") / SECOND);
    let shares = household.shares(crate::Timestamp::from_second(now).unwrap()).unwrap();
    let sum = |of: fn(&Truth) -> i64| house.sum(midnight, now, of);
    let (made, fed) = (sum(|of| of.produced), sum(|of| of.fed));
    same(shares.self_consumption, (made - fed) / made, "self-consumption");
    same(shares.self_sufficiency, 1.0 - sum(|of| of.drawn) / sum(|of| of.load), "self-sufficiency");
}

#[test]
fn production_before_the_first_reading_of_an_inverter_is_not_known_and_the_shares_of_that_period_neither() {
    let house = House::new("2026-05-01T00:00:00Z", 72);
    let (from, begin) = (at("2026-05-01T00:00:00Z"), at("2026-05-02T12:00:00Z"));
    // Nothing is fed in before noon of the second day, as there is no roof yet; or as all of it is used.
    let house = House {
        truth: house
            .truth
            .into_iter()
            .map(|of| if of.time < begin { Truth { fed: 0, drawn: of.load, produced: 0, ..of } } else { of })
            .collect(),
    };
    let roles = [("grid", SourceRole::Grid), ("roof", SourceRole::Production)];
    let mut series: Vec<Series> =
        all(&house).into_iter().filter(|(source, ..)| ["grid", "roof"].contains(source)).collect();
    series[2].3.retain(|read| read.time >= begin);
    let edges = Per::Day.edges(from, from + 72 * HOUR, &TimeZone::UTC).unwrap();
    let found = kept(&series, 1.0).balance(&roles, &edges);
    assert_eq!((found.reason, found.since), (Some(Reason::ProductionBegins), Some(begin / SECOND)));
    for row in &found.rows[..2] {
        assert_eq!((row.produced, row.self_used), (None, None));
        assert_eq!((row.self_sufficiency(), row.self_consumption()), (None, None));
        assert!(row.drawn.is_some());
    }
    // The meter counts what is fed in, and that was nothing: the household consumed what it drew.
    same(found.rows[0].consumption, house.sum(edges[0], edges[1], |of| of.drawn), "consumption");
    assert!(found.rows[2].self_sufficiency().is_some() && found.rows[2].produced.is_some());
    // Without a register of what is fed in, nobody knows.
    series.remove(1);
    let found = kept(&series, 1.0).balance(&roles, &edges);
    assert_eq!((found.rows[0].consumption, found.rows[0].gap), (None, true));
    // From the first reading on, nothing is unsure.
    let found = kept(&series, 1.0).balance(&roles, &edges[2..]);
    assert_eq!((found.reason, found.since), (None, None));
}

#[test]
fn a_meter_that_counts_only_the_difference_tells_the_consumption_and_why_it_tells_no_more() {
    let house = House::new("2026-05-01T00:00:00Z", 48);
    let mut series = all(&house);
    series.retain(|(source, ..)| *source != "grid");
    let mut net = 100_000;
    let reads = house.truth.iter().map(|of| {
        net += of.drawn - of.fed;
        sample(of.time, net)
    });
    series.push(("grid", "NET", "16.8.0", reads.collect()));
    let from = at("2026-05-01T00:00:00Z");
    let found =
        kept(&series, 0.6).balance(&ROLES, &Per::Hour.edges(from, from + 48 * HOUR, &TimeZone::UTC).unwrap());
    assert_eq!(found.reason, Some(Reason::NetOnly));
    for row in &found.rows[1..47] {
        same(row.consumption, house.sum(row.start, row.end, |of| of.load), "consumption");
        assert_eq!((row.drawn, row.fed, row.self_used, row.self_sufficiency()), (None, None, None, None));
        same(row.produced, house.sum(row.start, row.end, |of| of.produced), "produced");
    }
}

/// Returns the household of sources that connect with this store.
fn household(store: &Arc<crate::Store>, roles: &[(&str, SourceRole)]) -> super::Household {
    let names = store.sections().iter().map(|section| section.name.clone()).collect();
    let roles = roles.iter().map(|(name, role)| (Text::from(*name), *role)).collect();
    let context = crate::Context::new("balance", "").with_sources(names).with_roles(roles);
    let cx = crate::SourceContext::new(context, Duration::from_secs(60));
    let household = super::Household::new(&cx).unwrap();
    let own = Arc::new(Section::new("balance", "test", Duration::from_secs(60), Stats::default()));
    crate::inputs::connect([(&cx, &own)], store);
    household
}

/// Publishes powers in W, and counters in kWh, by their codes.
fn publish(store: &crate::Store, source: &str, readings: &[(&str, i64)]) {
    let reading = |(code, number): &(&str, i64)| {
        let number = crate::Decimal::from(*number);
        let reading = match code.contains(".8.") {
            true => crate::Reading::counter(*code, number).unit("kWh"),
            false => crate::Reading::gauge(*code, number).unit("W"),
        };
        match crate::Obis::parse(code.as_bytes()) {
            Some(code) => reading.obis(code),
            None => reading,
        }
    };
    store.publish(&store.section(source).unwrap(), crate::Batch::now(readings.iter().map(reading).collect()));
}

#[test]
fn powers_are_those_of_the_guessed_roles_where_nobody_has_said_one() {
    let section = |name: &str| Section::new(name, "test", Duration::from_secs(60), Stats::default());
    let store = crate::Store::new(["meter", "roof"].map(section));
    let household = household(&store, &[]);
    let silent = household.powers().unwrap_err();
    assert!(matches!(silent, crate::AcquireError::Silent { .. }), "{silent}");
    publish(&store, "meter", &[("1-0:1.8.0*255", 5), ("1-0:2.8.0*255", 5), ("1-0:16.7.0*255", -200)]);
    publish(&store, "roof", &[("1-0:2.8.0*255", 5), ("1-0:2.7.0*255", 900)]);
    assert_eq!(household.powers().unwrap().consumption, Some(crate::Decimal::from(700)));
}

#[test]
fn production_is_export_or_negative_net_or_any_other_power_and_never_below_0() {
    let store = crate::Store::new(sections(&[("grid", SourceRole::Grid), ("roof", SourceRole::Production)]));
    let household = household(&store, &[("grid", SourceRole::Grid), ("roof", SourceRole::Production)]);
    publish(&store, "grid", &[("1-0:16.7.0*255", 100)]);
    for (readings, made) in [
        (&[("1-0:2.7.0*255", 900)][..], 900),
        (&[("1-0:1.7.0*255", 8), ("1-0:2.7.0*255", 0)], 0),
        (&[("1-0:16.7.0*255", -900)], 900),
        (&[("1-0:16.7.0*255", 8)], 0),
        (&[("P", 900)], 900),
        (&[("P", -8)], 0),
        (&[("1-0:1.7.0*255", 900)], 900),
    ] {
        publish(&store, "roof", readings);
        assert_eq!(
            household.powers().unwrap().consumption,
            Some(crate::Decimal::from(100 + made)),
            "{readings:?}"
        );
    }
}

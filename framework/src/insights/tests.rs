//! Figures against those computed from the raw numbers.
#![allow(clippy::unwrap_used)]

use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    SourceRole, Stats,
    journal::{
        Journal, Sample,
        testing::{Household, at, named, sample},
    },
};

const QUARTER: i64 = 900;

/// Wh in the quarter of an hour that begins at a moment: 45 W all the time, more in the daytime, and three high hours.
fn load(start: i64) -> i64 {
    let (day, hour) = (start.div_euclid(86_400), start.div_euclid(3600).rem_euclid(24));
    // Now and then a refrigerator in the night.
    let base = 11 + if start / QUARTER % 4 == 0 { 1 } else { 0 };
    let noise = (start / QUARTER * 7919).rem_euclid(97);
    if hour < 5 { base } else { base + 50 + noise + if hour == 19 { 10 * (day % 31) } else { 0 } }
}

/// A reading just before the end of each quarter of an hour.
fn readings(from: i64, to: i64) -> Vec<Sample> {
    let mut number = 1_000_000;
    let mut samples = vec![sample(from * SECOND, number)];
    for start in (from..to).step_by(QUARTER as usize) {
        number += load(start);
        samples.push(sample((start + QUARTER - 1) * SECOND, number));
    }
    samples
}

struct Kept {
    journal: Journal,
    sections: Vec<Arc<Section>>,
    _folder: tempfile::TempDir,
}

fn section(name: &str, label: &str, role: Option<SourceRole>) -> Arc<Section> {
    let section = Section::new(name, "test", Duration::from_secs(60), Stats::default());
    Arc::new(section.labelled(crate::Labels::of_source(Some(label.into()), role)))
}

fn kept(fill: impl FnOnce(&mut Household)) -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    fill(&mut household);
    let sections = vec![
        section("grid", "Strom", Some(SourceRole::Grid)),
        section("wp", "Wärmepumpe", Some(SourceRole::Consumer)),
        section("weather", "Garten", None),
    ];
    Kept { journal: household.open(&path), sections, _folder: folder }
}

impl Kept {
    fn insights(&self, month: &str, now: &str) -> serde_json::Value {
        let question = Question { month: format!("{month}-01").parse().unwrap(), ..Question::default() };
        self.ask(&question, now)
    }

    fn ask(&self, question: &Question, now: &str) -> serde_json::Value {
        let now = now.parse().unwrap();
        let ask = |view: &View<'_>| insights(view, &self.sections, &view.series()?, question, now);
        serde_json::to_value(self.journal.read(ask).unwrap()).unwrap()
    }
}

fn seconds(text: &str) -> i64 {
    at(text) / SECOND
}

fn two_months() -> Kept {
    kept(|household| {
        let samples = readings(seconds("2026-04-20T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
        household.store(&named("grid", "E", "kWh"), "1.8.0", &samples, &[]);
    })
}

#[test]
fn the_peaks_of_the_month_are_those_of_the_raw_numbers_by_each_rule() {
    let found = two_months().insights("2026-05", "2026-06-10T00:00:00Z");
    let (from, to) = (seconds("2026-05-01T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
    let quarters = || (from..to).step_by(QUARTER as usize).map(|start| (load(start), start));
    let peak = |rule: &str| {
        found["peaks"].as_array().unwrap().iter().find(|peak| peak["rule"] == rule).unwrap().clone()
    };
    let same = |found: &serde_json::Value, kw: f64| {
        assert!((found["kw"].as_f64().unwrap() - kw).abs() < 0.0006, "{found} {kw}")
    };
    let most = quarters().map(|(wh, _)| wh).max().unwrap();
    let quarter = peak("quarter_hour");
    same(&quarter, most as f64 * 4.0 / 1000.0);
    let at = quarters().find(|(wh, _)| *wh == most).unwrap().1;
    assert_eq!((&quarter["at"], &quarter["unsure"]), (&(at * 1000).into(), &false.into()));
    assert_eq!(quarter["to"], (at + QUARTER) * 1000);
    // The hours, from the greatest.
    let hour = |start: i64| (0..4).map(|n| load(start + n * QUARTER)).sum::<i64>();
    let mut hours: Vec<_> = (from..to).step_by(3600).map(|start| (hour(start), start)).collect();
    hours.sort_by_key(|(wh, start)| (-wh, *start));
    same(&peak("hour"), hours[0].0 as f64 / 1000.0);
    assert_eq!(peak("hour")["at"], hours[0].1 * 1000);
    let mut days = Vec::new();
    let of_days: Vec<_> = hours
        .iter()
        .filter(|(_, start)| {
            let day = start / 86_400;
            let is_new = !days.contains(&day);
            days.push(day);
            is_new
        })
        .take(3)
        .map(|(wh, _)| *wh as f64 / 1000.0)
        .collect();
    same(&peak("no"), of_days.iter().sum::<f64>() / 3.0);
    same(&peak("se"), of_days.iter().sum::<f64>() / 3.0);
    assert_eq!(peak("no")["parts"].as_array().unwrap().len(), 3);
    // Of eleven days of April and of May, each at least 2.5 kW.
    assert!(most * 4 < 2500, "the floor holds");
    same(&peak("be"), 2.5);
    assert_eq!((&peak("be")["unsure"], &peak("be")["reason"]), (&true.into(), &"few_readings".into()));
}

#[test]
fn the_swedish_rule_takes_as_many_hours_as_its_operator_says_also_of_one_day() {
    let kept = two_months();
    let rules = Rules { rules: vec![Rule::Se], hours: 5, any_day: true };
    let question = Question { month: "2026-05-01".parse().unwrap(), rules, ..Question::default() };
    let found = kept.ask(&question, "2026-06-10T00:00:00Z");
    let (from, to) = (seconds("2026-05-01T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
    let hour = |start: i64| (0..4).map(|n| load(start + n * QUARTER)).sum::<i64>();
    let mut hours: Vec<_> = (from..to).step_by(3600).map(hour).collect();
    hours.sort_unstable();
    let expected = hours.iter().rev().take(5).sum::<i64>() as f64 / 5000.0;
    assert!((found["peaks"][0]["kw"].as_f64().unwrap() - expected).abs() < 0.0006, "{found}");
    assert_eq!(found["peaks"].as_array().unwrap().len(), 1);
}

#[test]
fn standby_is_the_tenth_percentile_of_the_nights_with_its_trend_by_month() {
    let found = two_months().insights("2026-05", "2026-06-10T00:00:00Z");
    let standby = &found["standby"];
    // Most quarter-hours of the nights have 11 Wh.
    assert_eq!((&standby["watts"], &standby["unsure"]), (&44.0.into(), &false.into()));
    let trend = standby["trend"].as_array().unwrap();
    assert_eq!(trend.len(), 12);
    assert_eq!(trend[11], serde_json::json!({"month": "2026-05", "watts": 44.0, "unsure": false}));
    assert_eq!(trend[0], serde_json::json!({"month": "2025-06", "watts": null, "unsure": true}));
}

#[test]
fn standby_leaves_out_what_a_heat_pump_with_a_meter_of_its_own_consumes() {
    let (from, to) = (seconds("2026-05-01T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
    // 1.2 kW all the night.
    let pump = |samples: Vec<Sample>, base: i64| -> Vec<Sample> {
        let of =
            |(n, read): (usize, Sample)| sample(read.time, read.value.mantissa() * base + 300 * n as i64);
        samples.into_iter().enumerate().map(of).collect()
    };
    let kept = kept(|household| {
        household.store(&named("grid", "E", "kWh"), "1.8.0", &pump(readings(from, to), 1), &[]);
        household.store(&named("wp", "E", "kWh"), "", &pump(readings(from, to), 0), &[]);
    });
    let standby = &kept.insights("2026-05", "2026-06-10T00:00:00Z")["standby"];
    assert_eq!((&standby["watts"], &standby["unsure"]), (&44.0.into(), &false.into()), "{standby}");
}

#[test]
fn the_greatest_day_is_that_of_the_raw_numbers() {
    let found = two_months().insights("2026-05", "2026-06-10T00:00:00Z");
    let (from, to) = (seconds("2026-04-21T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
    let day = |start: i64| (0..96).map(|n| load(start + n * QUARTER)).sum::<i64>();
    let (wh, start) = (from..to).step_by(86_400).map(|start| (day(start), start)).max().unwrap();
    let greatest = &found["greatest_day"];
    assert_eq!((&greatest["kwh"], &greatest["from"]), (&(wh as f64 / 1000.0).into(), &(start * 1000).into()));
}

#[test]
fn thin_data_is_unsure_and_says_why() {
    // Each hour; whole kilowatt-hours; a few days; nothing at all.
    let hourly = kept(|household| {
        let all = readings(seconds("2026-05-01T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
        let hourly: Vec<_> = all.into_iter().step_by(4).collect();
        household.store(&named("grid", "E", "kWh"), "1.8.0", &hourly, &[]);
    });
    let coarse = kept(|household| {
        let all = readings(seconds("2026-05-01T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
        let whole = |of: &Sample| sample(of.time, of.value.mantissa() / 1000 * 1000);
        household.store(&named("grid", "E", "kWh"), "1.8.0", &all.iter().map(whole).collect::<Vec<_>>(), &[]);
    });
    let short = kept(|household| {
        let few = readings(seconds("2026-05-28T00:00:00Z"), seconds("2026-06-01T00:00:00Z"));
        household.store(&named("grid", "E", "kWh"), "1.8.0", &few, &[]);
    });
    for (kept, peak, standby) in [
        (hourly, "sparse_readings", "sparse_readings"),
        (coarse, "", "coarse_counter"),
        (short, "few_readings", "few_readings"),
        (kept(|_| ()), "no_grid", "no_grid"),
    ] {
        let found = kept.insights("2026-05", "2026-06-01T00:00:00Z");
        let reason = found["peaks"][0]["reason"].as_str().unwrap_or_default();
        assert_eq!((reason, found["standby"]["reason"].as_str().unwrap()), (peak, standby), "{found}");
        assert_eq!(found["standby"]["unsure"], true);
    }
}

#[test]
fn the_heat_pump_is_shown_over_the_outside_temperature_by_days() {
    let (from, days) = (seconds("2026-02-01T00:00:00Z"), 40);
    let kept = kept(|household| {
        let grid = readings(from, from + 86_400);
        household.store(&named("grid", "E", "kWh"), "1.8.0", &grid, &[]);
        // 1 kWh a day for each degree below 15.
        let per_day = |day: i64| (15 - (day % 12)) * 1000;
        let (mut number, mut pump, mut degrees) = (0, vec![sample(from * SECOND, 0)], Vec::new());
        for hour in 0..days * 24 {
            number += per_day(hour / 24) / 24;
            pump.push(sample((from + hour * 3600 + 3599) * SECOND, number));
            let half = if hour % 2 == 0 { 500 } else { -500 };
            degrees.push(sample((from + hour * 3600 + 60) * SECOND, hour / 24 % 12 * 1000 + half));
        }
        household.store(&named("wp", "E", "kWh"), "", &pump, &[]);
        household.store(&named("weather", "OUTSIDE", "°C"), "", &degrees, &[]);
    });
    let found = kept.insights("2026-03", "2026-03-20T00:00:00Z");
    let points = found["heat_pump"]["points"].as_array().unwrap();
    assert!(points.len() as i64 >= days - 2, "{}", points.len());
    for point in points {
        let (degrees, kwh) = (point["temperature"].as_f64().unwrap(), point["kwh"].as_f64().unwrap());
        assert!((kwh - (15.0 - degrees)).abs() < 0.05, "{point}");
    }
    assert_eq!((&found["heat_pump"]["unsure"], &found["heat_pump"]["source"]), (&false.into(), &"wp".into()));
    let other = Question {
        month: "2026-03-01".parse().unwrap(),
        heat_pump: Some("none".into()),
        ..Question::default()
    };
    assert_eq!(kept.ask(&other, "2026-03-20T00:00:00Z")["heat_pump"]["reason"], "no_heat_pump");
}

#[test]
fn voltage_is_judged_by_means_over_ten_minutes() {
    let (from, minutes) = (seconds("2026-05-01T00:00:00Z"), 7 * 1440);
    // 230 V, for half an hour 254 V, and for three minutes 290 V, of which the mean over ten is
    // 248 V.
    let volts = |minute: i64| match minute {
        600..630 => 254_000,
        900..903 => 290_000,
        _ => 230_000 + minute % 2 * 1000,
    };
    let kept = kept(|household| {
        let grid = readings(from, from + 86_400);
        household.store(&named("grid", "E", "kWh"), "1.8.0", &grid, &[]);
        let all: Vec<_> =
            (0..minutes).map(|minute| sample((from + minute * 60) * SECOND, volts(minute))).collect();
        household.store(&named("grid", "U1", "V"), "32.7.0", &all[..9000], &[]);
        household.record(&named("grid", "U1", "V"), "32.7.0", &all[9000..], &[]);
    });
    let found = kept.insights("2026-05", "2026-05-08T00:00:00Z");
    let phase = &found["voltage"][0];
    assert_eq!((&phase["phase"], &phase["min"], &phase["max"]), (&"L1".into(), &230.0.into(), &290.0.into()));
    assert_eq!((&phase["outside_minutes"], &phase["unsure"]), (&30.into(), &false.into()));
    assert_eq!(phase["at"], (from + 600 * 60) * 1000);
    let mean = (0..minutes).map(volts).sum::<i64>() as f64 / minutes as f64 / 1000.0;
    assert!((phase["mean"].as_f64().unwrap() - mean).abs() < 0.001);
}

#[test]
fn voltage_is_that_of_the_whole_month_and_a_meter_that_is_read_seldom_is_said_to_be() {
    let from = seconds("2026-05-01T00:00:00Z");
    // Each quarter of an hour of the month, and 205.5 V on its second day.
    let kept = kept(|household| {
        let grid = readings(from, from + 86_400);
        household.store(&named("grid", "E", "kWh"), "1.8.0", &grid, &[]);
        let volts = |n: i64| if n == 130 { 205_500 } else { 230_000 };
        let all: Vec<_> = (0..31 * 96).map(|n| sample((from + n * QUARTER) * SECOND, volts(n))).collect();
        household.store(&named("grid", "U3", "V"), "72.7.0", &all, &[]);
    });
    let phase = &kept.insights("2026-05", "2026-06-10T00:00:00Z")["voltage"][0];
    assert_eq!((&phase["min"], &phase["outside_minutes"]), (&205.5.into(), &10.into()), "{phase}");
    assert_eq!(phase["at"], (from + 130 * QUARTER) * 1000 / 600_000 * 600_000);
    assert_eq!((&phase["from"], &phase["reason"]), (&(from * 1000).into(), &"read_seldom".into()));
}

#[test]
fn figures_are_made_of_as_many_sources_as_there_are() {
    let mut kept = two_months();
    let alone = kept.insights("2026-05", "2026-06-10T00:00:00Z");
    kept.sections.extend(
        (0..100).map(|n| section(&format!("roof{n}"), &format!("Dach {n}"), Some(SourceRole::Production))),
    );
    assert_eq!(kept.insights("2026-05", "2026-06-10T00:00:00Z"), alone);
}

use proptest::prelude::*;

use crate::{
    db::Rollup,
    query::{
        ReadError,
        history::{Spanned, Step},
    },
    series::Sample,
    testing::{Household, at, named, sample},
    tests::whole::collect,
    time::{Micros, SECOND, Span},
};

const DAY: Micros = 86_400 * SECOND;

struct History {
    step: Step,
    points: Points,
}

#[derive(Debug)]
enum Points {
    Raw(Vec<Sample>),
    Rollups(Vec<Spanned>),
}

fn ask(household: &Household, from: Micros, to: Micros, step: Option<&str>) -> Result<History, ReadError> {
    let step = step.map(|word| Step::named(word).unwrap());
    household.ask(|view| {
        let series = view.find("d0", "P", None)?;
        let history = series.history(from, to, step)?;
        let (raw, spans) = collect(&history)?;
        let points = if history.step.is_raw() { Points::Raw(raw) } else { Points::Rollups(spans) };
        Ok(History { step: history.step, points })
    })
}

/// A reading each `period` seconds from a moment on.
fn regular(from: Micros, period: i64, count: i64) -> Vec<Sample> {
    (0..count).map(|i| sample(from + i * period * SECOND, i * 7 % 1000)).collect()
}

fn spans(word: &str) -> Span {
    match word {
        "1m" => Span::Fixed(60),
        "5m" => Span::Fixed(300),
        "15m" => Span::Fixed(900),
        "1h" => Span::Fixed(3600),
        "6h" => Span::Fixed(21_600),
        "1d" => Span::Day,
        "7d" => Span::Week,
        _ => Span::Month,
    }
}

#[test]
fn the_step_is_as_fine_as_a_chart_can_show() {
    let mut household = Household::new();
    let power = named("d0", "P", "W");
    let from = at("2026-10-01T00:00:00Z");
    household.store(&power, "", &regular(from, 60, 40 * 1440), &[]);
    for (length, step) in [
        (SECOND, "raw"),
        (900 * 60 * SECOND, "raw"),
        (1000 * 60 * SECOND, "raw"),
        (1001 * 60 * SECOND, "5m"),
        (DAY, "5m"),
        (4 * DAY, "15m"),
        (31 * DAY, "1h"),
        (100 * DAY, "6h"),
        (365 * DAY, "1d"),
        (10 * 365 * DAY, "7d"),
        (100 * 365 * DAY, "1mo"),
    ] {
        assert_eq!(ask(&household, from, from + length, None).unwrap().step.word(), step, "{length}");
    }
    // Without the raw rows of its first minutes a range has no raw chart.
    household
        .database
        .connection
        .execute("DELETE FROM raw WHERE key < ?1", [(from / 60_000_000 + 2) << 16])
        .unwrap();
    assert_eq!(ask(&household, from, from + 600 * SECOND, None).unwrap().step.word(), "1m");
    assert_eq!(ask(&household, from + 120 * SECOND, from + 600 * SECOND, None).unwrap().step.word(), "raw");
    // An hour without any reading has all of them.
    assert_eq!(ask(&household, from - 3600 * SECOND, from, None).unwrap().step.word(), "raw");
    // Readings that are not checkpointed count too.
    let end = from + 40 * DAY;
    household.record(&power, "", &regular(end, 1, 1001), &[]);
    assert_eq!(ask(&household, end, end + 1000 * SECOND, None).unwrap().step.word(), "raw");
    assert_eq!(ask(&household, end, end + 1001 * SECOND, None).unwrap().step.word(), "1m");
}

#[test]
fn too_much_is_refused_with_the_next_step() {
    let mut household = Household::new();
    let from = at("2026-10-01T00:00:00Z");
    household.store(&named("d0", "P", "W"), "", &regular(from, 1, 200_001), &[]);
    let error = |from, to, step| match ask(&household, from, to, Some(step)) {
        Err(ReadError::BadRequest(message)) => message,
        other => panic!("{:?}", other.map(|history| history.step)),
    };
    assert_eq!(error(0, from, "1m"), "the range has more than 100000 points: ask for `step=6h`");
    let raw = error(from, from + 300_000 * SECOND, "raw");
    assert_eq!(raw, "the range has more than 200000 readings: ask for `step=1m`");
    assert!(error(from, from, "raw").starts_with("`from` must be before `to`"));
    let Ok(History { points: Points::Raw(raw), .. }) =
        ask(&household, from, from + 200_000 * SECOND, Some("raw"))
    else {
        panic!("200,000 are allowed");
    };
    assert_eq!(raw.len(), 200_000);
}

#[test]
fn what_was_not_read_is_a_gap() {
    let mut household = Household::new();
    let power = named("d0", "P", "W");
    let from = at("2026-10-01T00:00:00Z");
    household.store(&power, "", &regular(from + 60 * SECOND, 1, 30), &[]);
    household.record(&power, "", &regular(from + 90 * SECOND, 1, 30), &[]);
    let history = ask(&household, from, from + 180 * SECOND, Some("1m")).unwrap();
    let Points::Rollups(points) = history.points else { panic!() };
    let starts: Vec<_> =
        points.iter().map(|(start, of)| (*start - from / SECOND, of.map(|of| of.count))).collect();
    assert_eq!(starts, [(0, None), (60, Some(60)), (120, None)]);
    assert_eq!(points[1].1.unwrap().last, 0.203);
}

#[test]
fn late_and_repeated_readings_count_once_and_in_their_place() {
    let power = named("d0", "P", "W");
    let from = at("2026-10-01T00:00:00Z");
    let samples = regular(from, 1, 180);
    let (late, early) = (sample(from + SECOND + 1, 5000), sample(from - 120 * SECOND, -9000));
    let recent = [&[early, late], &samples[90..]].concat();
    let mut all = [&samples[..], &[early, late]].concat();
    all.sort_by_key(|sample| sample.time);
    let mut household = Household::new();
    household.store(&power, "", &samples[..120], &[]);
    household.record(&power, "", &recent, &[]);
    for word in ["1m", "5m", "1h", "1d"] {
        let Points::Rollups(points) =
            ask(&household, from - 3600 * SECOND, from + 3600 * SECOND, Some(word)).unwrap().points
        else {
            panic!()
        };
        for ((start, found), (end, _)) in points.iter().zip(points.iter().skip(1)) {
            let range = start * SECOND..end * SECOND;
            let within: Vec<_> = all.iter().filter(|of| range.contains(&of.time)).copied().collect();
            let rest = |of: Rollup| Rollup { mean: 0.0, ..of };
            assert_eq!(found.map(rest), Rollup::of_samples(&within).map(rest), "{word} {start}");
        }
    }
    let Points::Raw(raw) = ask(&household, from - DAY, from + DAY, Some("raw")).unwrap().points else {
        panic!()
    };
    assert!(raw.iter().map(|of| of.time).eq(all.iter().map(|of| of.time)));
    // A checkpoint accepts no further readings of a minute whose readings were removed.
    household.database.connection.execute("DELETE FROM raw", []).unwrap();
    let Points::Rollups(points) = ask(&household, from, from + 120 * SECOND, Some("1m")).unwrap().points
    else {
        panic!()
    };
    assert_eq!(points.iter().map(|(_, of)| of.unwrap().count).collect::<Vec<_>>(), [60, 60]);
}

#[test]
fn whether_all_readings_are_there_is_asked_of_each_series() {
    let mut household = Household::new();
    let (power, other) = (named("d0", "P", "W"), named("d0", "Q", "W"));
    let from = at("2026-10-01T00:00:00Z");
    household.store(&power, "", &regular(from, 60, 600), &[]);
    household.database.prune(from + 300 * 60 * SECOND).unwrap();
    let raw_from = |household: &Household| household.ask(|view| view.raw_from().unwrap()).unwrap();
    assert_eq!(raw_from(&household), from + 300 * 60 * SECOND);
    // Old readings of another series of the same section.
    household.store(&other, "", &regular(from - DAY, 60, 1440 + 60), &[]);
    assert_eq!(ask(&household, from, from + 600 * SECOND, None).unwrap().step.word(), "1m");
    assert_eq!(raw_from(&household), from + 300 * 60 * SECOND);
    // What is not there is not counted as too much.
    household.store(&power, "", &regular(from + DAY, 1, 100), &[]);
    household
        .database
        .connection
        .execute("UPDATE quarter SET count = 200000 WHERE ts < ?1", [from / SECOND + 900])
        .unwrap();
    let raw = ask(&household, from, from + 2 * DAY, Some("raw")).unwrap();
    let Points::Raw(raw) = raw.points else { panic!() };
    assert_eq!(raw.len(), 400);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_step_gives_what_was_read(
        pieces in prop::collection::vec((1i64..200_000, 1i64..60, -500_000i64..500_000), 1..40),
        cut in 0usize..1000,
        summer: bool,
        start in 0i64..86_400,
    ) {
        // Around a change of the clocks.
        let begin = at(if summer { "2026-03-28T00:00:00Z" } else { "2026-10-24T00:00:00Z" }) + start * SECOND;
        let (mut time, mut samples) = (begin, Vec::new());
        for (gap, count, value) in pieces {
            time += gap * SECOND / 7;
            for i in 0..count {
                samples.push(sample(time, value + i));
                time += 11 * SECOND + 1;
            }
        }
        let mut household = Household::new();
        let power = named("d0", "P", "W");
        let (old, new) = samples.split_at(cut.min(samples.len()));
        if !old.is_empty() {
            household.store(&power, "", old, &[]);
        }
        household.record(&power, "", new, &[]);
        let (from, to) = (begin + 3600 * SECOND, time - 600 * SECOND);
        prop_assume!(from < to);
        let Points::Raw(raw) = ask(&household, from, to, Some("raw")).unwrap().points else { panic!() };
        let expected: Vec<_> = samples.iter().filter(|of| (from..to).contains(&of.time)).copied().collect();
        // Equal numbers may have more zeros at the end.
        let points = |samples: &[Sample]| samples.iter().map(crate::db::counter_resets::point).collect::<Vec<_>>();
        prop_assert_eq!(points(&raw), points(&expected));
        for word in Step::words().skip(1) {
            let Points::Rollups(points) = ask(&household, from, to, Some(word)).unwrap().points else { panic!() };
            let edges = spans(word).edges(from, to, &household.zone);
            prop_assert_eq!(points.len() + 1, edges.len());
            prop_assert!(edges[0] * SECOND <= from && edges[edges.len() - 1] * SECOND >= to);
            for ((start, found), ends) in points.iter().zip(edges.windows(2)) {
                prop_assert_eq!(*start, ends[0]);
                let range = ends[0] * SECOND..ends[1] * SECOND;
                let within: Vec<_> = samples.iter().filter(|of| range.contains(&of.time)).copied().collect();
                let expected = Rollup::of_samples(&within);
                let rest = |of: Rollup| Rollup { mean: 0.0, ..of };
                prop_assert_eq!(found.map(rest), expected.map(rest), "{} {}", word, start);
                if let Some((found, expected)) = found.zip(expected) {
                    prop_assert!((found.mean - expected.mean).abs() < 1e-6);
                }
            }
        }
    }
}

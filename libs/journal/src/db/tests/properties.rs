//! Properties that hold for any numbers in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::{
    db::{
        Counter, Level,
        tests::checkpoint::{Journal, SECOND, SPRING, Segment, berlin},
    },
    series::Stated,
    testing::named,
};

/// A batch of the tests below: when, of which section.
type Batch = (i64, u8);

fn batches(length: usize) -> impl Strategy<Value = Vec<Batch>> {
    // Scattered over the days around a change of the clock, and close together.
    let seconds = prop_oneof![0i64..100_000, 40_000i64..40_200];
    prop::collection::vec((seconds, 0u8..2), 1..length)
}

/// Writes a batch with the numbers that belong to its time; the time may be shown wrong.
fn write(segment: &mut Segment, (second, section): Batch, error: i64) {
    let section = ["d0", "s0"][usize::from(section)];
    let time = (SPRING + second) * SECOND + 137 * second;
    let (energy, power) = (format!("{}.5", second * 7 % 5000), format!("{}.25", second * 37 % 1000 - 500));
    segment.batch(section, time + error, &[("e", &energy), ("p", &power)]);
    if second % 11 == 0 {
        segment.set(section, "e", time + error + 1, &energy, "0.5");
    }
}

/// Folds entries in segments that are cut before every entry of `cuts`, two segments at a time.
fn fold_cut<T>(
    journal: &mut Journal,
    entries: &[T],
    cuts: &[usize],
    mut write: impl FnMut(&mut Segment, &T),
) {
    let mut segments = vec![Segment::new(1)];
    for (index, entry) in entries.iter().enumerate() {
        if cuts.contains(&index) {
            segments.push(Segment::new(segments.len() as u64 + 1));
        }
        write(segments.last_mut().unwrap(), entry);
    }
    let numbered: Vec<_> = (1..).zip(segments.iter().map(|segment| &segment.bytes[..])).collect();
    for some in numbered.chunks(2) {
        journal.database.checkpoint(some, &berlin()).unwrap();
    }
}

/// Compares the tables with what their numbers say.
fn check(journal: &Journal) {
    let zone = berlin();
    let mut breaks = 0;
    for (name, samples) in journal.raw() {
        let id = journal.query(&format!(
            "SELECT series.id FROM series JOIN section ON section = section.id WHERE section.name || series.name = '{name}'"
        ));
        for level in Level::ALL {
            let mut spans = BTreeMap::<_, Vec<f64>>::new();
            for (time, value) in &samples {
                spans.entry(level.start(time.div_euclid(SECOND), &zone)).or_default().push(*value);
            }
            let sql = format!(
                "SELECT ts, first, last, min, max, count, mean FROM {} WHERE series = {} ORDER BY ts",
                level.table(),
                id[0]
            );
            let rows = journal.query(&sql);
            assert_eq!(rows.len(), spans.len(), "{sql}");
            for ((start, values), row) in spans.iter().zip(rows) {
                let (first, last) = (values[0], values[values.len() - 1]);
                let (min, max) = values.iter().fold((first, first), |(a, b), v| (a.min(*v), b.max(*v)));
                let (exact, mean) = row.rsplit_once(' ').unwrap();
                assert_eq!(exact, format!("{start} {first} {last} {min} {max} {}", values.len()), "{sql}");
                let expected = values.iter().sum::<f64>() / values.len() as f64;
                assert!((mean.parse::<f64>().unwrap() - expected).abs() < 1e-6, "{sql} {mean} {expected}");
            }
        }
        if !name.ends_with('e') {
            continue;
        }
        let stated = Stated { obis: "1.8.0".into(), kind: None, medium: None };
        let counter = Counter::of(&stated.meaning(&named("d0", "e", "kWh"))).unwrap();
        let times = |kind| -> Vec<i64> {
            let sql =
                format!("SELECT ts FROM event WHERE series = {} AND kind = '{kind}' ORDER BY ts", id[0]);
            journal.query(&sql).iter().map(|time| time.parse().unwrap()).collect()
        };
        let sets = times("set");
        let samples: Vec<_> = samples.into_iter().collect();
        let found = samples.windows(2).filter(|pair| {
            counter.is_reset(pair[0], pair[1])
                && !sets.iter().any(|set| (pair[0].0..=pair[1].0).contains(set))
        });
        let found: Vec<_> = found.map(|pair| pair[1].0).collect();
        assert_eq!(times("break"), found);
        breaks += found.len();
    }
    let events = journal.query("SELECT count(*) FROM event WHERE kind = 'break'");
    assert_eq!(events, [breaks.to_string()]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_any_cut_and_any_repetition_give_the_same(
        batches in batches(80), cuts: [prop::sample::Index; 6], again in 0usize..30,
    ) {
        let mut entries = batches.clone();
        entries.extend_from_within(..again.min(batches.len()));
        let cuts = cuts.map(|cut| cut.index(entries.len()));
        let mut journal = Journal::new();
        fold_cut(&mut journal, &entries, &cuts, |segment, batch| write(segment, *batch, 0));
        check(&journal);
        let mut sorted = batches;
        sorted.sort_unstable();
        sorted.dedup();
        let mut once = Journal::new();
        fold_cut(&mut once, &sorted, &[], |segment, batch| write(segment, *batch, 0));
        prop_assert_eq!(journal.dump(), once.dump());
    }

    #[test]
    fn a_corrected_clock_leaves_no_trace(
        before in batches(25), wrong in batches(25), after in batches(25), cuts: [prop::sample::Index; 6],
        error in prop_oneof![
            -50_000 * SECOND..50_000 * SECOND, -70 * SECOND..70 * SECOND, Just(60 * SECOND), Just(-3600 * SECOND),
        ],
    ) {
        // What is right lies before all that is wrong, by the clock that was wrong; else it moves along.
        let shown = |(second, _): &Batch| (SPRING + second) * SECOND + 137 * second + error;
        let since = wrong.iter().map(shown).min().unwrap_or_default();
        let before: Vec<_> = before.into_iter().filter(|batch| shown(batch) - error + SECOND < since).collect();
        let mut entries: Vec<_> = before.iter().map(|batch| Some((*batch, 0))).collect();
        entries.extend(wrong.iter().map(|batch| Some((*batch, error))));
        entries.push(None);
        entries.extend(after.iter().map(|batch| Some((*batch, 0))));
        let cuts = cuts.map(|cut| cut.index(entries.len()));
        let mut journal = Journal::new();
        fold_cut(&mut journal, &entries, &cuts, |segment, entry| match entry {
            Some((batch, error)) => write(segment, *batch, *error),
            None => segment.correction(since, -error),
        });
        check(&journal);
        let mut right = Journal::new();
        let all: Vec<_> = before.into_iter().chain(wrong).chain(after).collect();
        fold_cut(&mut right, &all, &[], |segment, batch| write(segment, *batch, 0));
        prop_assert_eq!(journal.dump(), right.dump());
    }
}

use super::*;
use crate::{
    SourceRole,
    journal::{
        SECOND,
        testing::{Household, at, named, sample},
    },
};

/// Readings each quarter of an hour over midnight of a new year: two tariffs of the grid's meter, and a heat pump whose
/// meter is swapped in the afternoon.
fn journal(folder: &tempfile::TempDir) -> Journal {
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    let start = at("2025-12-31T12:00:20Z");
    let times = |count: i64| (0..count).map(move |i| start + i * 900 * SECOND);
    for (name, code, first, rise) in [("T1", "1.8.1", 8_123_456, 250), ("T2", "1.8.2", 4_000_000, 500)] {
        let samples: Vec<_> = times(96).zip(0..).map(|(time, i)| sample(time, first + rise * i)).collect();
        household.store(&named("grid", name, "kWh"), code, &samples, &[]);
    }
    let heat = named("heat", "E", "kWh");
    let number = |i: i64| if i < 12 { 900_000 + 100 * i } else { 5 + 100 * (i - 12) };
    let samples: Vec<_> = times(96).zip(0..).map(|(time, i)| sample(time, number(i))).collect();
    household.store(&heat, "", &samples[..50], &[]);
    household.record(&heat, "", &samples[50..], &[]);
    household.store(&named("grid", "P", "W"), "16.7.0", &[sample(start, 1)], &[]);
    household.store(&named("attic", "E", "kWh"), "", &[sample(start, 1)], &[]);
    household.open(&path)
}

async fn program(folder: &tempfile::TempDir) -> Running {
    let section = |name: &str, label: Option<&str>, role| {
        let section = Section::new(name, "test", Duration::from_secs(3600), crate::Stats::default());
        section.labelled(crate::Labels::of_source(label.map(Into::into), role))
    };
    let store = Store::new([
        section("grid", Some("Strom"), Some(SourceRole::Grid)),
        section("heat", None, None),
        section("attic", None, Some(SourceRole::Hidden)),
    ]);
    Setup { journal: journal(folder), store, ..Setup::default() }.start().await
}

#[tokio::test]
async fn the_registers_of_31_december_are_those_at_the_end_of_that_day() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    let json = program.get("/registers?at=2025-12-31").await.json();
    let midnight = at("2026-01-01T00:00:00Z") / 1000;
    assert_eq!((&json["at"], &json["zone"]), (&midnight.into(), &"UTC".into()));
    let rows = json["registers"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["T1", "T2", "E"], "power is no register, and a hidden source shows none");
    // The reading 20 s after midnight is within a minute of it: that of 48 quarters of an hour.
    let time = midnight + 20_000;
    assert_eq!(
        rows[0],
        serde_json::json!({
            "source": "grid", "label": "Strom", "name": "T1", "obis": "1.8.1", "unit": "kWh", "tariff": 1,
            "direction": "import", "value": 8135.456, "at": time, "before": {"value": 8135.206, "time": time - 900_000},
            "after": {"value": 8135.456, "time": time}, "exact": true, "gap": false, "swaps": []
        })
    );
    let json = program.get("/registers?at=2025-12-31T20:07:50Z").await.json();
    // Half-way between two readings.
    let row = &json["registers"][1];
    assert_eq!((&row["value"], &row["exact"], &row["gap"]), (&4016.25.into(), &false.into(), &false.into()));
}

#[tokio::test]
async fn the_amount_over_a_meter_swap_is_the_sum_of_its_parts_and_names_the_numbers_of_both_meters() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    let path = "/registers?from=2025-12-31T12:00:20Z&to=2025-12-31&source=heat";
    let json = program.get(path).await.json();
    let row = &json["registers"][0];
    // 11 steps of the old meter, and 36 of the new one until the reading just after midnight.
    assert_eq!(row["amount"], 4.7);
    let swapped = (at("2025-12-31T12:00:20Z") + 12 * 900 * SECOND) / 1000;
    assert_eq!(row["swaps"], serde_json::json!([{"time": swapped, "from": 901.1, "to": 0.005}]));
    assert_eq!((&row["begin"]["value"], &row["begin"]["exact"]), (&900.0.into(), &true.into()));
}

#[tokio::test]
async fn parameters_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    for query in
        ["at=now&from=-1d", "to=now", "at=then", "date=now", "at=now&at=now", "from=2026-02-01&to=2026-01-01"]
    {
        let answer = program.get(&format!("/registers?{query}")).await;
        assert_eq!(answer.error(), (400, "bad_request".to_owned()), "{query}");
    }
    assert_eq!(program.post("/registers", "").await.status, 405);
    let hidden = program.get("/registers?source=attic&at=2025-12-31T12:00:30Z").await.json();
    assert_eq!(hidden["registers"][0]["value"], 0.001, "asked for by its name");
}

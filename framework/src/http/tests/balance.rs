use super::*;
use crate::{
    SourceRole,
    journal::{
        SECOND,
        testing::{Household, at, named, sample},
    },
};

/// Two hours with a reading a minute: 10 Wh drawn, 30 Wh made, 20 Wh fed in, 5 Wh into a heat pump.
async fn program(folder: &tempfile::TempDir) -> Running {
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    let start = at("2026-06-01T09:59:00Z");
    for (source, name, code, rise) in [
        ("grid", "IMPORT", "1.8.0", 10),
        ("grid", "EXPORT", "2.8.0", 20),
        ("roof", "E", "2.8.0", 30),
        ("heat", "E", "", 5),
    ] {
        let samples: Vec<_> = (0..130).map(|i| sample(start + i * 60 * SECOND, 1000 + rise * i)).collect();
        household.store(&named(source, name, "kWh"), code, &samples[..80], &[]);
        household.record(&named(source, name, "kWh"), code, &samples[80..], &[]);
    }
    let section = |name: &str, role| {
        let section = Section::new(name, "test", Duration::from_secs(3600), crate::Stats::default());
        section.labelled(crate::Labels::of_source(Some(name.to_uppercase().into()), Some(role)))
    };
    let store = Store::new([
        section("grid", SourceRole::Grid),
        section("roof", SourceRole::Production),
        section("heat", SourceRole::Consumer),
    ]);
    Setup { journal: household.open(&path), store, ..Setup::default() }.start().await
}

#[tokio::test]
async fn the_balance_of_the_household_comes_in_columns() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    let answer = program.get("/balance?from=2026-06-01T10:00:00Z&to=2026-06-01T12:00:00Z&per=hour").await;
    let (first, second) = (at("2026-06-01T10:00:00Z") / 1000, at("2026-06-01T11:00:00Z") / 1000);
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "from": first, "to": second + 3_600_000, "per": "hour", "zone": "UTC", "unit": "kWh", "unsure": false,
            "roles": [
                {"source": "grid", "label": "GRID", "role": "grid", "import": ["IMPORT"], "export": ["EXPORT"]},
                {"source": "roof", "label": "ROOF", "role": "production", "export": ["E"]},
                {"source": "heat", "label": "HEAT", "role": "consumer", "import": ["E"]},
            ],
            "start": [first, second], "end": [second, second + 3_600_000],
            "consumption": [1.2, 1.2], "drawn": [0.6, 0.6], "fed": [1.2, 1.2], "produced": [1.8, 1.8],
            "self_used": [0.6, 0.6], "charged": [0, 0], "discharged": [0, 0],
            "self_consumption": [0.333333, 0.333333], "self_sufficiency": [0.5, 0.5],
            "consumers": [{"source": "heat", "label": "HEAT", "role": "consumer", "amount": [0.3, 0.3]}],
            "other": [0.9, 0.9], "gap": [false, false], "partial": [false, false],
        })
    );
    let quarters =
        program.get("/balance?from=2026-06-01T10:00:00Z&to=2026-06-01T11:00:00Z&step=15m").await.json();
    assert_eq!(
        (&quarters["step"], &quarters["consumption"]),
        (&"15m".into(), &serde_json::json!([0.3, 0.3, 0.3, 0.3]))
    );
}

#[tokio::test]
async fn a_balance_that_is_not_understood_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    for query in [
        "per=week",
        "step=1m",
        "per=day&step=15m",
        "from=2026-01-01&to=2025-01-01",
        "from=1990-01-01&step=15m",
        "x=1",
    ] {
        let answer = program.get(&format!("/balance?{query}")).await;
        assert_eq!(answer.error(), (400, "bad_request".to_owned()), "{query}");
    }
}

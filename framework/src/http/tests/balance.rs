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
    program_with(folder, "").await
}

/// The same with tariffs.
async fn program_with(folder: &tempfile::TempDir, tariffs: &str) -> Running {
    program_filled(folder, tariffs, |_| ()).await
}

/// The same with more readings.
async fn program_filled(
    folder: &tempfile::TempDir,
    tariffs: &str,
    fill: impl FnOnce(&mut Household),
) -> Running {
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    fill(&mut household);
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
    let setup = Setup { journal: household.open(&path), store, ..Setup::default() };
    let api = setup.api();
    let config = format!("[sources.grid]\nplugin = \"greedy\"\n{tariffs}");
    let config = Config::parse("config.toml", &config, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    api.costs().replace(config.tariffs);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(serve(listener, api, stop.clone()));
    Running { store: setup.store, address, stop, served }
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

#[tokio::test]
async fn the_balance_says_what_was_paid_earned_and_saved_also_with_prices_that_change_with_the_hour() {
    let constant =
        "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nwork_price = 0.30\nfeed_in_price = 0.08\n";
    let windows = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nwork_price = 0.30\nfeed_in_price = 0.08\n\
                   windows = [{ price = 0.10, hours = \"10:00-11:00\" }]\n";
    let path = "/balance?from=2026-06-01T10:00:00Z&to=2026-06-01T12:00:00Z&cost=true&per=";
    // Each hour 0.6 kWh are drawn, 1.2 fed in, and 0.6 of one's own are used.
    for (tariffs, per, cost, saved) in [
        (constant, "hour", serde_json::json!([0.18, 0.18]), serde_json::json!([0.18, 0.18])),
        (windows, "hour", serde_json::json!([0.06, 0.18]), serde_json::json!([0.06, 0.18])),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let found = program_with(&folder, tariffs).await.get(&format!("{path}{per}")).await.json();
        assert_eq!((&found["cost"], &found["saved"]), (&cost, &saved), "{found}");
        assert_eq!(found["income"], serde_json::json!([0.096, 0.096]));
        assert_eq!(
            (&found["currency"], &found["cost_gap"]),
            (&"EUR".into(), &serde_json::json!([false, false]))
        );
    }
    // Over the day, of 129 minutes from 9:59 on, each quarter-hour has its price: those from 10 to 11 a third.
    let folder = tempfile::tempdir().unwrap();
    let found = program_with(&folder, windows).await.get(&format!("{path}day")).await.json();
    let saved = found["saved"][0].as_f64().unwrap();
    // 0.6 kWh at 0.10, and the rest, of which the last quarter-hour is not whole, at 0.30.
    let rest = (129.0 - 60.0) * 0.01 * 0.30;
    assert!((saved - (0.06 + rest)).abs() < 0.0061, "{saved} {}", 0.06 + rest);
    let folder = tempfile::tempdir().unwrap();
    let none = program(&folder).await.get(&format!("{path}hour")).await.json();
    assert_eq!(
        (&none["cost"], &none["saved"]),
        (&serde_json::json!([null, null]), &serde_json::json!([null, null]))
    );
}

#[tokio::test]
async fn the_money_of_a_range_is_that_of_what_was_read_however_far_the_range_reaches() {
    let windows = "[[tariffs]]\nsource = \"grid\"\nfrom = \"0001-01-01\"\nwork_price = 0.30\nfeed_in_price = 0.08\n\
                   windows = [{ price = 0.10, hours = \"10:00-11:00\" }]\n";
    let folder = tempfile::tempdir().unwrap();
    let program = program_with(&folder, windows).await;
    let year = program.get("/balance?from=2026-01-01&to=2026-12-31&per=year&cost=true").await.json();
    let answer = program.get("/balance?from=1970-01-01&to=9999-01-01&per=year&cost=true").await;
    let found = unchunked(&answer.body);
    let at = found["start"].as_array().unwrap().iter().position(|start| *start == year["start"][0]).unwrap();
    for column in ["cost", "income", "saved", "cost_gap"] {
        assert!(!year[column][0].is_null(), "{column}");
        assert_eq!(found[column][at], year[column][0], "{column}");
    }
    assert_eq!(found["cost"][at + 1], serde_json::Value::Null);
}

#[tokio::test]
async fn what_was_saved_is_that_of_the_quarter_hours_with_a_price_and_the_others_are_said() {
    // From 11:00 on the clock, nothing says what energy costs: the tariff is one of a market that was read until then.
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nfeed_in_price = 0.08\n\
                spot = { source = \"grid\", reading = \"PRICE\" }\n";
    let folder = tempfile::tempdir().unwrap();
    let fill = |household: &mut Household| {
        let start = at("2026-06-01T10:00:00Z");
        let prices: Vec<_> = (0..5).map(|n| sample(start + n * 900 * SECOND, 300 + n * 20)).collect();
        household.store(&named("grid", "PRICE", "EUR/kWh"), "", &prices, &[]);
    };
    let program = program_filled(&folder, text, fill).await;
    let path = "/balance?from=2026-06-01T10:00:00Z&to=2026-06-01T12:00:00Z&cost=true&per=hour";
    let found = program.get(path).await.json();
    // Each quarter-hour 0.15 kWh of one's own: at 0.30, 0.32, 0.34 and 0.36; then one at 0.38, and three without a price.
    assert_eq!(found["saved"], serde_json::json!([0.198, 0.057]), "{found}");
    assert_eq!(found["cost_gap"], serde_json::json!([false, true]), "{found}");
}

#[tokio::test]
async fn what_was_saved_has_the_price_of_the_register_that_counted_at_that_time() {
    let text = "[[tariffs]]\nsource = \"grid\"\nfrom = \"2026-01-01\"\nregisters = { T1 = 0.40, T2 = 0.20 }\n\
                feed_in_price = 0.08\n";
    // Each quarter-hour 0.15 kWh of one's own. T2 counts until 10:45, nothing then, and T1 from 11:15 on.
    let (switch, resume) = (at("2026-06-01T10:45:00Z"), at("2026-06-01T11:15:00Z"));
    let fill = |household: &mut Household| {
        let start = at("2026-06-01T09:59:00Z");
        let minute = |i: i64| start + i * 60 * SECOND;
        let (mut low, mut high) = (Vec::new(), Vec::new());
        for i in 0..130 {
            low.push(sample(
                minute(i),
                1000 + 10 * (minute(i).min(switch - 60 * SECOND) - start) / (60 * SECOND),
            ));
            high.push(sample(minute(i), 1000 + 10 * (minute(i) - resume).max(0) / (60 * SECOND)));
        }
        household.store(&named("grid", "T1", "kWh"), "1.8.1", &high, &[]);
        household.store(&named("grid", "T2", "kWh"), "1.8.2", &low, &[]);
    };
    let folder = tempfile::tempdir().unwrap();
    let program = program_filled(&folder, text, fill).await;
    let path = "/balance?from=2026-06-01T10:00:00Z&to=2026-06-01T12:00:00Z&cost=true&";
    let quarters = program.get(&format!("{path}step=15m")).await.json();
    let saved = serde_json::json!([0.03, 0.03, 0.03, 0.03, 0.03, 0.06, 0.06, 0.06]);
    assert_eq!(quarters["saved"], saved, "the last register that counted holds on: {quarters}");
    let hours = program.get(&format!("{path}per=hour")).await.json();
    assert_eq!(hours["saved"], serde_json::json!([0.12, 0.21]), "{hours}");
    assert_eq!(hours["cost_gap"], serde_json::json!([false, false]), "{hours}");
    let month = program.get(&format!("{path}per=month")).await.json();
    let all = program.get("/balance?from=2026-06-01&to=2026-06-02&cost=true&step=15m").await.json();
    let sum: f64 = all["saved"].as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).sum();
    assert!((month["saved"][0].as_f64().unwrap() - sum).abs() < 1e-6, "{month} {sum}");
}

#[tokio::test]
async fn too_many_quarter_hours_are_refused_with_the_parameter_to_change() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(&folder).await;
    let answer = program.get("/balance?from=2026-01-01&to=2026-12-31&step=15m").await;
    let message = "the range has more than 10000 quarter-hours: ask for `per=hour` in place of `step=15m`";
    assert_eq!((answer.status, answer.message()), (400, message.to_owned()));
}

/// Returns the JSON of an answer that was sent in chunks.
fn unchunked(mut body: &str) -> serde_json::Value {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let (chunk, rest) = rest.split_at(usize::from_str_radix(length, 16).unwrap());
        whole.push_str(chunk);
        body = rest.trim_start_matches("\r\n");
    }
    serde_json::from_str(&whole).unwrap()
}

//! Names in the parameters of requests that do not exist.

use super::*;
use crate::journal::testing::{Household, at, named, sample};

fn journal(folder: &tempfile::TempDir) -> Journal {
    let path = folder.path().join("journal.db");
    let mut household = Household::at(&path);
    let time = at("2026-11-01T12:00:00Z");
    household.store(&named("grid", "E", "kWh"), "1.8.0", &[sample(time, 12_500)], &[]);
    household.store(&named("weather", "OUTSIDE", "°C"), "", &[sample(time, 1)], &[]);
    household.open(&path)
}

#[tokio::test]
async fn a_source_or_reading_that_does_not_exist_is_a_404_with_those_that_do() {
    let folder = tempfile::tempdir().unwrap();
    let program = Setup { journal: journal(&folder), ..Setup::default() }.start().await;
    let sources = "the journal has `grid`, `weather`";
    for (path, message) in [
        ("/registers?source=nope", format!("no source `nope`: {sources}")),
        ("/registers?source=nope&from=2026-11-01", format!("no source `nope`: {sources}")),
        ("/insights?heat_pump=nope", format!("no source `nope`: {sources}")),
        ("/insights?temperature=nope/T", format!("no source `nope`: {sources}")),
        ("/insights?temperature=weather/T", "no reading `T`: `weather` has `OUTSIDE`".to_owned()),
    ] {
        let answer = program.get(path).await;
        assert_eq!(answer.error(), (404, "not_found".to_owned()), "{path}");
        assert_eq!(answer.json()["error"]["message"], message, "{path}");
    }
    let wrong = program.get("/insights?temperature=grid/E").await;
    assert_eq!(wrong.error(), (400, "bad_request".to_owned()), "a counter of energy is no temperature");
    assert_eq!(program.get("/registers?source=weather").await.json()["registers"], serde_json::json!([]));
}

#[tokio::test]
async fn a_register_says_how_many_digits_the_meter_sends_zeros_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(
        ["grid"].map(|name| Section::new(name, "test", Duration::from_secs(3600), crate::Stats::default())),
    );
    let reading = crate::Reading::counter("E", crate::Decimal::new(125_100, 4).unwrap()).unit("kWh");
    store.publish(&store.sections()[0], crate::Batch::now(vec![reading]));
    let program = Setup { journal: journal(&folder), store, ..Setup::default() }.start().await;
    let json = program.get("/registers?at=2026-11-01T12:00:00Z").await.json();
    let row = &json["registers"][0];
    assert_eq!((&row["value"], &row["decimals"]), (&12.5.into(), &4.into()));
}

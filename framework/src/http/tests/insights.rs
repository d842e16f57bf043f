use super::*;

#[tokio::test]
async fn figures_worth_knowing_are_there_also_without_readings() {
    let program = Setup { journal: Journal::off(), ..Setup::default() }.start().await;
    assert_eq!(program.get("/insights").await.error(), (503, "journal_unavailable".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let program = Setup { journal: history::journal(&folder), ..Setup::default() }.start().await;
    let found = program.get("/insights?month=2026-11&rule=be,hour&heat_pump=d0").await.json();
    assert_eq!((&found["month"], &found["standby"]["reason"]), (&"2026-11".into(), &"no_grid".into()));
    let rules: Vec<_> =
        found["peaks"].as_array().unwrap().iter().map(|peak| peak["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["be", "hour"]);
    assert_eq!((&found["greatest_day"], &found["voltage"]), (&Json::Null, &serde_json::json!([])));
    // Kept for some minutes: the answer is the same.
    assert_eq!(program.get("/insights?month=2026-11&rule=be,hour&heat_pump=d0").await.json(), found);
}

#[tokio::test]
async fn a_month_or_rule_that_is_not_understood_is_refused() {
    let program = Setup::default().start().await;
    for query in [
        "month=2026",
        "month=2026-13",
        "month=0001-01",
        "rule=dk",
        "hours=0",
        "hours=many",
        "days=two",
        "temperature=x",
        "x=1",
    ] {
        assert_eq!(
            program.get(&format!("/insights?{query}")).await.error(),
            (400, "bad_request".to_owned()),
            "{query}"
        );
    }
}

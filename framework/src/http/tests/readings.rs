use super::*;
use crate::{Label, Labels, SourceRole, Text};

#[tokio::test]
async fn each_reading_says_what_it_is() {
    let program = Setup { store: store(&["meter", "silent"]), ..Setup::default() }.start().await;
    let mut batch = meter();
    batch.readings.extend([
        Reading::counter("rain", 12).unit("mm"),
        Reading::gauge("power", 5).unit("KW"),
        Reading::number("L2", 7).obis(Obis::parse(b"56.8.1").unwrap()).unit("kWh "),
        Reading::flag("open", true),
    ]);
    publish(&program.store, "meter", batch);
    let answer = program.get("/readings").await;
    // What it counts makes it the meter of the grid.
    let mut said = answer.json();
    for reading in said["meter"].as_object_mut().unwrap().values_mut() {
        let reading = reading.as_object_mut().unwrap();
        assert_eq!(reading.remove("source_role"), Some("grid".into()));
        assert_eq!(reading.remove("role_guessed"), Some(true.into()));
    }
    assert_eq!(
        said,
        serde_json::json!({"meter": {
            "IMPORT": {"kind": "counter", "quantity": "energy", "unit": "kWh", "factor": 3.6e6,
                "medium": "electricity", "direction": "import", "live": true},
            "ID": {"kind": "state", "quantity": "meter_number", "medium": "electricity", "live": false},
            "DEMAND": {"kind": "maximum", "quantity": "power", "unit": "kW", "factor": 1000.0,
                "medium": "electricity", "direction": "import", "live": false},
            "count": {"kind": "state", "quantity": "other", "live": true},
            "a b/ü": {"kind": "state", "quantity": "other", "live": true},
            "rain": {"kind": "counter", "quantity": "other", "unit": "mm", "live": true},
            "power": {"kind": "gauge", "quantity": "power", "unit": "kW", "factor": 1000.0, "live": true},
            "L2": {"kind": "net", "quantity": "energy", "unit": "kWh", "factor": 3.6e6,
                "medium": "electricity", "phase": "L2", "direction": "net", "tariff": 1, "live": true},
            "open": {"kind": "state", "quantity": "other", "live": true},
        }})
    );
    assert!(answer.body.find("IMPORT") < answer.body.find("DEMAND"), "the order of the device");
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(program.ask("POST", "/readings", "").await.error(), (405, "method_not_allowed".to_owned()));
}

#[tokio::test]
async fn readings_have_the_labels_and_roles_of_themselves_and_of_their_source() {
    let store = store(&["meter"]);
    let said = |label: Option<&str>, role| Label { label: label.map(Text::from), role };
    let labels = Labels::new(
        said(Some("Zähler im Keller"), Some(SourceRole::Submeter)),
        [("IMPORT", said(Some("Bezug"), None)), ("*", said(None, Some(SourceRole::Hidden)))],
    );
    store.section("meter").unwrap().relabel(labels);
    let program = Setup { store, ..Setup::default() }.start().await;
    publish(&program.store, "meter", meter());
    let readings = program.get("/readings").await.json();
    let of = |name: &str| {
        ["label", "role", "source_label", "source_role", "role_guessed"]
            .map(|key| readings["meter"][name][key].clone())
    };
    let null = serde_json::Value::Null;
    let (label, role) = (serde_json::json!("Zähler im Keller"), serde_json::json!("submeter"));
    assert_eq!(of("IMPORT"), ["Bezug".into(), null.clone(), label.clone(), role.clone(), null.clone()]);
    assert_eq!(of("DEMAND"), [null.clone(), "hidden".into(), label, role, null.clone()]);
    let health = program.get("/health").await.json();
    assert_eq!((&health["sources"]["meter"]["role"], &health["name"]), (&"submeter".into(), &null));
}

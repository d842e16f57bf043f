use super::*;

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
    assert_eq!(
        answer.json(),
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

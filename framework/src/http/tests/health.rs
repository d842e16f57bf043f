use super::*;
use crate::store::State;

#[tokio::test]
async fn nothing_configured_is_well() {
    let answer = Setup { store: store(&[]), ..Setup::default() }.start().await.get("/health").await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["status"], "ok");
    assert_eq!(json["simulated"], true);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["instances"], serde_json::json!({}));
    assert!(json["uptime_seconds"].is_u64());
    assert!(json["started"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn an_instance_is_well_while_it_delivers() {
    let house = Setup { store: store(&["z", "a"]), ..Setup::default() }.start().await;
    let [z, a] = house.store.sections() else { panic!() };
    publish(&house.store, "z", meter());
    let answer = house.get("/health").await;
    assert_eq!(answer.status, 503, "one of two is not enough");
    assert_eq!(answer.json()["status"], "degraded");
    assert!(answer.body.find(r#""z":"#) < answer.body.find(r#""a":"#), "the order of the configuration");
    assert_eq!(
        answer.json()["instances"]["a"],
        serde_json::json!({
            "plugin": "test", "state": "starting", "last_success": null, "last_error": null,
            "counts": {"batches": 0, "thinned": 0, "malformed": 0, "reopened": 0, "panics": 0, "parity_errors": 3},
            "facts": {"framing": "7e1"}
        })
    );

    publish(&house.store, "a", meter());
    a.health.malformed.increment();
    a.health.fault("a `telegram` of \"rubbish\"".to_owned());
    let answer = house.get("/health").await;
    assert_eq!(answer.status, 200);
    let json = &answer.json()["instances"]["a"];
    assert_eq!(json["state"], "delivering");
    assert_eq!(json["last_success"], "2020-02-06T21:37:51.607046+00:00");
    assert_eq!(json["last_error"]["message"], "a `telegram` of \"rubbish\"");
    assert!(json["last_error"]["at"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(json["counts"]["batches"], 1);
    assert_eq!(json["counts"]["malformed"], 1);

    for state in [State::Starting, State::Waiting, State::Failed, State::Stopped] {
        z.health.set_state(state);
        let answer = house.get("/health").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["instances"]["z"]["state"], state.as_str());
    }
}

#[tokio::test]
async fn an_instance_that_has_been_silent_is_stale() {
    let section =
        Section::new("meter", "test", Duration::ZERO, Context::new("meter", "", DEADLINE).stats().clone());
    let house = Setup { store: Store::new([section]), ..Setup::default() }.start().await;
    publish(&house.store, "meter", meter());
    let answer = house.get("/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["instances"]["meter"]["state"], "stale");
    assert!(house.get("/data").await.body.ends_with(r#","stale":true}}"#));
    assert_eq!(house.get("/data/meter/stale").await.body, "true");
}

use super::*;
use crate::{FaultCode, store::State};

#[tokio::test]
async fn nothing_configured_is_well() {
    let answer = Setup { store: store(&[]), ..Setup::default() }.start().await.get("/health").await;
    assert_eq!(answer.status, 200);
    let json = answer.json();
    assert_eq!(json["status"], "ok");
    assert_eq!(json["simulated"], true);
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["sources"], serde_json::json!({}));
    assert!(json["uptime_seconds"].is_u64());
    assert!(json["started"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn a_source_is_well_while_it_delivers() {
    let program = Setup { store: store(&["z", "a"]), ..Setup::default() }.start().await;
    let [z, a] = &*program.store.sections() else { panic!() };
    publish(&program.store, "z", meter());
    let answer = program.get("/health").await;
    assert_eq!(answer.status, 503, "one of two is not enough");
    let always = program.get("/health?code=200").await;
    assert_eq!((always.status, &always.json()["status"]), (200, &"degraded".into()));
    assert_eq!(answer.json()["status"], "degraded");
    assert!(answer.body.find(r#""z":"#) < answer.body.find(r#""a":"#), "the order of the configuration");
    assert_eq!(
        answer.json()["sources"]["a"],
        serde_json::json!({
            "plugin": "test", "state": "starting", "last_success": null, "last_error": null,
            "counts": {"batches": 0, "superseded": 0, "malformed": 0, "reopened": 0, "panics": 0, "parity_errors": 3},
            "facts": {"framing": "7e1"}
        })
    );

    publish(&program.store, "a", meter());
    a.health.malformed.increment();
    a.health.status.fault(FaultCode::Unreadable, "a `telegram` of \"rubbish\"");
    let answer = program.get("/health").await;
    assert_eq!(answer.status, 200);
    let json = &answer.json()["sources"]["a"];
    assert_eq!(json["state"], "delivering");
    assert_eq!(json["last_success"], "2020-02-06T21:37:51.607046+00:00");
    assert_eq!(json["last_error"]["message"], "a `telegram` of \"rubbish\"");
    assert_eq!(json["last_error"]["code"], "unreadable", "for a page in another language");
    assert!(json["last_error"]["at"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(json["counts"]["batches"], 1);
    assert_eq!(json["counts"]["malformed"], 1);

    for state in [State::Starting, State::Waiting, State::Failed, State::Stopped] {
        z.health.status.set_state(state);
        let answer = program.get("/health").await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["sources"]["z"]["state"], state.as_str());
    }
}

#[tokio::test]
async fn a_source_with_a_problem_is_not_well_although_it_delivers() {
    let cx = Context::new("heat", "");
    let section = Section::new("heat", "test", Duration::from_secs(30), cx.stats().clone());
    let house = Setup { store: Store::new([section]), ..Setup::default() }.start().await;
    publish(&house.store, "heat", meter());
    assert_eq!(house.get("/health").await.status, 200);
    cx.set_problem(Some((FaultCode::NotSaved, "the count is in memory only")));
    let answer = house.get("/health").await;
    assert_eq!((answer.status, &answer.json()["status"]), (503, &"degraded".into()));
    let shown = &answer.json()["sources"]["heat"];
    assert_eq!(
        (&shown["state"], &shown["problem"]),
        (&"delivering".into(), &"the count is in memory only".into())
    );
    assert_eq!(shown["problem_code"], "not_saved");
    cx.set_problem(None);
    let answer = house.get("/health").await;
    assert_eq!((answer.status, answer.json()["sources"]["heat"].get("problem")), (200, None));
}

#[tokio::test]
async fn a_source_that_has_been_silent_is_stale() {
    let section = Section::new("meter", "test", Duration::ZERO, Context::new("meter", "").stats().clone());
    let program = Setup { store: Store::new([section]), ..Setup::default() }.start().await;
    publish(&program.store, "meter", meter());
    let answer = program.get("/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["sources"]["meter"]["state"], "stale");
    assert!(program.get("/data").await.body.ends_with(r#","stale":true}}"#));
    assert_eq!(program.get("/data/meter/stale").await.body, "true");
}

#[tokio::test]
async fn a_publisher_is_well_while_its_records_arrive_or_there_are_none() {
    let cx = Context::new("home", "");
    cx.counter("reconnects").add(4);
    cx.fact("broker").set("mosquitto");
    let home = Arc::new(Delivery::new("home", "mqtt", cx.stats().clone()));
    let program = Setup { publishers: vec![Arc::clone(&home)], ..Setup::default() }.start().await;
    let answer = program.get("/health").await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &"ok".into()));
    assert_eq!(
        answer.json()["publishers"],
        serde_json::json!({"home": {
            "plugin": "mqtt", "state": "starting", "backlog": 0, "oldest": null, "last_success": null,
            "last_error": null,
            "counts": {"records": 0, "failures": 0, "refused": 0, "expired": 0, "panics": 0, "reconnects": 4},
            "facts": {"broker": "mosquitto"}
        }})
    );

    let moment = "2020-02-06T21:37:51.607046Z".parse().unwrap();
    home.set_backlog(17, Some(moment));
    assert_eq!(program.get("/health").await.status, 503, "something waits, and it has delivered nothing");
    home.status.success(moment);
    home.refused.add(2);
    home.status.fault(FaultCode::Unreachable, "the broker is away");
    let answer = program.get("/health").await;
    assert_eq!(answer.status, 200, "it delivers, so what waits is on its way");
    let shown = &answer.json()["publishers"]["home"];
    assert_eq!((&shown["state"], &shown["backlog"]), (&"delivering".into(), &17.into()));
    assert_eq!(shown["oldest"], "2020-02-06T21:37:51.607046+00:00");
    assert_eq!(shown["last_success"], "2020-02-06T21:37:51.607046+00:00");
    assert_eq!(shown["last_error"]["message"], "the broker is away");
    assert_eq!(shown["counts"]["refused"], 2);

    for state in [State::Waiting, State::Failed, State::Stopped] {
        home.status.set_state(state);
        let answer = program.get("/health").await;
        assert_eq!((answer.status, &answer.json()["status"]), (503, &"degraded".into()));
        assert_eq!(answer.json()["publishers"]["home"]["state"], state.as_str());
    }
}

#[tokio::test]
async fn a_publisher_of_history_shows_how_far_it_has_delivered_and_no_backlog() {
    let home = Arc::new(Delivery::new("home", "past", Context::new("home", "").stats().clone()).of_history());
    let program = Setup { publishers: vec![Arc::clone(&home)], ..Setup::default() }.start().await;
    let answer = program.get("/health").await;
    assert_eq!(answer.status, 200, "nothing was to be delivered yet");
    assert_eq!(
        answer.json()["publishers"]["home"],
        serde_json::json!({
            "plugin": "past", "state": "starting", "delivered_to": null, "last_success": null, "last_error": null,
            "counts": {"records": 0, "failures": 0, "panics": 0}, "facts": {}
        })
    );
    home.set_delivered_to("2026-11-29T01:00:00Z".parse().ok());
    home.status.success("2026-11-29T01:00:03Z".parse().unwrap());
    let answer = program.get("/health").await;
    assert_eq!(answer.json()["publishers"]["home"]["delivered_to"], "2026-11-29T01:00:00.000000+00:00");
    let metrics = program.get("/metrics").await.body;
    let end = "smartmeter_publisher_delivered_to_timestamp_seconds{publisher=\"home\"} 1795914000";
    assert!(metrics.contains(end) && !metrics.contains("smartmeter_publisher_backlog{"), "{metrics}");
    home.status.set_state(State::Waiting);
    assert_eq!(program.get("/health").await.status, 503, "its server is away");
}

#[tokio::test(start_paused = true)]
async fn a_publisher_that_blocks_its_thread_is_not_well() {
    let home = Delivery::new("home", "mqtt", Context::new("home", "").stats().clone());
    home.status.success("2020-02-06T21:37:51.607046Z".parse().unwrap());
    home.enter_plugin();
    tokio::time::advance(Duration::from_secs(120)).await;
    assert_eq!(home.state(), State::Delivering, "its time is not over");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(home.state(), State::Waiting);
    home.leave_plugin();
    assert_eq!(home.state(), State::Delivering);
}

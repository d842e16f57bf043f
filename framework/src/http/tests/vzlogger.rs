use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::VzloggerConfig;

/// A server of vzlogger's routes.
async fn start(store: Arc<Store>, index: bool, uuids: &[(&str, &str)]) -> Running {
    let uuids = uuids.iter().map(|(series, uuid)| ((*series).to_owned(), uuid.parse().unwrap()));
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = VzloggerConfig { listen, index, uuids: uuids.collect() };
    let listener = TcpListener::bind(listen).await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served =
        tokio::spawn(serve_vzlogger(listener, Vzlogger::new(Arc::clone(&store), &config), stop.clone()));
    Running { store, address, stop, served }
}

fn filled() -> Arc<Store> {
    let store = store(&["meter", "silent"]);
    publish(&store, "meter", meter());
    store
}

/// The channels by their names.
fn channels(answer: &Answer) -> BTreeMap<String, Json> {
    let json = answer.json();
    assert_eq!((&json["generator"], &json["version"]), (&json!("vzlogger"), &json!("0.8.10")));
    let data = json["data"].as_array().unwrap().iter();
    data.map(|channel| (channel["name"].as_str().unwrap().to_owned(), channel.clone())).collect()
}

const IMPORT: &str = "32c8ca93-c563-52fb-b20b-afb32d625f00";

#[tokio::test]
async fn each_number_is_a_channel() {
    let house = start(filled(), true, &[]).await;
    let answer = house.get("/").await;
    assert_eq!(answer.status, 200);
    let all = channels(&answer);
    let names: Vec<_> = all.keys().map(String::as_str).collect();
    assert_eq!(names, ["meter/DEMAND", "meter/IMPORT", "meter/count"]);
    let channel = json!({
        "uuid": IMPORT, "name": "meter/IMPORT", "obis": "1-0:1.8.0*255", "last": 1_581_025_071_607_i64,
        "interval": -1, "protocol": "test", "tuples": [[1_581_025_071_607_i64, 4_457_153.123_45]]
    });
    assert_eq!(all["meter/IMPORT"], channel);
    assert!(answer.body.contains("[1581025071607,4457153.12345]"), "every digit, in Wh: {}", answer.body);
    assert_eq!(all["meter/DEMAND"]["tuples"][0][1], 3500, "power in W");
    assert_eq!(all["meter/count"]["tuples"][0][1], 13756.57, "no unit: as it is");
    assert!(all["meter/count"]["obis"].is_null());

    for path in [format!("/{IMPORT}"), format!("/{}", IMPORT.to_uppercase()), format!("/{IMPORT}?mode=comet")]
    {
        let answer = house.get(&path).await;
        assert_eq!((answer.status, &answer.json()["data"]), (200, &json!([channel])), "{path}");
    }
}

#[tokio::test]
async fn there_is_nothing_else() {
    let house = start(filled(), true, &[]).await;
    for path in [
        "/nope",
        "/0958752e-8dd1-4b0a-9eed-e6d57bf78e8a",
        "/data",
        "/DATA",
        "/cmds",
        "/cmd?name=x",
        "/metrics",
        "//",
        "*",
    ] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.json()["data"], json!([]), "{path}");
    }
    for path in ["/", "/cmd", &format!("/{IMPORT}")] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = house.ask(method, path, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
            assert_eq!(answer.json()["exception"]["message"], "not implemented");
        }
    }
    let head = house.ask("HEAD", "/", "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[tokio::test]
async fn without_an_index_a_channel_has_its_uuid_only() {
    let house = start(filled(), false, &[]).await;
    let answer = house.get("/").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["exception"], json!({"message": "channel index is disabled", "code": 0}));
    assert_eq!(answer.json()["data"], json!([]));
    assert_eq!(house.get(&format!("/{IMPORT}")).await.status, 200);
}

#[tokio::test]
async fn a_uuid_may_be_chosen() {
    let chosen = "0958752e-8dd1-4b0a-9eed-e6d57bf78e8a";
    // The other one gets what would be a third one's.
    let house = start(filled(), true, &[("meter/count", chosen), ("meter/DEMAND", IMPORT)]).await;
    let all = channels(&house.get("/").await);
    assert_eq!(all["meter/count"]["uuid"], chosen);
    assert_eq!(all["meter/DEMAND"]["uuid"], IMPORT);
    assert!(!all.contains_key("meter/IMPORT"), "a UUID means one series");
    let answer = house.get(&format!("/{IMPORT}")).await;
    assert_eq!(channels(&answer).into_keys().collect::<Vec<_>>(), ["meter/DEMAND"]);
}

#[tokio::test]
async fn what_is_stale_is_absent() {
    let stats = Context::new("meter", "").stats().clone();
    let store = Store::new([Section::new("meter", "test", Duration::ZERO, stats)]);
    let house = start(store, true, &[]).await;
    for _ in 0..2 {
        let answer = house.get("/").await;
        assert_eq!((answer.status, &answer.json()["data"]), (200, &json!([])));
        let answer = house.get(&format!("/{IMPORT}")).await;
        assert_eq!((answer.status, &answer.json()["data"]), (404, &json!([])));
        publish(&house.store, "meter", meter());
    }
}

#[tokio::test]
async fn a_register_with_a_time_of_its_own_is_dated_so() {
    let store = store(&["meter"]);
    let mut batch = meter();
    let utc = Some("2020-02-06T21:00:00Z".parse().unwrap());
    batch.readings[0].time = Some(crate::DeviceTime { sent: "200206220000W".into(), utc });
    batch.readings[0].name = "a\"\\\u{1}ü".into();
    publish(&store, "meter", batch);
    let house = start(store, true, &[]).await;
    let channel = &channels(&house.get("/").await)["meter/a\"\\\u{1}ü"];
    assert_eq!(channel["tuples"][0][0], 1_581_022_800_000_i64);
    assert_eq!(channel["last"], 1_581_025_071_607_i64);
}

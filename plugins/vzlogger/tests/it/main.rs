//! The endpoint as a client of vzlogger asks it.

#![allow(clippy::unwrap_used)] // a test's own sockets

use std::{collections::BTreeMap, time::Duration};

use framework::{
    Batch, ConfigError, Context, Decimal, DeviceTime, Endpoint, EndpointPlugin as _, Obis, PublisherContext,
    Reading, SPELLINGS,
    testing::{self, publisher_context, publisher_context_stale_after, update_source},
};
use plugin_vzlogger::Vzlogger;
use serde_json::{Value as Json, json};
use tokio::{net::TcpListener, runtime::Runtime};

const IMPORT: &str = "32c8ca93-c563-52fb-b20b-afb32d625f00";
const CHOSEN: &str = "0958752e-8dd1-4b0a-9eed-e6d57bf78e8a";

#[test]
fn keeps_the_contract() {
    testing::check_endpoint::<Vzlogger>();
}

fn obis(code: &str) -> Obis {
    Obis::parse(code.as_bytes()).unwrap()
}

fn number(name: &str, text: &str) -> Reading {
    Reading::number(name, Decimal::parse(text.as_bytes()).unwrap())
}

fn meter() -> Batch {
    let mut demand = number("DEMAND", "3.5").obis(obis("1-0:1.6.0*255")).unit("kW");
    demand.more = vec!["2001010715".into()];
    Batch {
        taken_at: "2020-02-06T21:37:51.607046Z".parse().unwrap(),
        readings: vec![
            number("IMPORT", "004457.15312345").obis(obis("1-0:1.8.0*255")).unit("kWh"),
            Reading::text("ID", "1EBZ").obis(obis("1-0:0.0.0*255")),
            demand,
            number("count", "13756.57"),
        ],
    }
}

/// Builds the endpoint in a program with the sources `meter` and `grid`.
fn build(mut keys: Json) -> Result<Box<dyn Endpoint>, ConfigError> {
    keys["listen"] = keys.get("listen").cloned().unwrap_or("127.0.0.1:0".into());
    let cx = Context::new("vzlogger", "").with_sources(["meter".into(), "grid".into()].into());
    Vzlogger::build(serde_json::from_value(keys).unwrap(), &cx)
}

/// A running endpoint.
struct Running {
    url: String,
    _runtime: Runtime,
}

fn start(context: &PublisherContext, keys: Json) -> Running {
    let mut endpoint = build(keys).map_err(|error| error.to_string()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind(endpoint.listen())).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let context = testing::endpoint_context(context);
    runtime.spawn(async move { endpoint.serve(listener, context).await });
    Running { url, _runtime: runtime }
}

struct Answer {
    status: u16,
    allow: Option<String>,
    body: String,
}

impl Running {
    fn ask(&self, method: &str, path: &str) -> Answer {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .body(())
            .unwrap();
        let mut answer = agent.run(request).unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
        let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        let (status, body) = (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap());
        Answer { status, allow, body }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path)
    }
}

impl Answer {
    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The channels by their names.
    fn channels(&self) -> BTreeMap<String, Json> {
        let json = self.json();
        assert_eq!((&json["generator"], &json["version"]), (&json!("vzlogger"), &json!("0.8.10")));
        let data = json["data"].as_array().unwrap().iter();
        data.map(|channel| (channel["name"].as_str().unwrap().to_owned(), channel.clone())).collect()
    }
}

#[test]
fn each_number_is_a_channel() {
    let endpoint = start(&publisher_context(&[("meter", meter())]), json!({}));
    let answer = endpoint.get("/");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        "{\"version\":\"0.8.10\",\"generator\":\"vzlogger\",\"data\":[\
         {\"uuid\":\"32c8ca93-c563-52fb-b20b-afb32d625f00\",\"name\":\"meter/IMPORT\",\"obis\":\"1-0:1.8.0*255\",\
         \"last\":1581025071607,\"interval\":-1,\"protocol\":\"test\",\"tuples\":[[1581025071607,4457153.12345]]},\
         {\"uuid\":\"825108f2-29e9-5608-91ec-ce81dd21a79a\",\"name\":\"meter/DEMAND\",\"obis\":\"1-0:1.6.0*255\",\
         \"last\":1581025071607,\"interval\":-1,\"protocol\":\"test\",\"tuples\":[[1581025071607,3500]]},\
         {\"uuid\":\"f4b5400a-91e6-5a97-ab31-7f987f8f2987\",\"name\":\"meter/count\",\
         \"last\":1581025071607,\"interval\":-1,\"protocol\":\"test\",\"tuples\":[[1581025071607,13756.57]]}]}",
        "energy in Wh with every digit, power in W, a number without a unit as it is, no text"
    );
    let channel = &answer.channels()["meter/IMPORT"];
    for path in [format!("/{IMPORT}"), format!("/{}", IMPORT.to_uppercase()), format!("/{IMPORT}?mode=comet")]
    {
        let answer = endpoint.get(&path);
        assert_eq!((answer.status, &answer.json()["data"]), (200, &json!([channel])), "{path}");
    }
}

#[test]
fn energy_and_power_are_without_prefix_in_every_spelling() {
    let numbers =
        SPELLINGS.iter().enumerate().map(|(n, (spelling, _))| number(&format!("R{n}"), "2").unit(*spelling));
    let batch = Batch { readings: numbers.collect(), ..meter() };
    let channels = start(&publisher_context(&[("meter", batch)]), json!({})).get("/").channels();
    for (n, (spelling, unit)) in SPELLINGS.iter().enumerate() {
        let expected = match unit.symbol() {
            "kWh" | "kvarh" | "kVAh" | "kW" | "kvar" | "kVA" => 2e3,
            "MWh" | "Mvarh" | "MVAh" | "MW" | "Mvar" | "MVA" => 2e6,
            "GWh" => 2e9,
            "mW" => 2e-3,
            // Six decimals.
            "J" => 0.000_556,
            "kJ" => 0.555_556,
            "MJ" => 555.555_556,
            "GJ" => 555_555.555_556,
            _ => 2.0,
        };
        let value = channels[&format!("meter/R{n}")]["tuples"][0][1].as_f64().unwrap();
        assert!((value - expected).abs() < 1e-9, "{spelling}: {value}");
    }
}

#[test]
fn there_is_nothing_else() {
    let endpoint = start(&publisher_context(&[("meter", meter())]), json!({}));
    let absent = [
        "/nope",
        "/0958752e-8dd1-4b0a-9eed-e6d57bf78e8a",
        "/data",
        "/DATA",
        "/cmds",
        "/cmd?name=x",
        "/metrics",
        "//",
    ];
    for path in absent {
        let answer = endpoint.get(path);
        assert_eq!((answer.status, &answer.json()["data"]), (404, &json!([])), "{path}");
    }
    for path in ["/", "/cmd", &format!("/{IMPORT}")] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = endpoint.ask(method, path);
            assert_eq!((answer.status, answer.allow.as_deref()), (405, Some("GET, HEAD")), "{method} {path}");
            assert_eq!(answer.json()["exception"]["message"], "not implemented");
        }
    }
    let head = endpoint.ask("HEAD", "/");
    assert_eq!((head.status, &*head.body), (200, ""));
}

#[test]
fn without_an_index_a_channel_needs_its_uuid() {
    let endpoint = start(&publisher_context(&[("meter", meter())]), json!({"index": false}));
    let answer = endpoint.get("/");
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["exception"], json!({"message": "channel index is disabled", "code": 0}));
    assert_eq!(answer.json()["data"], json!([]));
    assert_eq!(endpoint.get(&format!("/{IMPORT}")).status, 200);
}

#[test]
fn a_uuid_may_be_chosen() {
    // DEMAND gets the UUID that would be that of IMPORT.
    let keys = json!({"uuids": {"meter/count": CHOSEN.to_uppercase(), "meter/DEMAND": IMPORT}});
    let endpoint = start(&publisher_context(&[("meter", meter())]), keys);
    let all = endpoint.get("/").channels();
    assert_eq!(all["meter/count"]["uuid"], CHOSEN);
    assert_eq!(all["meter/DEMAND"]["uuid"], IMPORT);
    assert!(!all.contains_key("meter/IMPORT"), "a UUID means one series");
    let channels = endpoint.get(&format!("/{IMPORT}")).channels();
    assert_eq!(channels.into_keys().collect::<Vec<_>>(), ["meter/DEMAND"]);
}

#[test]
fn a_stale_source_is_absent() {
    let context = publisher_context_stale_after(&[("meter", meter())], Duration::ZERO);
    let endpoint = start(&context, json!({}));
    for _ in 0..2 {
        let answer = endpoint.get("/");
        assert_eq!((answer.status, &answer.json()["data"]), (200, &json!([])));
        let answer = endpoint.get(&format!("/{IMPORT}"));
        assert_eq!((answer.status, &answer.json()["data"]), (404, &json!([])));
        update_source(&context, "meter", meter());
    }
}

#[test]
fn a_register_with_a_time_of_its_own_has_that_time() {
    let mut batch = meter();
    let utc = Some("2020-02-06T21:00:00Z".parse().unwrap());
    batch.readings[0].time = Some(DeviceTime { sent: "200206220000W".into(), utc });
    batch.readings[0].name = "a\"\\\u{1}ü".into();
    let endpoint = start(&publisher_context(&[("meter", batch)]), json!({}));
    let channel = &endpoint.get("/").channels()["meter/a\"\\\u{1}ü"];
    assert_eq!(channel["tuples"][0][0], 1_581_022_800_000_i64);
    assert_eq!(channel["last"], 1_581_025_071_607_i64);
}

#[test]
fn every_mistake_is_reported() {
    let listen = |text: &str| build(json!({ "listen": text })).err();
    assert!(listen("127.0.0.1:8081").is_none());
    let error = listen("8081").unwrap();
    assert_eq!((error.key, &*error.message), (Some("listen"), "`8081` is not an address to listen on"));
    for (series, uuid, expected) in [
        ("grid/a/b", CHOSEN, None),
        ("grid/B", "0958752e8dd14b0a9eede6d57bf78e8a", Some("is not a valid UUID")),
        ("gird/A", CHOSEN, Some("unknown source `gird`, expected one of `meter`, `grid`")),
        ("grid", CHOSEN, Some("`grid` is not a series: write a source and a reading")),
        ("grid/", CHOSEN, Some("`grid/` is not a series")),
    ] {
        let error = build(json!({"uuids": {series: uuid}})).err();
        match (error, expected) {
            (None, None) => {}
            (Some(error), Some(expected)) => {
                assert_eq!(error.key, Some("uuids"));
                assert!(error.message.contains(expected), "{}", error.message);
                assert_eq!(error.hint.as_deref() == Some("did you mean `grid`?"), series == "gird/A");
            }
            (error, _) => panic!("{series}: {error:?}"),
        }
    }
    let error = build(json!({"uuids": {"grid/A": CHOSEN, "grid/B": CHOSEN}})).err().unwrap();
    assert_eq!(error.message, "`grid/A` and `grid/B` have the same UUID");
}

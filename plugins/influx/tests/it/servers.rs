//! Tests with real servers: InfluxDB 1 (`influxd`) and VictoriaMetrics.

use std::time::{Duration, Instant};

use framework::{Publisher, Record, Timestamp};
use serde_json::{Value, json};

use crate::support::{AT, Client, Server, influxd, kind, record, victoria_metrics};

const AT_NS: i64 = 1_795_420_379_168_513_000;

async fn with_database(name: &str) -> (Server, Client) {
    let server = influxd(false);
    let client = server.client(None);
    client.query("", &format!("CREATE DATABASE {name}")).await;
    (server, client)
}

async fn deliver(publisher: &mut dyn Publisher, records: &[Record]) {
    assert_eq!(publisher.publish(records).await, Ok(records.len()));
}

pub(crate) async fn a_test_of_the_connection_checks_login_and_database_and_writes_nothing() {
    let (server, client) = with_database("house").await;
    let (mut publisher, _) = server.publisher("database = \"house\"");
    let answer = publisher.test().await.unwrap();
    assert!(answer.ends_with("answers, accepts the login, and has the place for readings"), "{answer}");
    assert_eq!(client.query("house", "SHOW MEASUREMENTS").await, Vec::<Vec<Value>>::new());
    let (mut publisher, _) = server.publisher("database = \"nowhere\"");
    let error = publisher.test().await.unwrap_err();
    assert_eq!(kind(&error), "misconfigured");
    drop(server);
    let error = publisher.test().await.unwrap_err();
    assert_eq!(kind(&error), "unavailable");
}

pub(crate) async fn repeated_readings_are_stored_once() {
    let (server, client) = with_database("house").await;
    let records = [
        record("grid", AT, &[("POWER_IMPORT", "4457.1530"), ("power", "-312")]),
        record("grid", "2026-11-23T07:53:00.168513Z", &[("POWER_IMPORT", "4457.2"), ("power", "5")]),
        record("heat", AT, &[("count", "13756.57")]),
    ];
    for keys in ["database = \"house\"", "database = \"house\"\ngzip = false", "database = \"house\""] {
        let (mut publisher, _) = server.publisher(keys);
        deliver(&mut *publisher, &records).await;
        deliver(&mut *publisher, &records[1..]).await;
    }
    let rows =
        client.query("house", "SELECT POWER_IMPORT, power, section FROM smartmeter WHERE section='grid'");
    let expected = vec![
        vec![json!(AT_NS), json!(4457.153), json!(-312), json!("grid")],
        vec![json!(AT_NS + 1_000_000_000), json!(4457.2), json!(5), json!("grid")],
    ];
    assert_eq!(rows.await, expected);
    let rows = client.query("house", "SELECT count(*) FROM smartmeter").await;
    assert_eq!(rows[0][1..], [json!(2), json!(1), json!(2)]);
    // Whole numbers too: the type of a field could not change on another day.
    let kinds = client.query("house", "SHOW FIELD KEYS FROM smartmeter").await;
    assert!(kinds.iter().all(|row| row[1] == "float"), "{kinds:?}");
}

pub(crate) async fn names_survive_the_round_trip() {
    let (server, client) = with_database("house").await;
    let keys = "database = \"house\"\nmeasurement = \"a b,c=d\"\ntags = { \"my tag\" = \"x=y, z\" }\n\
                fields = { \"o g/POWER\" = \"my=power, W\" }";
    let (mut publisher, _) = server.publisher(keys);
    let names = [
        "a b",
        "c,d",
        "e=f",
        "größe",
        "trailing\\",
        "new\nline",
        "q\"uote",
        "",
        "time",
        "1.8.0*255",
        "POWER",
    ];
    let readings: Vec<_> = names.iter().map(|name| (*name, "1.5")).collect();
    deliver(&mut *publisher, &[record("o g", AT, &readings)]).await;
    let keys = client.query("house", "SHOW FIELD KEYS").await;
    let mut found: Vec<_> = keys.iter().map(|row| row[0].as_str().unwrap()).collect();
    let mut expected = [
        "a b",
        "c,d",
        "e=f",
        "größe",
        "trailing_",
        "new_line",
        "q_uote",
        "_",
        "time_",
        "1.8.0*255",
        "my=power, W",
    ];
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let series = client.query("house", "SHOW SERIES").await;
    assert_eq!(series, [[json!("a\\ b\\,c=d,my\\ tag=x\\=y\\,\\ z,section=o\\ g")]]);
}

pub(crate) async fn the_preset_writes_the_fields_of_the_original() {
    let (server, client) = with_database("house").await;
    let (mut publisher, _) = server.publisher("database = \"house\"\npreset = \"original\"");
    let mut grid = record("grid", AT, &[("POWER_IMPORT", "4457.153"), ("VOLTAGE", "230.1")]);
    grid.batch.readings[0].obis = framework::Obis::parse(b"1.8.0");
    grid.batch.readings[0].unit = Some("kWh".into());
    let mut heat = record("heat", AT, &[("count", "13756.57"), ("power", "1")]);
    heat.batch.readings[0].unit = Some("kWh".into());
    let nothing = record("machine", AT, &[("zone0", "61.8")]);
    deliver(&mut *publisher, &[grid, heat]).await;
    deliver(&mut *publisher, &[nothing]).await;
    let rows = client.query("house", "SELECT * FROM power").await;
    assert_eq!(rows, [[json!(AT_NS), json!(13756.57), json!(4457.153)]]);
    assert_eq!(client.query("house", "SHOW MEASUREMENTS").await, [[json!("power")]]);
}

pub(crate) async fn a_missing_database_is_reported() {
    let (server, _) = with_database("house").await;
    for (keys, words) in [
        ("database = \"other\"", "database not found: \"other\"; create it"),
        ("database = \"house\"\nretention_policy = \"gone\"", "retention policy not found: gone; create it"),
        ("database = \"house\"\nversion = \"v3\"", "404 page not found; check `url` and `version`"),
    ] {
        let (mut publisher, _) = server.publisher(keys);
        let error = publisher.publish(&[record("grid", AT, &[("power", "1")])]).await.unwrap_err();
        assert_eq!(kind(&error), "misconfigured", "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

pub(crate) async fn only_authorized_users_write() {
    let server = influxd(true);
    server.client(None).query("", "CREATE USER admin WITH PASSWORD 'top' WITH ALL PRIVILEGES").await;
    let admin = server.client(Some(("admin", "top")));
    for query in [
        "CREATE DATABASE house",
        "CREATE USER meter WITH PASSWORD 'geheim'",
        "GRANT WRITE ON house TO meter",
        "CREATE USER guest WITH PASSWORD 'geheim'",
    ] {
        admin.query("", query).await;
    }
    let grid = [record("grid", AT, &[("power", "1")])];
    for (keys, words) in [
        ("", "answered 401: unable to parse authentication credentials; check `username`"),
        (
            "username = \"meter\"\npassword = \"wrong\"",
            "answered 401: authorization failed; check `username`",
        ),
        (
            "username = \"guest\"\npassword = \"geheim\"",
            "the user or the token needs permission to write there",
        ),
    ] {
        let (mut publisher, _) = server.publisher(&format!("database = \"house\"\n{keys}"));
        let error = publisher.publish(&grid).await.unwrap_err();
        assert_eq!(kind(&error), "misconfigured", "{error}");
        assert!(error.to_string().contains(words) && !error.to_string().contains("geheim"), "{error}");
    }
    let right = "database = \"house\"\nusername = \"meter\"\npassword = \"geheim\"";
    deliver(&mut *server.publisher(right).0, &grid).await;
    assert_eq!(admin.query("house", "SELECT power FROM smartmeter").await, [[json!(AT_NS), json!(1)]]);
}

pub(crate) async fn a_partial_write_stores_the_other_records() {
    let (server, client) = with_database("house").await;
    let (status, _) =
        client.post("/write?db=house", &format!("smartmeter,section=old power=1i {AT_NS}")).await;
    assert_eq!(status, 204);
    let (mut publisher, _) = server.publisher("database = \"house\"");
    let records = [
        record("grid", AT, &[("energy", "1.5")]),
        record("grid", "2026-11-23T07:53:00Z", &[("power", "2.5")]),
        record("grid", "2026-11-23T07:54:00Z", &[("energy", "3.5")]),
    ];
    let error = publisher.publish(&records).await.unwrap_err();
    assert_eq!(kind(&error), "refused", "{error}");
    assert!(error.to_string().contains("field type conflict"), "{error}");
    let rows = client.query("house", "SELECT energy FROM smartmeter").await;
    assert_eq!(rows.iter().map(|row| row[1].clone()).collect::<Vec<_>>(), [json!(1.5), json!(3.5)]);
    // Alone it is refused too, and the others are accepted: so halving finds it.
    assert_eq!(kind(&publisher.publish(&records[1..2]).await.unwrap_err()), "refused");
    deliver(&mut *publisher, &records[2..]).await;
}

pub(crate) async fn readings_that_are_too_old_are_dropped() {
    let server = influxd(false);
    let client = server.client(None);
    client.query("", "CREATE DATABASE house WITH DURATION 2h").await;
    let (mut publisher, context) = server.publisher("database = \"house\"");
    let now = Timestamp::now().to_string();
    let records = [
        record("grid", "2020-01-01T00:00:00Z", &[("power", "1")]),
        record("grid", "2020-01-01T00:00:01Z", &[("power", "2")]),
        record("grid", &now, &[("power", "3")]),
    ];
    deliver(&mut *publisher, &records).await;
    assert_eq!(context.stats().counters(), [("beyond_retention", 2)]);
    let rows = client.query("house", "SELECT power FROM smartmeter").await;
    assert_eq!(rows.iter().map(|row| row[1].clone()).collect::<Vec<_>>(), [json!(3)]);
}

pub(crate) async fn victoria_metrics_accepts_both_interfaces() {
    let server = victoria_metrics();
    let client = server.client(None);
    let interfaces =
        [("one", "database = \"house\""), ("two", "org = \"home\"\nbucket = \"house\"\ntoken = \"t\"")];
    for (section, keys) in interfaces {
        let (mut publisher, _) = server.publisher(keys);
        let records = [
            record(section, AT, &[("power", "312.5")]),
            record(section, "2026-11-23T07:53:00Z", &[("power", "5")]),
        ];
        deliver(&mut *publisher, &records).await;
        deliver(&mut *publisher, &records[..1]).await;
    }
    let begun = Instant::now();
    for (section, _) in interfaces {
        let path = format!(
            "/api/v1/export?reduce_mem_usage=0&match[]=smartmeter_power%7Bsection=%22{section}%22%7D"
        );
        let row: Value = loop {
            client.post("/internal/force_flush", "").await;
            let (status, body) = client.post(&path, "").await;
            assert_eq!(status, 200, "{body}");
            if let Ok(row) = serde_json::from_str(&body) {
                break row;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is found: {body}");
        };
        let values = row["values"].as_array().unwrap();
        assert_eq!((values.first(), values.last()), (Some(&json!(312.5)), Some(&json!(5))), "{row}");
        assert_eq!(row["timestamps"][0], json!(AT_NS / 1_000_000));
    }
}

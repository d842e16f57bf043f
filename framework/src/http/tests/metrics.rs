use super::*;
use crate::store::State;

/// The lines of a metric.
fn lines<'a>(text: &'a str, metric: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.split(['{', ' ']).next() == Some(metric)).collect()
}

#[tokio::test]
async fn a_meter_is_shown_with_readings_and_status() {
    let program = Setup { store: store(&["meter", "silent"]), ..Setup::default() }.start().await;
    publish(&program.store, "meter", meter());
    let [_, silent] = &*program.store.sections() else { panic!() };
    silent.health.malformed.add(2);
    let answer = program.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    for expected in [
        r#"meter_energy_joules_total{meter="meter",reading="IMPORT",obis="1.8.0",direction="import"} 16045751244.42"#,
        r#"meter_reading{meter="meter",reading="DEMAND",unit="kW"} 3.5"#,
        r#"meter_reading{meter="meter",reading="count"} 13756.57"#,
        r#"meter_last_reading_timestamp_seconds{meter="meter"} 1581025071.607046"#,
        r#"meter_reader_up{meter="meter",plugin="test"} 1"#,
        r#"meter_reader_up{meter="silent",plugin="test"} 0"#,
        r#"meter_telegrams_total{meter="meter",result="ok"} 1"#,
        r#"meter_telegrams_total{meter="silent",result="malformed"} 2"#,
        r#"meter_telegrams_total{meter="silent",result="superseded"} 0"#,
        r#"meter_plugin_events_total{meter="meter",event="parity_errors"} 3"#,
        r#"meter_reader_reopened_total{meter="meter"} 0"#,
        r#"meter_reader_panics_total{meter="meter"} 0"#,
        "# TYPE meter_energy_joules_total counter",
        "# TYPE meter_reading gauge",
        concat!("smartmeter_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
    ] {
        assert!(answer.body.lines().any(|line| line == expected), "no `{expected}` in\n{}", answer.body);
    }
    assert_eq!(
        lines(&answer.body, "meter_last_reading_timestamp_seconds").len(),
        1,
        "none came from the other"
    );
    assert!(!answer.body.contains("Käse") && !answer.body.contains("1EBZ"), "texts are no samples");
    assert!(!answer.body.contains("smartmeter_journal_up"), "there is no journal");
    let memory = lines(&answer.body, "process_resident_memory_bytes")[0].rsplit(' ').next().unwrap();
    assert!(memory.parse::<u64>().unwrap() > 1 << 20, "{memory}");
}

#[tokio::test]
async fn it_is_a_route_like_the_others() {
    let program = Setup::default().start().await;
    let head = program.ask("HEAD", "/metrics", "").await;
    assert_eq!((head.status, &*head.body), (200, ""));
    assert!(head.header("content-length").is_some_and(|length| length != "0"));
    assert_eq!(program.ask("POST", "/metrics", "").await.error(), (405, "method_not_allowed".to_owned()));
    assert_eq!(program.ask("OPTIONS", "/metrics", "").await.status, 204);
    assert_eq!(program.get("/metrics/x").await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_stale_reading_is_absent() {
    let stats = Context::new("meter", "").stats().clone();
    let section = Section::new("meter", "test", Duration::ZERO, stats);
    let program = Setup { store: Store::new([section]), ..Setup::default() }.start().await;
    publish(&program.store, "meter", meter());
    let text = program.get("/metrics").await.body;
    assert!(
        lines(&text, "meter_energy_joules_total").is_empty() && lines(&text, "meter_reading").is_empty(),
        "{text}"
    );
    assert_eq!(lines(&text, "meter_reader_up"), [r#"meter_reader_up{meter="meter",plugin="test"} 0"#]);
    assert_eq!(lines(&text, "meter_last_reading_timestamp_seconds").len(), 1);
}

#[tokio::test]
async fn a_meter_cannot_fill_a_database_with_registers() {
    let program = Setup { store: store(&["meter"]), ..Setup::default() }.start().await;
    let readings = (0..2000).map(|n| Reading::number(format!("made up {n}"), number("1"))).collect();
    publish(&program.store, "meter", Batch::now(readings));
    assert_eq!(lines(&program.get("/metrics").await.body, "meter_reading").len(), 500);
}

#[tokio::test]
async fn the_length_of_the_answer_is_bounded_whatever_meters_send() {
    let names: Vec<_> = (0..60).map(|n| format!("meter{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let program = Setup { store: store(&names), ..Setup::default() }.start().await;
    for name in &names {
        let reading = |n| Reading::number(format!("{n:0>128}"), number("1")).unit("\\".repeat(128));
        publish(&program.store, name, Batch::now((0..500).map(reading).collect()));
    }
    let text = program.get("/metrics").await.body;
    // What is not of a meter's own is there in any case.
    assert!(text.len() < (4 << 20) + 64 * 1024, "{} bytes", text.len());
    assert_eq!(lines(&text, "meter_reader_up").len(), 60);
    let shown = lines(&text, "meter_reading").len();
    assert!(shown > 5000, "{shown}");
    assert_eq!(
        lines(&text, "smartmeter_readings_omitted"),
        [format!("smartmeter_readings_omitted {}", 60 * 500 - shown)]
    );
}

#[tokio::test]
async fn publishers_are_shown() {
    let cx = Context::new("home", "");
    cx.counter("reconnects").add(4);
    let home = Arc::new(Delivery::new("home", "mqtt", cx.stats().clone()));
    let setup = Setup { publishers: vec![Arc::clone(&home)], ..Setup::default() };
    let program = setup.start().await;
    let has = async |line: &str| {
        let text = program.get("/metrics").await.body;
        assert!(text.lines().any(|there| there == line), "no `{line}` in\n{text}");
    };
    has(r#"smartmeter_publisher_up{publisher="home",plugin="mqtt"} 1"#).await;
    has(r#"smartmeter_publisher_oldest_seconds{publisher="home"} 0"#).await;
    assert!(!program.get("/metrics").await.body.contains("last_success"));

    home.set_backlog(17, "2020-02-06T21:37:51Z".parse().ok());
    home.records.add(5);
    home.expired.add(6);
    home.status.success("2020-02-06T21:37:51.5Z".parse().unwrap());
    home.status.set_state(State::Waiting);
    for line in [
        r#"smartmeter_publisher_up{publisher="home",plugin="mqtt"} 0"#,
        r#"smartmeter_publisher_backlog{publisher="home"} 17"#,
        r#"smartmeter_publisher_records_total{publisher="home"} 5"#,
        r#"smartmeter_publisher_expired_total{publisher="home"} 6"#,
        r#"smartmeter_publisher_events_total{publisher="home",event="reconnects"} 4"#,
        r#"smartmeter_publisher_last_success_timestamp_seconds{publisher="home"} 1581025071.5"#,
    ] {
        has(line).await;
    }
    let text = program.get("/metrics").await.body;
    let oldest = lines(&text, "smartmeter_publisher_oldest_seconds")[0].rsplit(' ').next().unwrap();
    assert!(oldest.parse::<u64>().unwrap() > 5 * 365 * 86_400, "{oldest}");
}

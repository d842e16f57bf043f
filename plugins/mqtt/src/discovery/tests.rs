use framework::{Batch, ConfigError, Context, Decimal, Label, testing};

use super::*;
use crate::config::Config;

const DEVICE: &str = "homeassistant/device/smartmeter_1EBZ01/config";
const ENTITY: &str = "homeassistant/sensor/smartmeter_1EBZ01/POWER/config";

fn settings() -> Result<Settings, ConfigError> {
    let config: Config = serde_json::from_str(r#"{"url": "mqtt://h"}"#).unwrap();
    config.settings(&Context::new("home", ""))
}

fn batch(number: &str) -> Batch {
    let power = Reading::number("POWER", Decimal::from(1)).unit("W");
    Batch::now(vec![power, Reading::text("METER_NUMBER", number)])
}

/// Takes the next action for the source `grid`, as topics with the beginning of their payload.
fn step(announcer: &mut Announcer, settings: &Settings, cx: &PublisherContext) -> Vec<(String, String)> {
    announcer.identify(settings, cx);
    let section = announcer.sections.get_mut("grid").unwrap();
    let plan = section.plan("grid", settings, cx);
    let shown = match &plan {
        Plan::Nothing => Vec::new(),
        Plan::Subscribe(filter) => vec![(filter.clone(), "subscribe".to_owned())],
        Plan::Send(messages) => {
            let start =
                |payload: &[u8]| String::from_utf8(payload.iter().take(7).copied().collect()).unwrap();
            messages.iter().map(|message| (message.topic.clone(), start(&message.payload))).collect()
        }
    };
    section.done(plan);
    shown
}

#[tokio::test(start_paused = true)]
async fn a_source_is_announced_when_it_is_quiet_and_again_after_news() {
    let (settings, cx) = (settings().unwrap(), testing::publisher_context(&[("grid", batch("1EBZ01"))]));
    let mut announcer = Announcer::default();
    let one = |topic: &str, payload: &str| (topic.to_owned(), payload.to_owned());
    let seen = |names: &[&str]| {
        let reading = |name: &&str| ((*name).into(), Reading::number(*name, Decimal::from(1)).unit("W"));
        Seen::from([("grid".into(), names.iter().map(reading).collect())])
    };
    announcer.learn(&seen(&["POWER"]));
    assert_eq!(step(&mut announcer, &settings, &cx), [], "it may get more readings");
    tokio::time::advance(QUIET).await;
    let others = "homeassistant/+/smartmeter_1EBZ01/+/config";
    assert_eq!(step(&mut announcer, &settings, &cx), [one(others, "subscribe")]);
    announcer.found(ENTITY);
    announcer.found("homeassistant/sensor/another/POWER/config");
    let handed_over = [one(ENTITY, r#"{"migra"#), one(ENTITY, ""), one(DEVICE, r#"{"avail"#)];
    assert_eq!(step(&mut announcer, &settings, &cx), handed_over);
    assert_eq!(step(&mut announcer, &settings, &cx), []);

    announcer.learn(&seen(&["POWER", "VOLTAGE"]));
    assert_eq!(step(&mut announcer, &settings, &cx), []);
    tokio::time::advance(QUIET).await;
    assert_eq!(step(&mut announcer, &settings, &cx), [one(DEVICE, r#"{"avail"#)]);
    announcer.announce_again();
    assert_eq!(step(&mut announcer, &settings, &cx), [one(DEVICE, r#"{"avail"#)]);

    // Another meter: the announcement of the first is removed.
    testing::update_source(&cx, "grid", batch("2EBZ02"));
    assert_eq!(step(&mut announcer, &settings, &cx)[0].1, "subscribe");
    let new = DEVICE.replace('1', "2");
    assert_eq!(step(&mut announcer, &settings, &cx), [one(DEVICE, ""), one(&new, r#"{"avail"#)]);
}

#[tokio::test(start_paused = true)]
async fn one_number_at_two_sources_is_two_devices() {
    let both = [("grid", batch("1")), ("heat", batch("1"))];
    let (settings, cx) = (settings().unwrap(), testing::publisher_context(&both));
    let mut announcer = Announcer::default();
    let power = || [("POWER".into(), Reading::number("POWER", Decimal::from(1)))].into_iter().collect();
    announcer.learn(&Seen::from([("grid".into(), power()), ("heat".into(), power())]));
    announcer.identify(&settings, &cx);
    let ids: Vec<_> = announcer.sections.values().map(|section| section.id.as_str()).collect();
    assert_eq!(ids, ["smartmeter_1_grid", "smartmeter_1_heat"]);
}

#[tokio::test(start_paused = true)]
async fn home_assistant_gets_the_labels_of_a_source_and_its_readings_and_new_ones_after_a_reload() {
    let (settings, cx) = (settings().unwrap(), testing::publisher_context(&[("grid", batch("1EBZ01"))]));
    let mut announcer = Announcer::default();
    let power =
        [("POWER".into(), Reading::number("POWER", Decimal::from(1)).unit("W"))].into_iter().collect();
    announcer.learn(&Seen::from([("grid".into(), power)]));
    tokio::time::advance(QUIET).await;
    step(&mut announcer, &settings, &cx);
    let names = |announcer: &mut Announcer| {
        announcer.take_labels(&cx);
        let section = announcer.sections.get_mut("grid").unwrap();
        let plan = section.plan("grid", &settings, &cx);
        let Plan::Send(messages) = &plan else { return None };
        let message: serde_json::Value = serde_json::from_slice(&messages.last()?.payload).ok()?;
        section.done(plan);
        Some(
            [&message["dev"]["name"], &message["cmps"]["POWER"]["name"]]
                .map(|name| name.as_str().unwrap().to_owned()),
        )
    };
    assert_eq!(names(&mut announcer), Some(["grid".to_owned(), "Energy".to_owned()]));
    assert_eq!(names(&mut announcer), None, "nothing is new");
    let said = |label: &str| Label { label: Some(label.into()), role: None };
    let labels = Labels::new(said("Zähler"), [("POWER", said("Leistung"))]);
    testing::relabel_source(&cx, "grid", labels);
    assert_eq!(names(&mut announcer), Some(["Zähler".to_owned(), "Leistung".to_owned()]));
    assert_eq!(names(&mut announcer), None);
}

use framework::{
    Decimal, DeviceTime,
    testing::{publisher_context, update_source},
};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn number(name: &str, mantissa: i64, scale: u8) -> Reading {
    Reading::number(name, Decimal::new(mantissa, scale).unwrap())
}

fn record(taken_at: &str, readings: Vec<Reading>) -> Record {
    Record { section: "grid".into(), batch: Batch { taken_at: at(taken_at), readings } }
}

fn sections(cx: &framework::PublisherContext, late: Late) -> Sections {
    Sections {
        store: Arc::clone(&cx.store),
        route: Arc::clone(&cx.route),
        topics: Topics { prefix: "smartmeter".into(), discovery: "homeassistant".into() },
        late,
        retain: true,
        opened: at("2026-11-23T08:00:00Z"),
        shown: BTreeMap::new(),
        sections: BTreeMap::new(),
        held: BTreeMap::new(),
        unsure: BTreeSet::new(),
        seen: watch::Sender::default(),
    }
}

/// Returns topic and payload of a record's message.
fn sent(sections: &mut Sections, record: &Record, now: &str) -> Option<(String, String)> {
    let message = sections.message(record, at(now))?;
    assert_eq!(message.retain, message.topic.ends_with("/state"));
    Some((message.topic, String::from_utf8(message.payload).unwrap()))
}

fn state(payload: &str) -> Option<(String, String)> {
    Some(("smartmeter/grid/state".to_owned(), payload.to_owned()))
}

fn history(payload: &str) -> Option<(String, String)> {
    Some(("smartmeter/grid/history".to_owned(), payload.to_owned()))
}

#[tokio::test]
async fn a_state_has_every_digit_and_the_texts() {
    let readings = vec![number("POWER_IMPORT", 445_715_301_234, 8), number("\"", -3184, 1)];
    let mut shown = readings.clone();
    shown.push(Reading::text("STATUS", "ok"));
    let cx = publisher_context(&[("grid", Batch { taken_at: at("2026-11-23T09:00:00Z"), readings: shown })]);
    let mut sections = sections(&cx, Late::History);
    let record = record("2026-11-23T09:00:00Z", readings);
    let expected = r#"{"timestampUTC":"2026-11-23T09:00:00.000000+00:00","\"":-318.4,"POWER_IMPORT":4457.15301234,"STATUS":"ok"}"#;
    assert_eq!(sent(&mut sections, &record, "2026-11-23T09:00:01Z"), state(expected));
    let seen = sections.seen.borrow();
    assert_eq!(seen["grid"].keys().collect::<Vec<_>>(), ["\"", "POWER_IMPORT", "STATUS"]);
}

#[tokio::test]
async fn a_gas_meter_keeps_its_value_and_its_time() {
    let gas = |value, time: &str| Reading {
        time: Some(DeviceTime { sent: time.into(), utc: Some(at(time)) }),
        ..number("GAS", value, 0)
    };
    let batch =
        |time: &str, gas: Reading| Batch { taken_at: at(time), readings: vec![number("P", 1, 0), gas] };
    let cx = publisher_context(&[("grid", batch("2026-11-23T09:10:00Z", gas(5, "2026-11-23T09:00:00Z")))]);
    let mut sections = sections(&cx, Late::History);
    let now = "2026-11-23T09:10:01Z";
    // It is ten minutes old, and still the current state.
    let first = record("2026-11-23T09:00:00Z", vec![number("GAS", 5, 0)]);
    let expected = r#"{"timestampUTC":"2026-11-23T09:00:00.000000+00:00","GAS":5,"GAS_timestampUTC":"2026-11-23T09:00:00.000000+00:00"}"#;
    assert_eq!(sent(&mut sections, &first, now), state(expected));
    let power = record("2026-11-23T09:10:00Z", vec![number("P", 1, 0)]);
    let expected = r#"{"timestampUTC":"2026-11-23T09:10:00.000000+00:00","GAS":5,"GAS_timestampUTC":"2026-11-23T09:00:00.000000+00:00","P":1}"#;
    assert_eq!(sent(&mut sections, &power, now), state(expected));
    // Its next value makes this one late.
    update_source(&cx, "grid", batch("2026-11-23T10:00:01Z", gas(6, "2026-11-23T10:00:00Z")));
    let expected = r#"{"timestampUTC":"2026-11-23T09:00:00.000000+00:00","GAS":5}"#;
    assert_eq!(sent(&mut sections, &first, "2026-11-23T10:00:02Z"), history(expected));
}

#[tokio::test]
async fn the_current_state_is_never_late() {
    let taken = "2026-11-23T09:00:00Z";
    let shown = |time| Batch { taken_at: at(time), readings: vec![number("P", 1, 0)] };
    let cx = publisher_context(&[("grid", shown(taken))]);
    let mut sections = sections(&cx, Late::History);
    let record = record("2026-11-23T09:00:00Z", vec![number("P", 1, 0)]);
    let topic = |sections: &mut Sections, now| sent(sections, &record, now).unwrap().0;
    assert_eq!(topic(&mut sections, "2026-11-23T11:00:00Z"), "smartmeter/grid/state");
    update_source(&cx, "grid", shown("2026-11-23T09:00:10Z"));
    assert_eq!(topic(&mut sections, "2026-11-23T09:00:29Z"), "smartmeter/grid/state");
    assert_eq!(topic(&mut sections, "2026-11-23T09:00:31Z"), "smartmeter/grid/history");
}

#[tokio::test]
async fn late_records_of_a_source_without_a_batch() {
    let cx = publisher_context(&[]);
    let late = record("2026-11-23T09:00:00Z", vec![number("P", 1, 0)]);
    let now = "2026-11-23T10:00:00Z";
    let expected = r#"{"timestampUTC":"2026-11-23T09:00:00.000000+00:00","P":1}"#;
    assert_eq!(sent(&mut sections(&cx, Late::History), &late, now), history(expected));
    assert_eq!(sent(&mut sections(&cx, Late::State), &late, now), state(expected));
    assert_eq!(sent(&mut sections(&cx, Late::Skip), &late, now), None);
}

#[tokio::test]
async fn the_newest_state_goes_before_a_backlog_with_the_registers_that_the_device_dates() {
    let dated = Reading {
        time: Some(DeviceTime { sent: "".into(), utc: Some(at("2026-11-23T08:55:00Z")) }),
        ..number("GAS", 6, 0)
    };
    let shown = vec![number("P", 9, 0), dated, Reading::text("STATUS", "ok")];
    let cx = publisher_context(&[("grid", Batch { taken_at: at("2026-11-23T09:00:00Z"), readings: shown })]);
    let now = "2026-11-23T09:00:01Z";
    let old = record("2026-11-16T09:00:00Z", vec![number("P", 1, 0)]);
    let newest = record("2026-11-23T09:00:00Z", vec![number("P", 9, 0)]);
    let ahead = |sections: &mut Sections, records: &[Record]| -> Vec<_> {
        let messages = sections.ahead_of(records, at(now));
        messages.iter().for_each(|message| sections.acknowledged(message));
        messages.into_iter().map(|message| String::from_utf8(message.payload).unwrap()).collect()
    };
    for late in [Late::History, Late::Skip] {
        let mut sections = sections(&cx, late);
        let expected = r#"{"timestampUTC":"2026-11-23T09:00:00.000000+00:00","GAS":6,"GAS_timestampUTC":"2026-11-23T08:55:00.000000+00:00","P":9,"STATUS":"ok"}"#;
        assert_eq!(ahead(&mut sections, std::slice::from_ref(&old)), [expected]);
        // It is shown already, and what is older does not replace it.
        assert_eq!(ahead(&mut sections, std::slice::from_ref(&old)), [""; 0]);
        let gas = record("2026-11-23T08:50:00Z", vec![number("GAS", 5, 0)]);
        for old in [&old, &gas] {
            assert!(sent(&mut sections, old, now).is_none_or(|(topic, _)| topic.ends_with("/history")));
        }
        assert_eq!(sent(&mut sections, &newest, now), state(expected));
    }
    // It comes with these records anyhow, or these have not waited.
    assert_eq!(ahead(&mut sections(&cx, Late::History), &[old.clone(), newest.clone()]), [""; 0]);
    assert_eq!(ahead(&mut sections(&cx, Late::History), &[newest]), [""; 0]);
    // All records are states there, in their order.
    assert_eq!(ahead(&mut sections(&cx, Late::State), &[old]), [""; 0]);
}

#[tokio::test]
async fn a_late_record_that_nothing_newer_follows_is_the_state() {
    let now = "2026-11-23T10:00:00Z";
    let late = |minute| record(&format!("2026-11-23T09:0{minute}:00Z"), vec![number("P", minute, 0)]);
    let left = |sections: &mut Sections| -> Vec<_> {
        let messages = sections.left_behind();
        messages.iter().for_each(|message| sections.acknowledged(message));
        messages.into_iter().map(|message| String::from_utf8(message.payload).unwrap()).collect()
    };
    let expected = r#"{"timestampUTC":"2026-11-23T09:02:00.000000+00:00","P":2}"#;
    for late_key in [Late::History, Late::Skip] {
        let mut sections = sections(&publisher_context(&[]), late_key);
        for minute in 1..3 {
            sections.message(&late(minute), at(now));
        }
        assert_eq!(left(&mut sections), [expected]);
        assert_eq!(left(&mut sections), [""; 0], "once");
    }
    // The broker retains a newer one.
    let mut sections = restarted(r#"{"timestampUTC":"2026-11-23T09:05:00.000000+00:00","P":5}"#);
    sections.message(&late(2), at(now));
    assert_eq!(left(&mut sections), [""; 0]);
}

#[tokio::test]
async fn a_state_that_the_broker_has_not_acknowledged_is_sent_again() {
    let now = "2026-11-23T10:00:00Z";
    let late = record("2026-11-23T09:02:00Z", vec![number("P", 2, 0)]);
    let mut left = sections(&publisher_context(&[]), Late::History);
    left.message(&late, at(now));
    let first = left.left_behind();
    assert_eq!(first.len(), 1);
    // The connection is lost, and the broker does not have it.
    assert_eq!(left.left_behind(), first);
    left.acknowledged(&first[0]);
    assert_eq!(left.left_behind(), []);

    // The broker has it, although its acknowledgement was lost.
    let mut left = sections(&publisher_context(&[]), Late::History);
    left.message(&late, at(now));
    let shown = Shown::parse(&left.left_behind()[0].payload).unwrap();
    left.found(BTreeMap::from([("smartmeter/grid/state".to_owned(), shown)]));
    assert_eq!(left.left_behind(), []);

    // The same for the newest state, which goes before a backlog.
    let batch = Batch { taken_at: at("2026-11-23T10:00:00Z"), readings: vec![number("P", 9, 0)] };
    let mut sections = sections(&publisher_context(&[("grid", batch)]), Late::History);
    let ahead = sections.ahead_of(std::slice::from_ref(&late), at(now));
    assert_eq!(ahead.len(), 1);
    assert_eq!(sections.ahead_of(std::slice::from_ref(&late), at(now)), ahead);
    sections.acknowledged(&ahead[0]);
    assert_eq!(sections.ahead_of(std::slice::from_ref(&late), at(now)), []);
}

#[tokio::test]
async fn a_register_in_the_state_before_a_backlog_is_announced() {
    let dated = Reading {
        time: Some(DeviceTime { sent: "".into(), utc: Some(at("2026-11-23T08:55:00Z")) }),
        ..number("GAS", 6, 0)
    };
    let batch = Batch { taken_at: at("2026-11-23T09:00:00Z"), readings: vec![number("P", 9, 0), dated] };
    let mut sections = sections(&publisher_context(&[("grid", batch)]), Late::History);
    sections.ahead_of(&[record("2026-11-16T09:00:00Z", vec![number("P", 1, 0)])], at("2026-11-23T09:00:01Z"));
    assert_eq!(sections.seen.borrow()["grid"].keys().collect::<Vec<_>>(), ["GAS", "P"]);
}

#[tokio::test]
async fn the_number_of_members_is_limited() {
    let cx = publisher_context(&[]);
    let mut sections = sections(&cx, Late::State);
    for n in 0..10 {
        let readings = (0..1000).map(|i| number(&format!("{n}_{i}"), 1, 0)).collect();
        sections.message(&record("2026-11-23T09:00:00Z", readings), at("2026-11-23T09:00:00Z")).unwrap();
    }
    assert_eq!(sections.sections["grid"].members.len(), MAX_MEMBERS);
    assert_eq!(sections.seen.borrow()["grid"].len(), MAX_MEMBERS);
}

/// Returns a context without a batch, and the states that the broker retains.
fn restarted(retained: &str) -> Sections {
    let mut sections = sections(&publisher_context(&[]), Late::History);
    let shown = Shown::parse(retained.as_bytes()).unwrap();
    sections.found(BTreeMap::from([("smartmeter/grid/state".to_owned(), shown)]));
    sections
}

#[tokio::test]
async fn a_state_never_goes_back_and_older_records_go_to_the_history() {
    let mut sections = restarted(r#"{"timestampUTC":"2026-11-23T09:00:03.000000+00:00","P":3}"#);
    let now = "2026-11-23T09:00:05Z";
    let topics: Vec<_> = (1..6)
        .map(|second| {
            let record = record(&format!("2026-11-23T09:00:0{second}Z"), vec![number("P", second, 0)]);
            sent(&mut sections, &record, now).unwrap().0.replace("smartmeter/grid/", "")
        })
        .collect();
    assert_eq!(topics, ["history", "history", "state", "state", "state"]);
    // The same within a run, as after a lost connection.
    let again = record("2026-11-23T09:00:04Z", vec![number("P", 4, 0)]);
    let expected = r#"{"timestampUTC":"2026-11-23T09:00:04.000000+00:00","P":4}"#;
    assert_eq!(sent(&mut sections, &again, now), history(expected));
}

#[tokio::test]
async fn a_value_that_a_record_lacks_keeps_its_own_time() {
    let mut sections =
        restarted(r#"{"timestampUTC":"2026-11-23T09:00:02.000000+00:00","count":7,"power":500}"#);
    let now = "2026-11-23T09:00:10Z";
    // What comes again after a kill is not shown with the time of the next record.
    let again = record("2026-11-23T09:00:01Z", vec![number("count", 7, 0), number("power", 500, 0)]);
    assert!(sent(&mut sections, &again, now).unwrap().0.ends_with("/history"));
    let first = record("2026-11-23T09:00:05Z", vec![number("count", 8, 0)]);
    let expected = r#"{"timestampUTC":"2026-11-23T09:00:05.000000+00:00","count":8}"#;
    assert_eq!(sent(&mut sections, &first, now), state(expected));
    let second = record("2026-11-23T09:00:06Z", vec![number("count", 9, 0), number("power", 400, 0)]);
    sent(&mut sections, &second, now).unwrap();
    let third = record("2026-11-23T09:00:07Z", vec![number("count", 10, 0)]);
    let expected = r#"{"timestampUTC":"2026-11-23T09:00:07.000000+00:00","count":10,"power":400,"power_timestampUTC":"2026-11-23T09:00:06.000000+00:00"}"#;
    assert_eq!(sent(&mut sections, &third, now), state(expected));
}

#[tokio::test]
async fn a_state_from_a_clock_that_was_ahead_does_not_hold_back_the_next_ones() {
    let mut sections = restarted(r#"{"timestampUTC":"2027-01-01T00:00:00.000000+00:00","P":3}"#);
    let record = record("2026-11-23T09:00:01Z", vec![number("P", 1, 0)]);
    assert!(sent(&mut sections, &record, "2026-11-23T09:00:02Z").unwrap().0.ends_with("/state"));
}

#[tokio::test]
async fn a_register_alone_does_not_take_the_state_back() {
    let gas = |value, time: &str| Reading {
        time: Some(DeviceTime { sent: time.into(), utc: Some(at(time)) }),
        ..number("GAS", value, 0)
    };
    let shown = vec![number("P", 2, 0), gas(6, "2026-11-23T09:00:00Z")];
    let cx = publisher_context(&[("grid", Batch { taken_at: at("2026-11-23T09:10:05Z"), readings: shown })]);
    let mut sections = sections(&cx, Late::History);
    let retained = r#"{"timestampUTC":"2026-11-23T09:10:00.000000+00:00","GAS":6,"GAS_timestampUTC":"2026-11-23T09:00:00.000000+00:00","P":1}"#;
    let topic = "smartmeter/grid/state".to_owned();
    sections.found(BTreeMap::from([(topic, Shown::parse(retained.as_bytes()).unwrap())]));
    let now = "2026-11-23T09:10:06Z";
    let register = record("2026-11-23T09:00:00Z", vec![number("GAS", 6, 0)]);
    assert!(sent(&mut sections, &register, now).unwrap().0.ends_with("/history"));
    let power = record("2026-11-23T09:10:05Z", vec![number("P", 2, 0)]);
    let expected = r#"{"timestampUTC":"2026-11-23T09:10:05.000000+00:00","GAS":6,"GAS_timestampUTC":"2026-11-23T09:00:00.000000+00:00","P":2}"#;
    assert_eq!(sent(&mut sections, &power, now), state(expected));
}

#[tokio::test]
async fn without_retained_states_only_records_of_this_run_are_states() {
    for late in [Late::History, Late::State] {
        only_records_of_this_run_are_states(late);
    }
}

fn only_records_of_this_run_are_states(late: Late) {
    let cx = publisher_context(&[]);
    let mut sections = sections(&cx, late);
    sections.retain = false;
    let topic = |sections: &mut Sections, time: &str| {
        let record = record(time, vec![number("P", 1, 0)]);
        sections.message(&record, at("2026-11-23T08:00:02Z")).unwrap().topic
    };
    assert!(topic(&mut sections, "2026-11-23T07:59:59Z").ends_with("/history"));
    assert!(topic(&mut sections, "2026-11-23T08:00:01Z").ends_with("/state"));
    // The first batch of this run may be older than the connection.
    let first = Batch { taken_at: at("2026-11-23T07:59:58Z"), readings: vec![number("P", 1, 0)] };
    let mut sections =
        Sections { store: Arc::clone(&publisher_context(&[("grid", first)]).store), ..sections };
    sections.shown.clear();
    assert!(topic(&mut sections, "2026-11-23T07:59:58Z").ends_with("/state"));
}

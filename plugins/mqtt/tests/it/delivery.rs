//! Delivery of records, and availability.

use std::time::{Duration, Instant};

use framework::{
    Batch, Decimal, DeviceTime, PublishError, PublisherContext, Reading, Record, Section, Stats, Store,
    Timestamp,
    testing::{publisher_context, publisher_context_stale_after, update_source},
};
use rustix::process::Signal;

use crate::{
    mosquitto::Mosquitto,
    support::{ago, configured, context, deliver, grid, only, open, power, record},
    watcher::{Heard, Watcher},
};

const STATE: &str = "smartmeter/grid/state";
const HISTORY: &str = "smartmeter/grid/history";

fn records(count: i64) -> Vec<Record> {
    (0..count).map(|watts| record("grid", Timestamp::now(), grid(watts))).collect()
}

pub(crate) async fn every_record_arrives_once_and_in_order() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let cx = context();
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &records(2500)).await;
    watcher
        .until("2500 states", |heard| heard.iter().filter(|heard| heard.topic == STATE).count() >= 2500)
        .await;
    let powers: Vec<_> = watcher.on(STATE).iter().map(|state| power(state)).collect();
    assert_eq!(powers, (0..2500).collect::<Vec<_>>());
    assert_eq!(watcher.on("smartmeter/status"), ["online"]);
    let facts = home.context.stats().facts();
    assert_eq!(facts, [("broker", format!("connected to {}", broker.url()).into())]);
}

pub(crate) async fn a_test_of_the_connection_logs_in_and_disturbs_nobody() {
    let broker = Mosquitto::start();
    let cx = context();
    let watcher = Watcher::new(broker.port).await;
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &records(10)).await;
    let mut tried = configured(&broker.url(), "discovery = 'off'");
    let answer = tried.publisher.test().await.unwrap();
    assert_eq!(answer, format!("{} has accepted the connection, without a login", broker.url()));
    // The running publisher has the same client id: it keeps its connection.
    deliver(&mut home, &records(10)).await;
    assert_eq!(watcher.on("smartmeter/status"), ["online"]);
    assert_eq!(home.context.stats().counters().iter().find(|(name, _)| *name == "reconnects").unwrap().1, 0);
    drop(broker);
    let error = tried.publisher.test().await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable { .. }), "{error:?}");
}

pub(crate) async fn the_newest_state_is_retained() {
    let broker = Mosquitto::start();
    let cx = context();
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &records(10)).await;
    let later = Watcher::latecomer(broker.port).await;
    later
        .until("retained state", |heard| heard.iter().any(|heard| heard.topic == STATE && heard.retained))
        .await;
    assert_eq!(power(&later.on(STATE)[0]), 9);

    let mut home = open(&broker.url(), "discovery = 'off'\nretain = false\ntopic = 'other'", &cx).await;
    deliver(&mut home, &records(10)).await;
    let last = Watcher::steady(broker.port).await;
    last.until_last("other/status", "online").await;
    assert_eq!(last.on("other/grid/state"), [""; 0]);
}

pub(crate) async fn a_state_does_not_go_back_after_a_kill() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let all: Vec<_> =
        (0..20).map(|n| record("grid", ago(20) + Duration::from_secs(n), grid(n as i64))).collect();
    let mut cx = publisher_context(&[]);
    cx.store = Store::new([Section::new("grid", "test", Duration::from_secs(30), Stats::default())]);
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &all[..15]).await;
    drop(home);
    // The next start repeats what the cursor had not passed, before the meter has sent anything.
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &all[10..]).await;
    watcher.until_power(STATE, 19).await;
    let powers = |topic| watcher.on(topic).iter().map(|state| power(state)).collect::<Vec<_>>();
    let mut states = powers(STATE);
    states.dedup();
    assert_eq!(states, (0..20).collect::<Vec<_>>());
    assert_eq!(powers(HISTORY), [10, 11, 12, 13]);
}

pub(crate) async fn a_state_does_not_go_back_if_the_broker_forgets() {
    const COUNT: i64 = 6000;
    let mut broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let mut home = open(&broker.url(), "discovery = 'off'", &context()).await;
    let sender = tokio::spawn(async move { deliver(&mut home, &records(COUNT)).await });
    for part in [1000, 2000] {
        watcher.until("part of it", |heard| heard.len() > part).await;
        broker.stop();
        broker.forget();
        broker.run();
    }
    sender.await.unwrap();
    watcher.until_power(STATE, COUNT - 1).await;
    let powers: Vec<_> = watcher.on(STATE).iter().map(|state| power(state)).collect();
    assert!(powers.is_sorted(), "it goes back: {:?}", powers.windows(2).find(|pair| pair[0] > pair[1]));
}

pub(crate) async fn after_a_week_the_newest_state_comes_first_and_older_records_go_to_the_history() {
    const COUNT: u64 = 5000;
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let week = ago(7 * 86_400);
    let old = |n: u64| record("grid", week + Duration::from_secs(n), grid(n as i64));
    // An earlier run has shown this.
    let shown =
        format!(r#"{{"timestampUTC":"{}","CURRENT_POWER_SUM":-1}}"#, framework::json::timestamp(week));
    for retain in [true, false] {
        let (topic, keys) = (format!("r{retain}"), format!("retain = {retain}\ntopic = 'r{retain}'"));
        watcher.send(&format!("{topic}/grid/state"), &shown, true).await;
        let cx = publisher_context(&[("grid", Batch::now(grid(9999)))]);
        let mut home = open(&broker.url(), &format!("discovery = 'off'\n{keys}"), &cx).await;
        let mut all: Vec<_> = (0..COUNT).map(old).collect();
        all.push(record("grid", Timestamp::now(), grid(10_000)));
        deliver(&mut home, &all).await;
        let (state, history) = (format!("{topic}/grid/state"), format!("{topic}/grid/history"));
        watcher.until_power(&state, 10_000).await;
        let powers = |topic| watcher.on(topic).iter().map(|state| power(state)).collect::<Vec<_>>();
        assert_eq!(powers(&state), [-1, 9999, 10_000], "{topic}");
        assert_eq!(powers(&history), (0..COUNT as i64).collect::<Vec<_>>());
        let all = watcher.all();
        let place = |topic: &str, watts| {
            let mut all = all.iter();
            all.position(|heard| heard.topic == topic && power(&heard.payload) == watts).unwrap()
        };
        assert!(place(&state, 9999) < place(&history, 0), "the newest state waited");
    }
}

pub(crate) async fn the_newest_record_of_a_silent_source_becomes_its_state_after_a_restart() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let mut cx = publisher_context(&[]);
    cx.store = Store::new([Section::new("grid", "test", Duration::from_secs(30), Stats::default())]);
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    // As after a restart, of a meter that is read once an hour.
    deliver(&mut home, &late()).await;
    watcher.until_power(STATE, 2).await;
    let powers = |topic| watcher.on(topic).iter().map(|state| power(state)).collect::<Vec<_>>();
    assert_eq!((powers(HISTORY), powers(STATE)), (vec![0, 1, 2], vec![2]));
    // And what comes again after the next one changes nothing.
    drop(home);
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &late()[..2]).await;
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(3))]).await;
    watcher.until_power(STATE, 3).await;
    let mut states = powers(STATE);
    states.dedup();
    assert_eq!(states, [2, 3]);
}

/// Returns records older than the current state of the device.
fn late() -> Vec<Record> {
    (0..3).map(|watts| record("grid", ago(3600) + Duration::from_secs(watts), grid(watts as i64))).collect()
}

pub(crate) async fn late_records_go_to_the_history() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let cx = publisher_context(&[("grid", Batch::now(grid(7)))]);
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    let mut all = late();
    all.push(record("grid", Timestamp::now(), grid(7)));
    deliver(&mut home, &all).await;
    watcher.until("current state", |heard| heard.iter().any(|heard| heard.topic == STATE)).await;
    let powers = |topic| watcher.on(topic).iter().map(|state| power(state)).collect::<Vec<_>>();
    assert_eq!(powers(HISTORY), [0, 1, 2]);
    assert_eq!(powers(STATE), [7]);
    let later = Watcher::latecomer(broker.port).await;
    later.until_last("smartmeter/status", "online").await;
    assert_eq!(later.on(HISTORY), [""; 0], "the history is not retained");
}

pub(crate) async fn late_records_may_be_skipped_or_go_to_the_state() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let cx = publisher_context(&[("grid", Batch::now(grid(7)))]);
    let mut all = late();
    all.push(record("grid", Timestamp::now(), grid(7)));
    let mut home = open(&broker.url(), "discovery = 'off'\nlate = 'skip'\ntopic = 'skip'", &cx).await;
    deliver(&mut home, &all).await;
    let mut home = open(&broker.url(), "discovery = 'off'\nlate = 'state'\ntopic = 'state'", &cx).await;
    deliver(&mut home, &all).await;
    watcher
        .until("states", |heard| heard.iter().filter(|heard| heard.topic == "state/grid/state").count() == 4)
        .await;
    let powers = |topic| watcher.on(topic).iter().map(|state| power(state)).collect::<Vec<_>>();
    assert_eq!(powers("state/grid/state"), [0, 1, 2, 7]);
    assert_eq!(powers("skip/grid/state"), [7]);
    assert!(watcher.all().iter().all(|heard| !heard.topic.ends_with("history")));
}

/// Returns the register of a gas meter at the `grid`, and a context whose newest batch has it, dated by the device, and the
/// number of the meter.
fn gas_meter(dated: Timestamp) -> (Reading, PublisherContext) {
    let gas = Reading::number("GAS", Decimal::new(2_021_733, 3).unwrap()).unit("m3");
    let mut shown = grid(5);
    shown.push(Reading { time: Some(DeviceTime { sent: "".into(), utc: Some(dated) }), ..gas.clone() });
    shown.push(Reading::text("METER_NUMBER", "1EBZ0100507409"));
    (gas, publisher_context(&[("grid", Batch::now(shown))]))
}

pub(crate) async fn a_register_with_a_time_of_its_own_joins_the_state() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let dated = ago(600);
    let (gas, cx) = gas_meter(dated);
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    let now = Timestamp::now();
    deliver(&mut home, &[record("grid", now, grid(5)), record("grid", dated, vec![gas])]).await;
    deliver(&mut home, &[record("grid", now, grid(6))]).await;
    watcher.until("states", |heard| heard.iter().filter(|heard| heard.topic == STATE).count() == 3).await;
    let last: serde_json::Value = serde_json::from_str(&watcher.on(STATE)[2]).unwrap();
    let expected = serde_json::json!({
        "timestampUTC": framework::json::timestamp(now),
        "POWER_IMPORT": 4457.153, "CURRENT_POWER_SUM": 6,
        "GAS": 2021.733, "GAS_timestampUTC": framework::json::timestamp(dated),
        "METER_NUMBER": "1EBZ0100507409",
    });
    assert_eq!(last, expected);
}

pub(crate) async fn averages_of_the_past_leave_registers_and_texts_in_the_state() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let dated = ago(600);
    let (gas, cx) = gas_meter(dated);
    let mut home = open(&broker.url(), "discovery = 'off'\ninterval = '60s'", &cx).await;
    // An average is dated to the begin of its minute, so that each is late.
    let begin = ago(60);
    deliver(&mut home, &[record("grid", dated, vec![gas]), record("grid", begin, grid(4))]).await;
    let is_begin = |heard: &Heard| heard.topic == STATE && heard.payload.contains("CURRENT_POWER_SUM");
    watcher.until("the average", |heard| heard.iter().any(is_begin)).await;
    let last: serde_json::Value = serde_json::from_str(watcher.on(STATE).last().unwrap()).unwrap();
    let expected = serde_json::json!({
        "timestampUTC": framework::json::timestamp(begin),
        "POWER_IMPORT": 4457.153, "CURRENT_POWER_SUM": 4,
        "GAS": 2021.733, "GAS_timestampUTC": framework::json::timestamp(dated),
        "METER_NUMBER": "1EBZ0100507409",
    });
    assert_eq!(last, expected);
}

pub(crate) async fn the_last_will_is_sent_for_a_killed_program() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let cx = context();
    let home = open(&broker.url(), "", &cx).await;
    watcher.until_last("smartmeter/status", "online").await;
    watcher.until_last("smartmeter/grid/availability", "online").await;
    drop(home);
    watcher.until_last("smartmeter/status", "offline").await;
    let later = Watcher::latecomer(broker.port).await;
    later.until_last("smartmeter/status", "offline").await;
}

pub(crate) async fn a_program_that_ends_is_offline() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let cx = context();
    let mut home = open(&broker.url(), "", &cx).await;
    watcher.until_last("smartmeter/status", "online").await;
    home.publisher.close().await;
    watcher.until_last("smartmeter/status", "offline").await;
    // The next start may not know this source any more.
    assert_eq!(watcher.on("smartmeter/grid/availability").last().unwrap(), "offline");
    // Once: an orderly end has no will.
    assert_eq!(watcher.on("smartmeter/status"), ["online", "offline"]);
    assert!(home.publisher.publish(&records(1)).await.is_err());
}

pub(crate) async fn a_broker_may_start_later() {
    let mut broker = Mosquitto::absent();
    let cx = context();
    let mut home = open(&broker.url(), "", &cx).await;
    let error = home.publisher.publish(&records(1)).await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().starts_with(&format!("{} cannot be reached: ", broker.url())), "{error}");
    let facts = home.context.stats().facts();
    assert!(facts[0].1.starts_with("not connected: "), "{facts:?}");
    broker.run();
    deliver(&mut home, &records(3)).await;
}

pub(crate) async fn nothing_is_lost_while_the_broker_is_restarted() {
    const COUNT: i64 = 20_000;
    let mut broker = Mosquitto::start();
    let watcher = Watcher::steady(broker.port).await;
    let cx = context();
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    let sender = tokio::spawn(async move {
        deliver(&mut home, &records(COUNT)).await;
        home
    });
    for part in [1_000, 6_000] {
        watcher.until("part of it", |heard| heard.len() > part).await;
        broker.stop();
        broker.run();
    }
    let home = sender.await.unwrap();
    let last = COUNT - 1;
    let is_last = |heard: &Heard| heard.topic == STATE && power(&heard.payload) == last;
    watcher.until("last state", |heard| heard.last().is_some_and(is_last)).await;
    // Every state arrives, in order; unacknowledged ones may arrive twice.
    let mut next = 0;
    for state in watcher.on(STATE) {
        let watts = power(&state);
        assert!(watts <= next, "{watts} came before {next}");
        next = next.max(watts + 1);
    }
    assert_eq!(next, COUNT);
    let counters = home.context.stats().counters();
    assert!(matches!(counters[..], [("reconnects", 2..)]), "{counters:?}");
}

pub(crate) async fn a_frozen_broker_is_given_up() {
    let broker = Mosquitto::start();
    let watcher = Watcher::steady(broker.port).await;
    let cx = context();
    let mut home = open(&broker.url(), "discovery = 'off'", &cx).await;
    deliver(&mut home, &records(1)).await;
    broker.signal(Signal::STOP);
    let error = home.publisher.publish(&records(1)).await.unwrap_err();
    assert!(matches!(error, PublishError::Unavailable { .. }), "{error:?}");
    broker.signal(Signal::CONT);
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(99))]).await;
    watcher.until("later state", |heard| heard.iter().any(|heard| heard.payload.contains("99"))).await;
}

pub(crate) async fn a_silent_source_is_offline() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let cx = publisher_context_stale_after(&[("grid", Batch::now(grid(0)))], Duration::from_secs(3));
    let _home = open(&broker.url(), "discovery = 'off'", &cx).await;
    let topic = "smartmeter/grid/availability";
    watcher.until_last(topic, "offline").await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while watcher.on(topic).last().is_some_and(|word| word == "offline") {
        assert!(Instant::now() < deadline);
        update_source(&cx, "grid", Batch::now(grid(1)));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    watcher.until_last(topic, "online").await;
    watcher.until_last(topic, "offline").await;
    let words = watcher.on(topic);
    assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "only changes are sent: {words:?}");
}

pub(crate) async fn a_source_without_a_batch_is_offline() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    // An earlier run left this.
    watcher.send("smartmeter/dead/availability", "online", true).await;
    let mut cx = publisher_context(&[]);
    cx.store = Store::new([Section::new("dead", "test", Duration::from_secs(30), Stats::default())]);
    let _home = open(&broker.url(), "", &cx).await;
    watcher.until_last("smartmeter/dead/availability", "offline").await;
}

pub(crate) async fn a_source_of_texts_has_a_state() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    let lock = |state: &str| Batch::now(vec![Reading::text("state", state), Reading::text("by", "anna")]);
    let cx = publisher_context(&[("lock", lock("open")), ("grid", Batch::now(grid(0)))]);
    let mut home = open(&broker.url(), "", &cx).await;
    let state = "smartmeter/lock/state";
    let shows = |heard: &[Heard], word: &str| {
        let states = heard.iter().filter(|heard| heard.topic == state);
        states.filter(|heard| heard.payload.contains(&format!(r#""state":"{word}","by":"anna""#))).count()
    };
    watcher.until("the text", |heard| shows(heard, "open") > 0).await;
    update_source(&cx, "lock", lock("closed"));
    watcher.until("the next text", |heard| shows(heard, "closed") > 0).await;
    let device = "homeassistant/device/smartmeter_lock/config";
    watcher.until("announcement", |heard| heard.iter().any(|heard| heard.topic == device)).await;
    assert!(watcher.on(device)[0].contains("value_json['state']"));
    let later = Watcher::latecomer(broker.port).await;
    later.until("retained text", |heard| shows(heard, "closed") > 0).await;
    // Records have the texts of a source with numbers.
    deliver(&mut home, &[record("grid", Timestamp::now(), grid(1))]).await;
    let grid = |heard: &[Heard]| heard.iter().filter(|heard| heard.topic == "smartmeter/grid/state").count();
    watcher.until("the numbers", |heard| grid(heard) > 0).await;
    assert_eq!(watcher.on("smartmeter/grid/state").len(), 1);
}

pub(crate) async fn a_source_that_is_gone_is_offline() {
    let broker = Mosquitto::start();
    let watcher = Watcher::new(broker.port).await;
    // A run that was killed left these, and the configuration has changed since.
    for source in ["gone", "heat", "grid"] {
        watcher.send(&format!("smartmeter/{source}/availability"), "online", true).await;
    }
    let cx = only("grid", publisher_context(&[("grid", Batch::now(grid(0))), ("heat", Batch::now(grid(0)))]));
    let _home = open(&broker.url(), "discovery = 'off'", &cx).await;
    watcher.until_last("smartmeter/gone/availability", "offline").await;
    watcher.until_last("smartmeter/status", "online").await;
    assert_eq!(watcher.on("smartmeter/heat/availability"), ["online"], "another publisher may report it");
    assert!(watcher.on("smartmeter/grid/availability").iter().all(|word| word == "online"));
}

pub(crate) async fn retries_back_off_if_the_broker_closes_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    let begun = Instant::now();
    let home = open(&url, "", &publisher_context(&[])).await;
    for _ in 0..4 {
        drop(listener.accept().await.unwrap());
    }
    // The pauses are a quarter of a second, half a second, a second.
    assert!(begun.elapsed() >= Duration::from_millis(1750), "{:?}", begun.elapsed());
    let facts = home.context.stats().facts();
    assert!(facts[0].1.starts_with(&format!("not connected: {url} ")), "{facts:?}");
}

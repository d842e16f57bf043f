//! Programs that receive.

use std::time::Duration;

use framework::testing;
use test_meters::radio::{Frame, RadioMeter, Security, cul, rtl_wmbus};

use crate::support::{key, program, source, telegram};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// An encrypted meter and its configuration.
fn kitchen() -> (RadioMeter, String) {
    let keys = format!("[sources.radio.meters.kitchen]\nid = \"11111111\"\nkey = \"{}\"\n", key());
    (RadioMeter::water(0x1111_1111), keys)
}

#[test]
fn each_meter_of_rtl_wmbus_is_a_group_of_readings_and_strangers_can_be_picked() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kitchen, keys) = kitchen();
    let (mut cellar, mut neighbour) = (RadioMeter::water(0x2222_2222), RadioMeter::water(0x3333_3333));
    neighbour.medium = 4;
    let lines: String = [
        telegram(&mut kitchen, Security::Mode7, 1234),
        telegram(&mut neighbour, Security::Mode5 { plain: 0 }, 1),
        telegram(&mut cellar, Security::Plain, 7),
        telegram(&mut kitchen, Security::Mode7, 1235),
    ]
    .iter()
    .map(|telegram| rtl_wmbus(telegram))
    .collect();
    let config = program(
        folder.path(),
        &lines,
        &format!("{keys}[sources.radio.meters.cellar]\nid = \"22222222-TST-01-07\"\n"),
    );
    let seen = testing::run(&config).for_(MINUTE);
    assert_eq!(seen.batches.len(), 3, "a batch for each telegram of its own meters");
    let data = &seen.data["radio"];
    assert_eq!(data["kitchen_volume"], serde_json::json!(1.235), "{data}");
    assert_eq!(data["kitchen_volume_flow"], serde_json::json!(0.005));
    assert_eq!(data["cellar_volume"], serde_json::json!(0.007));
    assert_eq!(data["cellar_low_battery"], 0);
    let source = source(&seen.health);
    assert_eq!(source["state"], "delivering", "{source}");
    let strangers = source["facts"]["unknown_meters"].as_str().unwrap();
    assert!(strangers.starts_with("33333333-TST-01-04 heat (outlet), encrypted, 2"), "{strangers}");
    let meters = source["facts"]["meters"].as_str().unwrap();
    assert!(meters.contains("kitchen: 11111111-TST-01-07 water, 2"), "{meters}");
    assert!(source["problem"].is_null(), "{source}");
}

#[test]
fn readings_of_a_meter_keep_their_time_when_another_meter_sends() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kitchen, keys) = kitchen();
    let mut cellar = RadioMeter::water(0x2222_2222);
    let lines = [
        rtl_wmbus(&telegram(&mut kitchen, Security::Plain, 1)),
        rtl_wmbus(&telegram(&mut cellar, Security::Plain, 2)),
    ]
    .concat();
    let config =
        program(folder.path(), &lines, &format!("{keys}[sources.radio.meters.cellar]\nid = \"22222222\"\n"));
    let seen = testing::run(&config).for_(MINUTE);
    let [first, second] = &seen.batches[..] else { panic!("{:?}", seen.batches.len()) };
    let time = |batch: &framework::Batch, name: &str| batch.get(name).unwrap().time.clone().unwrap().utc;
    assert!(first.batch.get("cellar_volume").is_none());
    assert_eq!(time(&first.batch, "kitchen_volume"), time(&second.batch, "kitchen_volume"));
    assert!(time(&second.batch, "cellar_volume") > time(&second.batch, "kitchen_volume"));
}

#[test]
fn a_wrong_key_and_a_missing_one_are_told_of_with_the_address() {
    for (key, expected) in [
        (
            "key = \"00112233445566778899AABBCCDDEEFF\"",
            "`kitchen` (11111111-TST-01-07): wrong key: the message authentication code does not verify; compare `key`",
        ),
        ("", "`kitchen` (11111111-TST-01-07): it is encrypted: ask your supplier for the meter's key"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let line = rtl_wmbus(&telegram(&mut RadioMeter::water(0x1111_1111), Security::Mode7, 5));
        let keys = format!("[sources.radio.meters.kitchen]\nid = \"11111111\"\n{key}\n");
        let seen = testing::run(&program(folder.path(), &line, &keys)).for_(MINUTE);
        assert_eq!(seen.batches.len(), 0);
        let source = source(&seen.health);
        let problem = source["problem"].as_str().unwrap();
        assert!(problem.starts_with(expected), "{problem}");
        assert_eq!(source["problem_code"], "wrong_configuration");
        assert_ne!(source["state"], "delivering", "{source}");
        assert!(source["last_success"].is_null(), "{source}");
        let told = seen.log.iter().filter(|line| line.contains("11111111-TST-01-07")).count();
        assert_eq!(told, 1, "{:?}", seen.log);
        assert!(!source.to_string().contains("00112233"), "{source}");
    }
}

#[test]
fn a_meter_that_is_not_heard_any_more_loses_its_readings_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kitchen, keys) = kitchen();
    let line = rtl_wmbus(&telegram(&mut kitchen, Security::Mode7, 5));
    let keys = format!("expire_after = \"1h\"\nsilent_after = \"5h\"\n{keys}");
    let mut run = testing::run(&program(folder.path(), &line, &keys));
    let seen = run.for_(HOUR / 2);
    assert_eq!(seen.data["radio"]["kitchen_volume"], serde_json::json!(0.005));
    assert_eq!(seen.health["status"], "ok", "{}", source(&seen.health));
    let seen = run.for_(HOUR);
    assert!(seen.data["radio"]["kitchen_volume"].is_null(), "{}", seen.data);
    let problem = source(&seen.health)["problem"].as_str().unwrap().to_owned();
    assert!(problem.starts_with("`kitchen` (11111111-TST-01-07) has not been heard for 1 h"), "{problem}");
}

#[test]
fn a_repeated_reception_makes_no_batch_and_keeps_the_meter_alive() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kitchen, keys) = kitchen();
    let line = rtl_wmbus(&telegram(&mut kitchen, Security::Mode7, 5));
    let seen = testing::run(&program(folder.path(), &line.repeat(3), &keys)).for_(MINUTE);
    assert_eq!(seen.batches.len(), 1);
    assert_eq!(source(&seen.health)["counts"]["repeated_telegrams"], 2);
}

#[test]
fn a_program_that_ends_is_started_again_and_its_standard_error_is_shown() {
    let config = "[sources.radio]\nplugin = \"wmbus\"\nreceiver = \"rtl_433\"\n\
                  command = [\"/bin/sh\", \"-c\", \"echo no device found >&2; exit 3\"]\n";
    let seen = testing::run(config).for_(MINUTE);
    let source = source(&seen.health);
    let error = source["last_error"]["message"].as_str().unwrap();
    assert!(error.contains("ended with exit status 3; standard error: no device found"), "{error}");
    assert!(source["counts"]["reopened"].as_u64().unwrap() >= 3, "{source}");
}

#[test]
fn counters_that_no_meter_counts_are_left_out_and_told_of_and_a_swapped_meter_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kitchen, keys) = kitchen();
    let litres = [4000, 3900, 4001, u16::MAX, 4002];
    let lines: String =
        litres.map(|litres| rtl_wmbus(&telegram(&mut kitchen, Security::Mode7, litres))).concat();
    let shown = |seen: &testing::Outcome| -> Vec<String> {
        let volumes = seen.batches.iter().map(|seen| seen.batch.get("kitchen_volume").unwrap().value.clone());
        volumes.map(|value| serde_json::to_string(&value).unwrap()).collect()
    };
    let seen = testing::run(&program(folder.path(), &lines, &keys)).for_(MINUTE);
    assert_eq!(shown(&seen), ["4.0", "4.0", "4.001", "4.001", "4.002"]);
    let source = source(&seen.health);
    assert_eq!(source["counts"]["implausible"], 2, "{source}");
    assert_eq!(source["facts"]["held_back"], "none", "{source}");

    let swapped: String =
        [4000, 7, 7, 8, 9].map(|litres| rtl_wmbus(&telegram(&mut kitchen, Security::Mode7, litres))).concat();
    let seen = testing::run(&program(folder.path(), &swapped, &keys)).for_(MINUTE);
    assert_eq!(shown(&seen), ["4.0", "4.0", "4.0", "0.008", "0.009"]);
}

#[test]
fn a_telegram_that_was_sent_before_changes_nothing_even_without_a_message_counter() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kitchen, keys) = kitchen();
    let mode = Security::Mode5 { plain: 0 };
    let [a, b, c] = [3000, 3001, 3002].map(|litres| rtl_wmbus(&telegram(&mut kitchen, mode, litres)));
    let lines = [&*a, &b, &a, &c].concat();
    let seen = testing::run(&program(folder.path(), &lines, &keys)).for_(MINUTE);
    assert_eq!(seen.batches.len(), 3);
    assert_eq!(seen.data["radio"]["kitchen_volume"], serde_json::json!(3.002));
    let counts = &source(&seen.health)["counts"];
    assert_eq!((&counts["old_telegrams"], &counts["implausible"]), (&1.into(), &0.into()), "{counts}");
}

#[test]
fn a_receiver_that_is_another_one_than_configured_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (mut kitchen, keys) = kitchen();
    let telegram = telegram(&mut kitchen, Security::Mode7, 1234);
    for (lines, configured, shown) in [
        (rtl_wmbus(&telegram), "rtl_433", "rtl_wmbus"),
        (cul(Frame::A, &telegram), "rtl_wmbus", "cul"),
        (rtl_wmbus(&telegram), "im871a", "rtl_wmbus"),
    ] {
        let config =
            program(folder.path(), &lines, &keys).replace("\"rtl_wmbus\"", &format!("\"{configured}\""));
        let seen = testing::run(&config).for_(MINUTE);
        assert!(seen.batches.is_empty(), "{configured}");
        let error = source(&seen.health)["last_error"].to_string();
        let expected = format!("write `receiver = \\\"{shown}\\\"`");
        assert!(error.contains(&expected), "{configured}: {error}");
    }
}

//! Sticks on pseudo terminals.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use framework::testing;
use simulator::Pty;
use test_meters::radio::{Frame, RadioMeter, Security, amb8465, cul, im871a};

use crate::support::{key, source, telegram};

const MINUTE: Duration = Duration::from_secs(60);

fn config(receiver: &str, port: &Path, keys: &str) -> String {
    format!(
        "[sources.radio]\nplugin = \"wmbus\"\nreceiver = \"{receiver}\"\nport = \"{}\"\n{keys}\n\
         [sources.radio.meters.kitchen]\nid = \"11111111\"\nkey = \"{}\"\n",
        port.display(),
        key()
    )
}

/// Bytes that the program has sent to the stick.
fn received(stick: &Pty) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let count = stick.read(&mut bytes, Instant::now() + Duration::from_millis(500)).unwrap_or(0);
    bytes.truncate(count);
    bytes
}

#[test]
fn each_kind_of_stick_is_set_up_and_read() {
    let mut kitchen = RadioMeter::water(0x1111_1111);
    let mut telegram = |litres| telegram(&mut kitchen, Security::Mode5 { plain: 0 }, litres);
    let sticks: [(&str, Vec<u8>, &[u8]); 5] = [
        ("cul", cul(Frame::A, &telegram(1)).into(), b"X21\r\nbrt\r\n"),
        ("cul", cul(Frame::B, &telegram(2)).into(), b"X21\r\nbrt\r\n"),
        ("im871a", im871a(&telegram(3)), &[0xA5, 1, 3, 6, 0, 2, 3, 0x30, 1, 1]),
        ("amb8465", amb8465(&telegram(4)), &[0xFF, 4, 1, 9, 0xF3]),
        ("rc1180", telegram(5), b""),
    ];
    for (litres, (receiver, bytes, setup)) in (1..).zip(sticks) {
        let stick = Pty::open().unwrap().held().unwrap();
        let mut run = testing::run(&config(receiver, stick.path(), ""));
        run.for_(Duration::from_secs(1));
        assert_eq!(received(&stick), setup, "{receiver}");
        stick.write_all(&bytes).unwrap();
        let seen = run.for_(MINUTE);
        assert_eq!(
            seen.data["radio"]["kitchen_volume"],
            serde_json::json!(f64::from(litres) / 1000.0),
            "{receiver}"
        );
    }
}

#[test]
fn a_stick_that_was_reset_is_set_up_again_when_nothing_came_for_some_minutes() {
    let stick = Pty::open().unwrap().held().unwrap();
    let mut run = testing::run(&config("cul", stick.path(), "mode = \"C\"\nsilent_after = \"1h\""));
    run.for_(4 * MINUTE);
    assert_eq!(received(&stick), b"X21\r\nbrc\r\n", "set up once");
    run.for_(2 * MINUTE);
    assert_eq!(received(&stick), b"X21\r\nbrc\r\n", "and again");
    let seen = run.for_(MINUTE);
    assert_eq!(source(&seen.health)["counts"]["set_ups"], 1);
    let seen = run.for_(60 * MINUTE);
    let error = source(&seen.health)["last_error"]["message"].as_str().unwrap().to_owned();
    assert!(error.starts_with("nothing arrived from /dev/"), "{error}");
}

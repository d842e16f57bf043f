//! Meters that send by radio: a stick on a pseudo terminal, a program that receives, in the real binary.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use simulator::{Pty, PushingMeter, Timing};
use test_meters::{
    radio::{Frame, KEY, RadioMeter, Security, cul, im871a, rtl_wmbus},
    uart,
};

use crate::program::*;

const RECORDS: &[(&[u8], &[u8])] = &[(&[0x04, 0x13], &[0xD2, 0x04, 0, 0])];

fn key() -> String {
    KEY.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// A stick that hears two meters, one of them encrypted, in turn.
fn stick(line: Pty, baud: Option<u32>, message: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> PushingMeter {
    let (mut own, mut other) = (RadioMeter::water(0x1111_1111), RadioMeter::water(0x2222_2222));
    other.medium = 4;
    let mut count = 0;
    PushingMeter::start(line, Timing { interval: Duration::from_secs(1), baud }, move || {
        count += 1;
        message(&match count % 2 {
            0 => other.telegram(Security::Mode5 { plain: 0 }, RECORDS),
            _ => own.telegram(Security::Mode7, RECORDS),
        })
    })
    .unwrap()
}

#[test]
fn a_stick_is_read_and_its_strangers_are_in_health() {
    let folder = tempfile::tempdir().unwrap();
    let stick = stick(Pty::open().unwrap(), None, |telegram| cul(Frame::A, telegram).into());
    let port = stick.port().display().to_string();
    let config = format!(
        "[sources.radio]\nplugin = \"wmbus\"\nreceiver = \"cul\"\nport = \"{port}\"\n\
         [sources.radio.meters.kitchen]\nid = \"11111111\"\nkey = \"{}\"\n",
        key()
    );
    let program = Program::with_config(folder.path(), &config);
    let data = program.until("/data/radio", "delivered", |json| json["kitchen_volume"].is_number());
    assert_eq!(data["kitchen_volume"].to_string(), "1.234");
    let health = program
        .until("/health", "listed", |json| json["sources"]["radio"]["facts"]["unknown_meters"].is_string());
    let strangers = health["sources"]["radio"]["facts"]["unknown_meters"].as_str().unwrap();
    assert!(strangers.starts_with("22222222-TST-01-04 heat (outlet), encrypted, "), "{strangers}");
    assert!(strangers.ends_with(", -98 dBm"), "{strangers}");
    assert!(!program.text("/health").contains(&key()) && !program.log().contains(&key()));
}

#[test]
fn a_program_that_prints_rtl_wmbus_lines_is_read_and_ended_with_the_source() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, pid) = (folder.path().join("lines"), folder.path().join("pid"));
    let mut meter = RadioMeter::water(0x1111_1111);
    fs::write(&lines, rtl_wmbus(&meter.telegram(Security::LinkLayer, RECORDS))).unwrap();
    let key_file = folder.path().join("key");
    fs::write(&key_file, key()).unwrap();
    let script = format!("echo $$ > {}; cat {}; exec sleep 1000", pid.display(), lines.display());
    let config = format!(
        "[sources.radio]\nplugin = \"wmbus\"\nreceiver = \"rtl_wmbus\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n\
         [sources.radio.meters.kitchen]\nid = \"11111111\"\nkey_file = \"{}\"\n",
        key_file.display()
    );
    let program = Program::with_config(folder.path(), &config);
    program.until("/data/radio", "delivered", |json| json["kitchen_volume"].as_f64() == Some(1.234));
    let pid = fs::read_to_string(pid).unwrap();
    let is_there = || Path::new("/proc").join(pid.trim()).exists();
    assert!(is_there());
    program.terminate();
    let start = Instant::now();
    while is_there() {
        assert!(start.elapsed() < DEADLINE, "the program goes on");
        std::thread::sleep(Duration::from_millis(5)); // between two looks, not for timing
    }
}

#[test]
fn an_old_telegram_that_is_sent_again_after_a_restart_does_not_set_a_counter_back() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let script = format!("cat {}; exec sleep 1000", lines.display());
    let config = format!(
        "[sources.radio]\nplugin = \"wmbus\"\nreceiver = \"rtl_wmbus\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n\
         [sources.radio.meters.kitchen]\nid = \"11111111\"\nkey = \"{}\"\n",
        key()
    );
    let volume = |litres: u16| {
        let [low, high] = litres.to_le_bytes();
        let mut meter = RadioMeter::water(0x1111_1111);
        let data = [low, high, 0, 0];
        rtl_wmbus(
            &meter
                .telegram(Security::Mode5 { plain: 0 }, &[(&[0x04, 0x13], &data), (&[0x02, 0x3B], &[5, 0])]),
        )
    };
    fs::write(&lines, volume(5000)).unwrap();
    let program = Program::with_config(folder.path(), &config);
    program.until("/data/radio", "delivered", |json| json["kitchen_volume"].as_f64() == Some(5.0));
    program.terminate();
    // Mode 5 has no message counter, and the program has forgotten what it has heard.
    fs::write(&lines, volume(4000)).unwrap();
    let program = Program::with_config(folder.path(), &config);
    let data = program.until("/data/radio", "heard", |json| json["kitchen_volume_flow"].is_number());
    assert!(data["kitchen_volume"].is_null(), "{data}");
    let health = program.text("/health");
    assert!(health.contains("kitchen_volume ran backwards") || health.contains("held_back"), "{health}");
}

#[test]
fn decode_reads_a_recording_of_a_stick_and_tells_of_what_it_has_no_key_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stick.txt");
    let mut meter = RadioMeter::water(0x1111_1111);
    let lines: String =
        [0, 1].map(|_| cul(Frame::A, &meter.telegram(Security::Mode5 { plain: 0 }, RECORDS))).concat();
    fs::write(&file, lines).unwrap();
    let file = file.to_str().unwrap();
    let read = output(&["decode", "--key", &key(), file]);
    let (out, err) = (String::from_utf8(read.stdout).unwrap(), String::from_utf8(read.stderr).unwrap());
    assert_eq!((read.status.code(), out.lines().count(), &*err), (Some(0), 2, ""), "{out}");
    assert!(
        out.contains("\"protocol\":\"wmbus\",\"ident\":\"11111111-TST-01-07\",\"id\":\"11111111\""),
        "{out}"
    );
    assert!(out.contains("\"quantity\":\"volume\"") && out.contains("\"value\":1.234"), "{out}");
    let unread = output(&["decode", file]);
    let err = String::from_utf8(unread.stderr).unwrap();
    assert_eq!((unread.status.code(), &*unread.stdout), (Some(1), &b""[..]), "{err}");
    assert!(
        err.contains("byte 0: 11111111-TST-01-07 water, access number 1, status 0, security mode 5"),
        "{err}"
    );
    assert!(err.contains("ask your supplier for the meter's key"), "{err}");
}

#[test]
fn record_counts_encrypted_telegrams_apart_from_damaged_ones() {
    let folder = tempfile::tempdir().unwrap();
    let [heard, recording] = ["heard", "recording"].map(|name| folder.path().join(name));
    let [plain, encrypted, damaged] = [Security::Plain, Security::Mode5 { plain: 0 }, Security::Plain]
        .map(|security| RadioMeter::water(0x1111_1111).telegram(security, RECORDS));
    let damaged = cul(Frame::A, &damaged).replace("44", "45");
    fs::write(&heard, [cul(Frame::A, &plain), cul(Frame::A, &encrypted), damaged].concat()).unwrap();
    let recorded = output(&["record", &format!("replay:{}", heard.display()), recording.to_str().unwrap()]);
    let err = String::from_utf8(recorded.stderr).unwrap();
    assert!(err.contains("1 wmbus telegram, 1 encrypted whose key is missing and 1 damaged"), "{err}");
}

#[test]
fn probe_recognises_a_stick_and_lists_what_it_hears() {
    let sticks = [
        ("cul", stick(Pty::open().unwrap(), None, |telegram| cul(Frame::A, telegram).into())),
        ("im871a", stick(uart::at(Pty::open().unwrap(), 57_600), Some(57_600), im871a)),
    ];
    for (receiver, stick) in sticks {
        let start = Instant::now();
        let port = stick.port().display().to_string();
        let probe = output(&["probe", &port]);
        let out = String::from_utf8(probe.stdout).unwrap();
        let err = String::from_utf8(probe.stderr).unwrap();
        println!("found within {:.1?}:\n{err}{out}", start.elapsed());
        assert_eq!(probe.status.code(), Some(0), "{err}");
        assert!(
            out.contains("plugin = \"wmbus\"") && out.contains(&format!("receiver = \"{receiver}\"")),
            "{out}"
        );
        for expected in [
            "# meters.meter_11111111 = { id = \"11111111\", key = \"32 hexadecimal digits\" }    # 11111111-TST-01-07 water",
            "# 22222222-TST-01-04 heat (outlet)",
        ] {
            assert!(out.contains(expected), "{out}");
        }
        assert!(err.contains("ask your supplier for the key of your meter"), "{err}");
        let config = tempfile::tempdir().unwrap();
        let file = config.path().join("config.toml");
        fs::write(&file, out.replace("# meters.", "meters.").replace("32 hexadecimal digits", &key()))
            .unwrap();
        let check = output(&["check", "--config", file.to_str().unwrap()]);
        assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
    }
}

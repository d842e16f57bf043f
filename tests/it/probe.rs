//! `smartmeter probe` on simulated meters at real pseudo terminals, which garble bytes that are read at a wrong speed.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::Output,
    thread,
    time::{Duration, Instant},
};

use crate::program::*;
use simulator::{
    Household, Moment, Pty, PushingMeter, Timing,
    dlms::{DlmsMeter, Framing},
    ebz::{self, DataSet},
    tic::{self, Contract},
};
use test_meters::{PolledMeter, PolledOptions, foreign, p1, polled, sml, uart};

/// Time that a probe of one port may take.
const GOAL: Duration = Duration::from_secs(15);

pub(crate) fn pushing(
    baud: u32,
    interval: u64,
    telegram: impl FnMut(&Moment) -> Vec<u8> + Send + 'static,
) -> PushingMeter {
    pushing_at(uart::at(Pty::open().unwrap(), baud), baud, interval, telegram)
}

fn pushing_at(
    line: Pty,
    baud: u32,
    interval: u64,
    mut telegram: impl FnMut(&Moment) -> Vec<u8> + Send + 'static,
) -> PushingMeter {
    let timing = Timing { interval: Duration::from_secs(interval), baud: Some(baud) };
    let mut household = Household::new(1);
    PushingMeter::start(line, timing, move || telegram(&household.advance())).unwrap()
}

pub(crate) fn seven_even(text: String) -> Vec<u8> {
    seven_e_one(text.into_bytes())
}

fn probe(port: &Path, more: &[&str]) -> (Output, Duration) {
    let start = Instant::now();
    let output = smartmeter().arg("probe").arg(port).args(more).output().unwrap();
    (output, start.elapsed())
}

/// Source that is printed for the meter at `port`, and the whole output.
fn found(port: &Path) -> (String, String) {
    let (output, took) = probe(port, &[]);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(0), "{err}");
    println!("found within {took:.1?} (the goal is {GOAL:?}):\n{err}{out}");
    assert!(out.contains(&format!("port = {:?}", port.display().to_string())), "{out}");
    (out, err)
}

#[test]
fn a_d0_meter_is_found() {
    let meter = pushing(9600, 1, |moment| seven_even(ebz::telegram(moment, DataSet::Full)));
    let (out, err) = found(meter.port());
    assert!(out.contains("[sources.smartmeter_d0]\nplugin = \"d0\"") && !out.contains("baud ="), "{out}");
    assert!(out.contains("# `/EBZ5DD32R06ETA_107`"), "{out}");
    assert!(!err.contains("PIN"), "{err}");
}

#[test]
fn a_meter_that_needs_its_pin_is_reported() {
    let meter = pushing(9600, 1, |moment| seven_even(ebz::telegram(moment, DataSet::Reduced)));
    let (out, err) = found(meter.port());
    for text in [out, err] {
        assert!(text.contains("only the reduced data set: enter the PIN at the meter"), "{text}");
    }
    let meter = pushing(9600, 1, |moment| sml::telegram(moment, DataSet::Reduced));
    assert!(found(meter.port()).1.contains("enter the PIN"));
}

#[test]
fn an_sml_meter_is_found() {
    let meter = pushing(9600, 3, |moment| sml::telegram(moment, DataSet::Full));
    let (out, _) = found(meter.port());
    assert!(out.contains("plugin = \"sml\"") && !out.contains("baud ="), "{out}");
}

#[test]
fn a_p1_port_is_found() {
    // The slowest meters push once in ten seconds.
    let meter = pushing(115_200, 10, |moment| p1::telegram(moment, p1::Version::V5).into_bytes());
    let (out, _) = found(meter.port());
    assert!(out.contains("plugin = \"d0\"") && out.contains("baud = 115200"), "{out}");
}

#[test]
fn an_old_p1_port_is_found() {
    let meter = pushing(9600, 10, |moment| seven_even(p1::telegram(moment, p1::Version::V2)));
    let (out, _) = found(meter.port());
    assert!(out.contains("plugin = \"d0\"") && !out.contains("baud ="), "{out}");
}

#[test]
fn a_meter_that_pushes_slowly_is_found() {
    let meter = pushing(2400, 2, |moment| seven_even(ebz::telegram(moment, DataSet::Full)));
    let (out, _) = found(meter.port());
    assert!(out.contains("plugin = \"d0\"") && out.contains("baud = 2400"), "{out}");
}

/// DLMS meter on a line with or without parity; `encrypted` has a key, and perhaps an authentication key.
fn dlms_meter(
    uart: fn(Pty, u32) -> Pty,
    baud: u32,
    interval: u64,
    framing: Framing,
    encrypted: Option<Option<[u8; 16]>>,
) -> PushingMeter {
    let mut meter = DlmsMeter::new(framing);
    if let Some(authentication_key) = encrypted {
        meter = meter.encrypted([0x42; 16], authentication_key);
    }
    pushing_at(uart(Pty::open().unwrap(), baud), baud, interval, move |moment| meter.telegram(moment))
}

#[test]
fn a_dlms_meter_is_found_on_lines_with_parity_and_without() {
    let meters = [(uart::at_8e1 as fn(_, _) -> _, true, 5), (uart::at, false, 2)];
    thread::scope(|scope| {
        for (uart, is_even, interval) in meters {
            scope.spawn(move || {
                let meter = dlms_meter(uart, 2400, interval, Framing::Hdlc, None);
                let (out, _) = found(meter.port());
                assert!(out.contains("plugin = \"dlms\"") && out.contains("baud = 2400"), "{out}");
                assert_eq!(out.contains("parity = \"even\""), is_even, "{out}");
                assert!(!out.contains("key"), "{out}");
            });
        }
    });
}

#[test]
fn a_slow_dlms_meter_that_pushes_once_in_ten_seconds_is_found() {
    let meter = dlms_meter(uart::at_8e1, 2400, 10, Framing::Hdlc, None);
    let (out, _) = found(meter.port());
    assert!(out.contains("plugin = \"dlms\"") && out.contains("baud = 2400"), "{out}");
    assert!(out.contains("parity = \"even\""), "{out}");
}

#[test]
fn an_encrypted_meter_is_found_without_its_key_and_the_grid_operator_is_named() {
    let mbus = || dlms_meter(uart::at_8e1, 2400, 5, Framing::Mbus, Some(None));
    let p1 = || dlms_meter(uart::at, 115_200, 10, Framing::Bare, Some(Some([0x43; 16])));
    let meters: [(&(dyn Fn() -> PushingMeter + Sync), bool); 2] = [(&mbus, false), (&p1, true)];
    thread::scope(|scope| {
        for (meter, has_tag) in meters {
            scope.spawn(move || {
                let meter = meter();
                let (out, err) = found(meter.port());
                assert!(out.contains("plugin = \"dlms\""), "{out}");
                assert!(out.contains("\n# key = \"32 hexadecimal digits\"\n"), "{out}");
                assert_eq!(out.contains("\n# authentication_key = "), has_tag, "{out}");
                for text in
                    ["Landis+Gyr", "4C475A1000", "ask your grid operator for the", "GUEK", "write `key = "]
                {
                    assert!(out.contains(text) && err.contains(text), "{text}: {err}{out}");
                }
            });
        }
    });
}

#[test]
fn a_telegram_that_still_flows_when_the_first_listening_ends_is_described() {
    let telegram = DlmsMeter::new(Framing::Mbus).encrypted([0x42; 16], None).telegram(&Moment::sample());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("tcp://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        // A serial server passes on each byte of a slow line as it comes. The next telegram is not waited for.
        let mut client = listener.accept().unwrap().0;
        for byte in telegram {
            client.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_millis(7));
        }
        thread::park();
    });
    let (out, _) = found(Path::new(&port));
    assert!(out.contains("ask your grid operator") && out.contains("4C475A1000"), "{out}");
}

#[test]
fn a_linky_is_found_in_both_modes() {
    let historique: fn(&Moment) -> Vec<u8> = |moment| tic::historique(moment, Contract::OffPeak);
    thread::scope(|scope| {
        for (baud, telegram) in [(1200, historique), (9600, tic::standard)] {
            scope.spawn(move || {
                let meter = pushing(baud, 2, move |moment| seven_e_one(telegram(moment)));
                let (out, _) = found(meter.port());
                assert!(out.contains("plugin = \"tic\""), "{out}");
                assert_eq!(out.contains("baud = 1200"), baud == 1200, "{out}");
                assert!(out.contains(tic::ADDRESS), "{out}");
            });
        }
    });
}

fn polled_meter(ident: &str) -> PolledMeter {
    let options = PolledOptions { ident: ident.to_owned(), real_time: true, ..PolledOptions::default() };
    let mut household = Household::new(1);
    PolledMeter::start(Pty::open().unwrap(), options, move || polled::table(&household.advance())).unwrap()
}

#[test]
fn meters_that_must_be_polled_are_found() {
    // Modes C and B.
    for ident in ["ISK5MT174-0001", "SIEC2WR5"] {
        let meter = polled_meter(ident);
        let (out, _) = found(meter.port());
        assert!(out.contains("plugin = \"d0\"") && out.contains("request = true"), "{out}");
        assert!(out.contains(&format!("# `/{ident}`")), "{out}");
    }
}

#[test]
fn silence_and_garbage_are_told_apart() {
    let silent = Pty::open().unwrap();
    let (output, _) = probe(silent.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("nothing arrives: "), "{err}");

    let noise = pushing(9600, 1, |moment| {
        let seed = moment.second as u32;
        (0..200u32).map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 13) as u8 | 0x80).collect()
    });
    let (output, _) = probe(noise.port(), &[]);
    assert_eq!(output.status.code(), Some(1));
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        err.contains("bytes arrive, but at no known baud rate: check the alignment of the head"),
        "{err}"
    );

    let (output, _) = probe(Path::new("/dev/nonexistent"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no such device; is it plugged in?"));
}

#[test]
fn a_protocol_that_no_plugin_reads_is_named_with_what_to_do() {
    type Message = fn() -> Vec<u8>;
    let meters: [(u32, Message, &str); 1] = [(
        115_200,
        foreign::inverted_p1,
        "with an inverted signal: use a cable or an adapter that inverts the signal",
    )];
    thread::scope(|scope| {
        for (baud, message, expected) in meters {
            scope.spawn(move || {
                let meter = pushing(baud, 2, move |_| message());
                let (output, _) = probe(meter.port(), &[]);
                let err = String::from_utf8(output.stderr).unwrap();
                assert!(err.contains(expected) && !err.contains("alignment"), "{expected}: {err}");
                assert_eq!(output.status.code(), Some(1));
            });
        }
    });
}

#[test]
fn a_frame_whose_content_is_unknown_is_enough_to_name_its_plugin() {
    let messages: [fn() -> Vec<u8>; 2] = [foreign::hdlc, foreign::dlms_over_mbus];
    thread::scope(|scope| {
        for message in messages {
            scope.spawn(move || {
                let line = uart::at_8e1(Pty::open().unwrap(), 2400);
                let meter = pushing_at(line, 2400, 5, move |_| message());
                let (out, _) = found(meter.port());
                assert!(out.contains("# a meter (dlms, 2400 baud, 8E1)"), "{out}");
            });
        }
    });
}

#[test]
fn the_section_is_added_to_a_configuration_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let meter = pushing(9600, 1, |moment| seven_even(ebz::telegram(moment, DataSet::Full)));
    let old = "# mine\n[server]\nlisten = \"127.0.0.1:0\"\n[sources.smartmeter_d0]\nplugin = \"s0\"\npin = 21\nenabled = false";
    fs::write(&config, old).unwrap();
    let write = ["--write", config.to_str().unwrap()];
    let (output, _) = probe(meter.port(), &write);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let new = fs::read_to_string(&config).unwrap();
    assert!(new.starts_with(old) && new.contains("[sources.smartmeter_d0_2]\nplugin = \"d0\""), "{new}");

    let program = Program::start(&["--config", config.to_str().unwrap()]);
    program.until("/data/smartmeter_d0_2", "delivered", |json| json["POWER_IMPORT"].is_object());
    assert_eq!(program.terminate().code(), Some(0));

    // A port that is configured already is not added again, and an invalid file is left alone.
    let (output, _) = probe(meter.port(), &write);
    assert!(String::from_utf8(output.stderr).unwrap().contains("has it already, as `smartmeter_d0_2`"));
    assert_eq!(fs::read_to_string(&config).unwrap(), new);
    fs::write(&config, "[sources.x]\nplugin = 1\n").unwrap();
    let (output, _) = probe(meter.port(), &write);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_to_string(&config).unwrap(), "[sources.x]\nplugin = 1\n");

    // A file that does not exist is created.
    let fresh = folder.path().join("new.toml");
    let (output, _) = probe(meter.port(), &["--write", fresh.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(fs::read_to_string(&fresh).unwrap().starts_with("# `/EBZ5"));
}

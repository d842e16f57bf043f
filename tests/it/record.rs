//! Recordings by the real program: made, anonymised, decoded and replayed.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::program::*;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use simulator::{
    Household, PushingMeter, Timing,
    dlms::{DlmsMeter, Framing},
};
use test_meters::{foreign, uart};

/// Meter that sends ten telegrams a second, each with a higher counter.
fn meter() -> PushingMeter {
    let (timing, mut count) = (Timing { interval: Duration::from_millis(100), baud: None }, 0);
    PushingMeter::start(simulator::Pty::open().unwrap(), timing, move || {
        count += 1;
        seven_e_one(telegram(&format!("000815.{count:08}"), "000259.20"))
    })
    .unwrap()
}

fn record(args: &[&str]) -> Child {
    smartmeter().arg("record").args(args).stderr(Stdio::piped()).spawn().unwrap()
}

/// Exit status and log of a recording.
fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Records for about two seconds.
fn recording(file: &Path, more: &[&str]) -> String {
    let meter = meter();
    let args = [&[meter.port().to_str().unwrap(), file.to_str().unwrap(), "--for", "2s"], more].concat();
    let (status, said) = ended(record(&args));
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(" d0 telegram"), "{said}");
    said
}

/// Bytes of a recording, without their parity.
fn characters(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.starts_with("# smartmeter recording 1: serial port, 9600 baud, "), "{text}");
    let hex: String = text.lines().skip(1).map(|line| line.split_once(' ').unwrap().1).collect();
    let byte = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap() & 0x7f;
    (0..hex.len()).step_by(2).map(|place| char::from(byte(place))).collect()
}

/// Output of `smartmeter decode`.
fn decoded(file: &Path) -> Vec<Json> {
    let output = output(&["decode", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_recording_is_decoded_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meter.txt");
    recording(&file, &[]);
    assert!(characters(&file).contains("1EBZ0100000042"));
    let times = fs::read_to_string(&file).unwrap();
    assert!(times.lines().skip(1).all(|line| !line.starts_with("0.000000 ")), "bytes have their times");
    let telegrams = decoded(&file);
    assert!(telegrams.len() > 2, "{}", telegrams.len());
    let last = telegrams.last().unwrap()["readings"][2]["value"].clone();

    let section =
        format!("[sources.m]\nplugin = \"d0\"\nport = \"replay:{}\"\nreplay_speed = 10\n", file.display());
    let program = Program::with_config(folder.path(), &section);
    program.until("/data/m", "as recorded", |json| json["POWER_IMPORT"]["value"] == last);
    // After its end it starts again, as a device that was unplugged and came back.
    let start = Instant::now();
    while program.count("m", "reopened") == 0 {
        assert!(start.elapsed() < DEADLINE, "{}", program.log());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn raw_bytes_are_replayed_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("raw");
    fs::write(&file, telegram("000001.00000000", "000010.00")).unwrap();
    let section = format!("[sources.m]\nplugin = \"d0\"\nport = \"replay:{}\"\n", file.display());
    let program = Program::with_config(folder.path(), &section);
    program.until("/data/m", "played", |json| json["POWER_IMPORT"].is_object());
}

#[test]
fn an_anonymised_recording_decodes_and_has_no_number_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, later) = (folder.path().join("meter.txt"), folder.path().join("later.txt"));
    let said = recording(&file, &["--anonymise"]);
    assert!(said.contains("places overwritten"), "{said}");
    let text = characters(&file);
    assert!(text.contains("0EBZ0000000000") && !text.contains("0100000042"));
    assert!(!text.contains("30313030303030303432"), "the number in hexadecimal");
    let telegrams = decoded(&file);
    assert_eq!(telegrams[0]["readings"][2]["obis"], "1-0:1.8.0*255");

    // A recording can be anonymised later, and its times stay; so can one that is anonymised already.
    let plain = folder.path().join("plain.txt");
    recording(&plain, &[]);
    for from in [&plain, &file] {
        let port = format!("replay:{}", from.display());
        let (status, said) = ended(record(&[&port, later.to_str().unwrap(), "--anonymise"]));
        assert_eq!(status, Some(0), "{said}");
        assert!(!characters(&later).contains("0100000042"));
        let times = |file: &Path| -> Vec<String> {
            let text = fs::read_to_string(file).unwrap();
            text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        assert_eq!(times(&later), times(from));
        assert_eq!(decoded(&later).len(), decoded(from).len());
        fs::remove_file(&later).unwrap();
    }
}

#[test]
fn a_recording_of_an_encrypted_meter_is_anonymised_with_its_keys_and_read_with_the_public_ones() {
    let folder = tempfile::tempdir().unwrap();
    let [bytes, file] = ["bytes", "file"].map(|name| folder.path().join(name));
    let (key, auth) = ("42".repeat(16), "43".repeat(16));
    let mut meter = DlmsMeter::new(Framing::Hdlc).encrypted([0x42; 16], Some([0x43; 16]));
    let mut household = Household::new(1);
    fs::write(&bytes, (0..3).flat_map(|_| meter.telegram(&household.advance())).collect::<Vec<_>>()).unwrap();
    let port = format!("replay:{}", bytes.display());
    let args = [&port, file.to_str().unwrap(), "--anonymise"];

    // Without the key nobody can tell what is in them.
    let (status, said) = ended(record(&args));
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("--key") && said.contains("so nothing is written") && !file.exists(), "{said}");

    let (status, said) = ended(record(&[&args[..], &["--key", &key, "--auth-key", &auth]].concat()));
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("places overwritten") && !said.contains(&key), "{said}");
    let decode = |keys: [&str; 2]| {
        let args = ["decode", "--key", keys[0], "--auth-key", keys[1], file.to_str().unwrap()];
        let output = output(&args);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(decode([&key, &auth]), (Some(1), String::new()), "the meter's keys are of no use any more");
    let public = ["000102030405060708090A0B0C0D0E0F", "D0D1D2D3D4D5D6D7D8D9DADBDCDDDEDF"];
    let (status, text) = decode(public);
    assert_eq!((status, text.lines().count()), (Some(0), 3), "{text}");
    assert!(!text.contains("1LGZ0000000042") && text.contains("\"obis\":\"1-0:1.8.0*255\""), "{text}");
}

#[test]
fn a_line_with_parity_is_recorded_as_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (mut meter, mut household) = (DlmsMeter::new(Framing::Mbus), Household::new(1));
    let timing = Timing { interval: Duration::from_millis(1500), baud: Some(2400) };
    let line = uart::at_8e1(simulator::Pty::open().unwrap(), 2400);
    let meter = PushingMeter::start(line, timing, move || meter.telegram(&household.advance())).unwrap();
    for (parity, status) in [("even", Some(0)), ("none", Some(1))] {
        let file = folder.path().join(parity);
        let args = [meter.port().to_str().unwrap(), file.to_str().unwrap(), "--for", "5s", "--baud", "2400"];
        assert_eq!(ended(record(&[&args[..], &["--parity", parity]].concat())).0, Some(0));
        assert_eq!(output(&["decode", file.to_str().unwrap()]).status.code(), status, "{parity}");
    }
}

#[test]
fn an_unknown_protocol_is_not_anonymised() {
    let folder = tempfile::tempdir().unwrap();
    let (noise, file) = (folder.path().join("noise"), folder.path().join("file"));
    fs::write(&noise, [0x55; 1000]).unwrap();
    let port = format!("replay:{}", noise.display());
    let (status, said) = ended(record(&[&port, file.to_str().unwrap(), "--anonymise"]));
    assert_eq!(status, Some(1));
    assert!(said.contains("no telegram and no meter number was recognized, so nothing is written"), "{said}");
    assert!(!file.exists());
    // Without `--anonymise` it is an ordinary recording.
    assert_eq!(ended(record(&[&port, file.to_str().unwrap()])).0, Some(0));
}

#[test]
fn a_recording_says_why_nothing_in_it_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let [bytes, file] = ["bytes", "file"].map(|name| folder.path().join(name));
    let mut damaged = seven_e_one(telegram("000001.00000000", "000010.00"));
    damaged[100] ^= 1;
    for (content, expected) in [
        (damaged, "no telegram was accepted; the best candidate is D0 text (IEC 62056-21) at byte 0: "),
        (vec![0x55; 1000], "no telegram was recognized; is `--baud` right?"),
        (foreign::hdlc(), "no telegram was accepted; the best candidate is DLMS/COSEM at byte 0: "),
    ] {
        fs::write(&bytes, content).unwrap();
        let port = format!("replay:{}", bytes.display());
        let (status, said) = ended(record(&[&port, file.to_str().unwrap()]));
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains(expected), "{said}");
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn signals_end_a_recording_in_order() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("meter.txt");
        let meter = meter();
        let child = record(&[meter.port().to_str().unwrap(), file.to_str().unwrap()]);
        let start = Instant::now();
        // Bytes are written as they arrive.
        while fs::read_to_string(&file).unwrap_or_default().lines().count() < 2 {
            assert!(start.elapsed() < DEADLINE);
            thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(ended(child).0, Some(0));
        assert!(!characters(&file).is_empty());
    }
}

#[test]
fn mistakes_are_reported_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (there, new) = (folder.path().join("there"), folder.path().join("new"));
    fs::write(&there, "mine").unwrap();
    let (there, new) = (there.to_str().unwrap(), new.to_str().unwrap());
    let meter = meter();
    let port = meter.port().to_str().unwrap();
    let silent = line();
    let silent = silent.path().to_str().unwrap();
    for (args, status, expected) in [
        (&[port, there][..], 2, "exists already and is not overwritten\nhint: "),
        (&["nonsense", new], 2, "is not a valid port: expected"),
        (&[port, new, "--for", "long"], 2, "is not a valid duration"),
        (&[port, new, "--baud", "1"], 2, "--baud"),
        (&["/nonexistent", new], 1, "no such device"),
        (&["replay:/nonexistent", new], 1, "could not read `replay:/nonexistent`"),
        (&[port, "/nonexistent/new"], 1, "could not write `/nonexistent/new`"),
        (&[silent, new, "--for", "100ms"], 1, "nothing came from"),
    ] {
        let (code, said) = ended(record(args));
        assert_eq!(code, Some(status), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
        assert!(!Path::new(new).exists(), "{args:?}");
    }
    assert_eq!(fs::read_to_string(there).unwrap(), "mine");
    // A damaged recording is refused, with the line of the damage.
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, "# smartmeter recording 1: TCP, 9600 baud, 2024-02-29T12:34:56Z\n0.1 0\n").unwrap();
    let decoded = output(&["decode", damaged.to_str().unwrap()]);
    assert_eq!(decoded.status.code(), Some(1));
    assert!(String::from_utf8(decoded.stderr).unwrap().contains("line 2: odd number of hexadecimal digits"));
}

#[test]
fn an_unplugged_device_ends_a_recording_and_its_bytes_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meter.txt");
    let pty = line();
    let child = record(&[pty.path().to_str().unwrap(), file.to_str().unwrap()]);
    send(&pty, &telegram("000001.00000000", "000010.00"));
    let start = Instant::now();
    while fs::read_to_string(&file).unwrap_or_default().lines().count() < 2 {
        assert!(start.elapsed() < DEADLINE);
        thread::sleep(Duration::from_millis(5));
    }
    drop(pty);
    let (status, said) = ended(child);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("ended: ") && said.contains("1 d0 telegram"), "{said}");
    assert_eq!(decoded(&file).len(), 1);
}

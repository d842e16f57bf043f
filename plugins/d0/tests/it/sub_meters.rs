//! Meters that are connected to a P1 port, and clocks in other time zones.

use std::fs;

use framework::{Batch, Kind, Timestamp, Value};
use jiff::SignedDuration;
use plugin_d0::decoder::Decoder;
use telegram::{Converter, Decoder as _};

/// A telegram at this time by the meter's clock, with these lines of connected meters.
fn telegram(clock: &str, lines: &str) -> String {
    format!("/XYZ5P1\r\n\r\n0-0:1.0.0({clock})\r\n1-0:1.8.1(000123.456*kWh)\r\n{lines}!\r\n")
}

struct Port {
    converter: Converter,
    now: Timestamp,
}

impl Port {
    fn new(shift: Option<SignedDuration>) -> Self {
        Self { converter: Converter::new(shift), now: "2026-01-15T11:00:00Z".parse().unwrap() }
    }

    fn batch(&mut self, telegram: &str) -> Batch {
        let mut batch = None;
        Decoder::default().push(telegram.as_bytes(), &mut |found| {
            batch = Some(self.converter.batch(&found.unwrap(), self.now));
        });
        batch.unwrap()
    }

    /// Reads a telegram after as many hours, with the readings of slots 1 and 2: times of the last reading, and values.
    fn after(&mut self, hours: i64, slots: [(&str, &str); 2]) -> Batch {
        self.now += SignedDuration::from_hours(hours);
        let clock = (self.now + SignedDuration::from_hours(1)).strftime("%y%m%d%H%M%SW").to_string();
        let slots = (1..).zip(slots).filter(|(_, (time, _))| !time.is_empty());
        let lines = slots.map(|(channel, (time, value))| {
            format!("0-{channel}:24.1.0(003)\r\n0-{channel}:24.2.1({time}W)({value}*m3)\r\n")
        });
        self.batch(&telegram(&clock, &lines.collect::<String>()))
    }

    /// Time as the meter would send it now, so many hours ago.
    fn ago(&self, hours: i64) -> String {
        (self.now + SignedDuration::from_hours(1 - hours)).strftime("%y%m%d%H%M%S").to_string()
    }
}

fn value(batch: &Batch, name: &str) -> Option<String> {
    batch.get(name).map(|reading| match &reading.value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
    })
}

#[test]
fn the_name_belongs_to_the_meter_that_lives_and_a_dead_slot_is_no_counter() {
    for dead in ["700101010000", "000101010000", "250310120000", "632525252525"] {
        for first in [true, false] {
            let mut port = Port::new(None);
            let living = port.ago(0);
            let (mut slots, mut codes) =
                ([(dead, "00007.000"), (&*living, "00812.345")], ["0-1:24.2.1", "0-2:24.2.1"]);
            if !first {
                slots.reverse();
                codes.reverse();
            }
            let batch = port.after(0, slots);
            assert_eq!(value(&batch, "GAS").as_deref(), Some("812.345"), "{dead}");
            let code = batch.readings.iter().find(|reading| reading.name.contains("24.2.1")).unwrap();
            assert_eq!(code.obis.unwrap().to_string(), codes[0]);
            let counts = code.meaning().kind == Kind::Counter;
            // An invalid time may be that of a meter that was just connected.
            assert_eq!(counts, dead == "632525252525", "{dead}");
            let utc = code.time.as_ref().unwrap().utc.map(|utc| utc.to_string());
            let expected = (dead == "250310120000").then(|| "2025-03-10T11:00:00Z".to_owned());
            assert_eq!(utc, expected, "{dead}");
        }
    }
}

#[test]
fn a_frozen_meter_alone_has_no_name_of_a_living_one_until_it_lives() {
    let mut port = Port::new(None);
    let frozen = ("250310120000", "00007.000");
    let batch = port.after(0, [frozen, ("", "")]);
    assert_eq!(value(&batch, "GAS"), None);
    assert_eq!(value(&batch, "0-1:24.2.1").as_deref(), Some("7.0"));
    let news = port.converter.news().unwrap();
    assert!(news.contains("GAS on channel 1 was read last at 2025-03-10T11:00:00Z"), "{news}");
    assert_eq!(port.converter.news(), None, "said once");
    let living = port.ago(0);
    let batch = port.after(0, [(&living, "00007.001"), ("", "")]);
    assert_eq!(value(&batch, "GAS").as_deref(), Some("7.001"));
    assert_eq!(port.converter.news().as_deref(), Some("none"));
}

#[test]
fn a_swap_keeps_the_name_on_the_new_meter() {
    let mut port = Port::new(None);
    let mut last = String::new();
    for hour in 0..5 {
        last = port.ago(-1);
        let batch = port.after(1, [(&last, "00100.000"), ("700101010000", "00000.000")]);
        assert_eq!(value(&batch, "GAS").as_deref(), Some("100.0"), "{hour}");
    }
    // The new one on the other channel; the old one sends its last reading for ever.
    let mut named = Vec::new();
    for _ in 0..6 {
        let time = port.ago(-1);
        let batch = port.after(1, [(&last, "00100.000"), (&time, "00000.500")]);
        named.push(value(&batch, "GAS").unwrap());
    }
    let old = named.iter().take_while(|value| *value == "100.0").count();
    assert!((1..=3).contains(&old), "{named:?}");
    assert!(named[old..].iter().all(|value| value == "0.5"), "{named:?}");
}

#[test]
fn two_living_meters_keep_their_names_when_one_pauses() {
    let mut port = Port::new(None);
    for hour in 0..200 {
        // The first is silent for a day now and then.
        let first = if hour % 50 < 24 { port.ago(hour % 50 - 1) } else { port.ago(-1) };
        let second = port.ago(-1);
        let batch = port.after(1, [(&first, "00100.000"), (&second, "00200.000")]);
        assert_eq!(value(&batch, "GAS").as_deref(), Some("100.0"), "{hour}");
        assert_eq!(value(&batch, "0-2:24.2.1").as_deref(), Some("200.0"), "{hour}");
    }
}

#[test]
fn a_clock_that_is_far_off_is_judged_and_said() {
    // A year ahead, and one that began again with 2000; both move.
    for (first, second) in [("270115120000", "270115130000"), ("000101010000", "000101020000")] {
        let mut port = Port::new(None);
        port.after(0, [(first, "00812.345"), ("", "")]);
        let batch = port.after(1, [(second, "00812.355"), ("", "")]);
        let gas = batch.get("GAS").unwrap();
        assert_eq!(gas.meaning().kind, Kind::Counter);
        assert_eq!(gas.time.as_ref().unwrap().utc, Some(port.now), "the time at which it arrived");
        let arrived = port.now;
        let batch = port.after(1, [(second, "00812.355"), ("", "")]);
        assert_eq!(batch.get("GAS").unwrap().time.as_ref().unwrap().utc, Some(arrived));
        let news = port.converter.news().unwrap();
        assert!(news.contains("GAS on channel 1 has a clock that says"), "{news}");
    }
}

#[test]
fn a_time_zone_is_judged_by_the_clock_in_whole_quarters_of_an_hour() {
    // The meter's clock, ours, and the moment that it stands for.
    for (clock, now, expected) in [
        ("260115120000W", "2026-01-15T11:00:07Z", "2026-01-15T11:00:00Z"),
        ("230605150000W", "2023-06-05T12:00:30Z", "2023-06-05T12:00:00Z"),
        ("230605150000S", "2023-06-05T12:00:30Z", "2023-06-05T12:00:00Z"),
        ("260115120000W", "2026-01-15T12:00:00Z", "2026-01-15T12:00:00Z"),
        ("260115120000W", "2026-01-15T06:14:20Z", "2026-01-15T06:15:00Z"),
        // Clocks that are wrong, and recordings.
        ("260115120000W", "2026-01-15T11:10:00Z", "2026-01-15T11:00:00Z"),
        ("260115120000W", "2026-01-15T10:53:00Z", "2026-01-15T11:00:00Z"),
        ("260115120000W", "2026-01-17T11:00:00Z", "2026-01-15T11:00:00Z"),
        ("260115120000W", "1970-01-01T00:00:00Z", "2026-01-15T11:00:00Z"),
    ] {
        let mut port = Port { now: now.parse().unwrap(), ..Port::new(None) };
        let batch = port.batch(&telegram(clock, ""));
        let utc = batch.get("METER_CLOCK").unwrap().time.as_ref().unwrap().utc;
        assert_eq!(utc, Some(expected.parse().unwrap()), "{clock} at {now}");
    }
    // Gas moves with the clock, and the configuration has the last word.
    for (shift, expected) in [(None, "2026-01-15T09:55:00Z"), (Some(0), "2026-01-15T10:55:00Z")] {
        let mut port = Port::new(shift.map(SignedDuration::from_hours));
        let lines = "0-1:24.1.0(003)\r\n0-1:24.2.1(260115115500W)(00812.345*m3)\r\n";
        let batch = port.batch(&telegram("260115130000W", lines));
        let zone = if shift.is_none() { SignedDuration::from_hours(-1) } else { SignedDuration::ZERO };
        assert_eq!(port.converter.shift(), zone);
        let _ = batch;
        let batch = port.batch(&telegram("260115130000W", lines));
        let utc = batch.get("GAS").unwrap().time.as_ref().unwrap().utc;
        assert_eq!(utc, Some(expected.parse().unwrap()));
    }
}

#[test]
fn a_time_zone_is_not_judged_by_a_clock_of_ours_that_is_not_set_yet() {
    let run = tempfile::tempdir().unwrap();
    let folder = run.path().join("systemd/timesync");
    let mut port = Port { converter: Converter::new(None).with_run_dir(run.path()), ..Port::new(None) };
    // The meter is an hour ahead of Central European Time.
    let shift = |port: &mut Port| {
        port.batch(&telegram("260115130000W", ""));
        port.converter.shift()
    };
    fs::create_dir_all(&folder).unwrap();
    assert_eq!(shift(&mut port), SignedDuration::ZERO, "the service has not set the clock yet");
    fs::write(folder.join("synchronized"), "").unwrap();
    assert_eq!(shift(&mut port), SignedDuration::from_hours(-1));
    // What was judged stays, whatever our clock says after a start without Internet.
    fs::remove_file(folder.join("synchronized")).unwrap();
    port.now += SignedDuration::from_hours(2);
    assert_eq!(shift(&mut port), SignedDuration::from_hours(-1));
    // Without the service, nothing tells.
    fs::remove_dir(&folder).unwrap();
    assert_eq!(shift(&mut port), SignedDuration::from_hours(1));
}

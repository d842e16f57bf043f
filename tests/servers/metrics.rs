//! `/metrics` of the real program, checked by Prometheus itself.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::{Failed, Trial};
use serde_json::Value as Json;
use test_servers::{Server, is_installed};

use crate::program::*;

pub(crate) fn trials() -> Vec<Trial> {
    let (promtool, prometheus) = (is_installed("promtool"), is_installed("prometheus"));
    let trial = |name: &str, needs: &str, there: bool, test: fn() -> Result<(), Failed>| {
        Trial::test(format!("{name} (needs {needs})"), test).with_ignored_flag(!there)
    };
    vec![
        trial("a meter and pulses are right", "promtool", promtool, a_meter_and_pulses_are_right),
        trial("every kind of unit is right", "promtool", promtool, every_kind_of_unit_is_right),
        trial("hostile names are right", "promtool", promtool, hostile_names_are_right),
        trial("a server scrapes and asks", "prometheus", prometheus, a_server_scrapes_and_asks),
        Trial::test("a stale meter's readings are absent", a_stale_meters_readings_are_absent),
    ]
}

/// Runs `promtool check metrics`: the grammar, and the rules for names, types and help texts.
fn check(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}\n{text}", String::from_utf8_lossy(&said));
}

#[track_caller]
fn has(text: &str, expected: &str) {
    assert!(text.lines().any(|line| line == expected), "no `{expected}` in\n{text}");
}

fn a_meter_and_pulses_are_right() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let (meter, adapter) = (line(), line());
    let program = Program::with_config(
        folder.path(),
        &format!("{}{}", d0("grid", meter.path()), s0("heat", adapter.path())),
    );
    // There is no reading yet.
    check(&program.text("/metrics"));
    send(&meter, &seven_e_one(telegram("000001.20600001", "-000458.90")));
    send(&adapter, &[0; 1234]);
    program.until("/data", "delivered", |json| json["grid"].is_object() && json["heat"]["pulses"] == 1234);
    let text = program.text("/metrics");
    check(&text);
    for expected in [
        // A float would be 4341600.035999999.
        r#"meter_energy_joules_total{meter="grid",reading="POWER_IMPORT",obis="1.8.0",direction="import"} 4341600.036"#,
        r#"meter_power_watts{meter="grid",reading="CURRENT_POWER_SUM",obis="16.7.0",direction="net"} -458.9"#,
        r#"meter_energy_joules_total{meter="heat",reading="count"} 4442400"#,
        r#"meter_reading{meter="heat",reading="pulses"} 1234"#,
        r#"meter_reader_up{meter="grid",plugin="d0"} 1"#,
        r#"meter_telegrams_total{meter="grid",result="ok"} 1"#,
        r#"meter_plugin_events_total{meter="grid",event="rejected"} 0"#,
        r#"meter_plugin_events_total{meter="heat",event="bytes"} 1234"#,
        "smartmeter_journal_up 1",
    ] {
        has(&text, expected);
    }
    for process in ["process_resident_memory_bytes ", "process_cpu_seconds_total ", "process_open_fds "] {
        assert!(text.lines().any(|line| line.starts_with(process)), "no `{process}` in\n{text}");
    }
    Ok(())
}

/// Registers as a meter sends them, each with its expected sample below.
const REGISTERS: &str = r#"
1-0:1.8.0*255(001234.5678*kWh)
meter_energy_joules_total{meter="house",reading="POWER_IMPORT",obis="1.8.0",direction="import"} 4444444080
1-0:1.8.1*255(001000.0000*kWh)
meter_energy_joules_total{meter="house",reading="POWER_IMPORT_T1",obis="1.8.1",direction="import",tariff="1"} 3600000000
1-0:2.8.0*255(000000.0001*MWh)
meter_energy_joules_total{meter="house",reading="POWER_EXPORT",obis="2.8.0",direction="export"} 360000
1-0:16.8.0*255(-00001.5*kWh)
meter_net_energy_joules{meter="house",reading="POWER_SUM",obis="16.8.0",direction="net"} -5400000
1-0:3.8.0*255(000001.0*kvarh)
meter_reactive_energy_var_seconds_total{meter="house",reading="REACTIVE_IMPORT",obis="3.8.0",direction="import"} 3600000
1-0:9.8.0*255(000001.0*kVAh)
meter_apparent_energy_volt_ampere_seconds_total{meter="house",reading="9.8.0",obis="9.8.0",direction="import"} 3600000
1-0:1.7.0*255(00.350*kW)
meter_power_watts{meter="house",reading="CURRENT_POWER_IMPORT",obis="1.7.0",direction="import"} 350
1-0:56.7.0*255(-000015.64*W)
meter_power_watts{meter="house",reading="CURRENT_POWER_L2",obis="56.7.0",phase="L2",direction="net"} -15.64
1-0:3.7.0*255(0012*var)
meter_reactive_power_vars{meter="house",reading="CURRENT_REACTIVE_IMPORT",obis="3.7.0",direction="import"} 12
1-0:9.7.0*255(0012*VA)
meter_apparent_power_volt_amperes{meter="house",reading="CURRENT_APPARENT_POWER",obis="9.7.0",direction="import"} 12
1-0:32.7.0*255(232.4*V)
meter_voltage_volts{meter="house",reading="VOLTAGE_L1",obis="32.7.0",phase="L1"} 232.4
1-0:71.7.0*255(01.25*A)
meter_current_amperes{meter="house",reading="CURRENT_L3",obis="71.7.0",phase="L3"} 1.25
1-0:14.7.0*255(49.98*Hz)
meter_frequency_hertz{meter="house",reading="FREQUENCY",obis="14.7.0"} 49.98
1-0:13.7.0*255(0.98)
meter_power_factor_ratio{meter="house",reading="POWER_FACTOR",obis="13.7.0"} 0.98
1-0:81.7.1*255(120*deg)
meter_reading{meter="house",reading="ANGLE_U2_U1",unit="deg"} 120
1-0:1.6.0*255(03.500*kW)
meter_reading{meter="house",reading="MAX_POWER_IMPORT",unit="kW"} 3.5
1-0:1.8.0*01(001000.0*kWh)
meter_reading{meter="house",reading="1.8.0*01",unit="kWh"} 1000
0-1:24.2.1*255(00012.345*m3)
meter_volume_cubic_meters_total{meter="house",reading="24.2.1",obis="24.2.1"} 12.345
1-0:96.9.0*255(31.5*°C)
meter_temperature_celsius{meter="house",reading="96.9.0",obis="96.9.0"} 31.5
"#;

fn every_kind_of_unit_is_right() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let meter = line();
    let program = Program::with_config(folder.path(), &d0("house", meter.path()));
    let lines: String = REGISTERS.trim().lines().step_by(2).map(|line| format!("{line}\r\n")).collect();
    send(&meter, format!("/EBZ5DD32R06ETA_107\r\n\r\n{lines}!\r\n").as_bytes());
    program.until("/data/house", "delivered", |json| json["POWER_IMPORT"].is_object());
    let text = program.text("/metrics");
    check(&text);
    REGISTERS.trim().lines().skip(1).step_by(2).for_each(|sample| has(&text, sample));
    Ok(())
}

/// Sensors whose names are any text that a file may contain.
fn sensors(folder: &Path, names: &[&str]) -> String {
    for (number, name) in names.iter().enumerate() {
        let zone = folder.join(format!("zones/thermal_zone{number}"));
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("type"), name).unwrap();
        fs::write(zone.join("temp"), "48500\n").unwrap();
    }
    format!("[sources.sensors]\nplugin = \"thermal\"\npath = \"{}/zones\"\n", folder.display())
}

fn hostile_names_are_right() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let meter = line();
    let names = [
        r#"quote"} 1"#,
        r"back\slash\",
        "two\nlines",
        "a\rreturn\u{1}\u{0}",
        "Käse {a=\"b\"}",
        "same",
        "# HELP x",
    ];
    let sources = format!("{}{}", d0("meter", meter.path()), sensors(folder.path(), &names));
    let program = Program::with_config(folder.path(), &sources);
    send(&meter, b"/EBZ5DD32R06ETA_107\r\n\r\n1-0:1.8.0*255(1.5*kWh)\r\n1-0:21.7.0*255(7*x\"} \\n)\r\n!\r\n");
    program.until("/data", "delivered", |json| json["meter"].is_object() && json["sensors"].is_object());
    let text = program.text("/metrics");
    check(&text);
    let temperature =
        |name: &str| format!("meter_temperature_celsius{{meter=\"sensors\",reading=\"{name}\"}} 48.5");
    for expected in [
        temperature(r#"zone0_quote\"} 1"#),
        temperature(r"zone1_back\\slash\\"),
        temperature(r#"zone4_Käse {a=\"b\"}"#),
        r#"meter_reading{meter="meter",reading="CURRENT_POWER_IMPORT_L1",unit="x\"} \\n"} 7"#.to_owned(),
    ] {
        has(&text, &expected);
    }
    // A name with control characters is no name: the scheduler leaves it out.
    assert!(!text.contains("zone2") && !text.contains("zone3"), "{text}");
    Ok(())
}

fn a_stale_meters_readings_are_absent() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let meter = line();
    let sources = format!("{}stale_after = \"1s\"\n", d0("grid", meter.path()));
    let program = Program::with_config(folder.path(), &sources);
    send(&meter, &telegram("000001.00000000", "000010.00"));
    program.until("/data/grid", "stale", |json| json["stale"] == true);
    let text = program.text("/metrics");
    for gone in ["meter_energy_joules_total", "meter_power_watts", "meter_reading{"] {
        assert!(!text.contains(gone), "`{gone}` in\n{text}");
    }
    has(&text, r#"meter_reader_up{meter="grid",plugin="d0"} 0"#);
    assert!(text.contains(r#"meter_last_reading_timestamp_seconds{meter="grid"} "#));
    // It sends again, for longer than a busy machine needs for one request.
    for n in 1.. {
        send(&meter, &telegram(&format!("000001.{n:08}"), "000010.00"));
        if program.text("/metrics").contains("meter_power_watts{meter=\"grid\"") {
            break;
        }
        assert!(n < 2000, "{}", program.text("/metrics"));
        thread::sleep(Duration::from_millis(10)); // between two telegrams, not for timing
    }
    Ok(())
}

/// Returns the series of a query once there is any.
fn ask(server: &Server, query: &str) -> Vec<Json> {
    let start = Instant::now();
    loop {
        let url = format!("http://127.0.0.1:{}/api/v1/query", server.port);
        let answer = ureq::get(url).query("query", query).call();
        if let Ok(answer) = answer.and_then(|mut answer| answer.body_mut().read_to_string()) {
            let json: Json = serde_json::from_str(&answer).unwrap();
            let found = json["data"]["result"].as_array().unwrap();
            if !found.is_empty() {
                return found.clone();
            }
        }
        assert!(start.elapsed() < DEADLINE, "nothing for `{query}`");
        thread::sleep(Duration::from_millis(50)); // between two checks, not for timing
    }
}

fn a_server_scrapes_and_asks() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let meter = line();
    let names = [r#"quote"} \"#, r"a\nb, # HELP!"];
    let sources = format!("{}{}", d0("grid", meter.path()), sensors(folder.path(), &names));
    let program = Program::with_config(folder.path(), &sources);
    send(&meter, &telegram("002714.12830185", "-000458.90"));
    program.until("/data", "delivered", |json| json["grid"].is_object() && json["sensors"].is_object());
    let server = test_servers::prometheus(folder.path(), test_servers::free_port(), program.address());
    let value = |query: &str| ask(&server, query)[0]["value"][1].as_str().unwrap().to_owned();
    assert_eq!(value("up == 1"), "1");
    assert_eq!(value(r#"meter_power_watts{meter="grid"}"#), "-458.9");
    assert_eq!(value(r#"meter_energy_joules_total{direction="import"} / 3.6e6"#), "2714.12830185");
    assert_eq!(value("meter_reader_up{meter=\"grid\"}"), "1");
    let read: Vec<_> =
        ask(&server, "meter_temperature_celsius").iter().map(|s| s["metric"]["reading"].clone()).collect();
    for name in names {
        assert!(read.iter().any(|reading| reading.as_str().unwrap().ends_with(name)), "{name:?} in {read:?}");
    }
    Ok(())
}

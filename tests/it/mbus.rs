//! Meters on a wired M-Bus, on a real pseudo terminal.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::program::*;
use simulator::mbus::{five_meters, heat_records, water_records};

const METERS: &str = "\
    [sources.bus.meters.slow]\naddress = 1\n\
    [sources.bus.meters.left]\nsecondary = \"10000002\"\n\
    [sources.bus.meters.right]\nsecondary = \"10000003-TST-01-07\"\n\
    [sources.bus.meters.shaky]\naddress = 3\n\
    [sources.bus.meters.long]\naddress = 4\n";

fn bus(port: &std::path::Path, name: &str) -> String {
    format!("[sources.{name}]\nplugin = \"mbus\"\nport = \"{}\"\ninterval = \"1s\"\n", port.display())
}

#[test]
fn five_meters_of_one_bus_are_read_whatever_they_do() {
    let converter = five_meters().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), &(bus(converter.port(), "bus") + METERS));
    let data = program.until("/data/bus", "read whole", |json| {
        ["slow_energy", "left_volume", "right_volume", "shaky_volume", "long_power"]
            .iter()
            .all(|name| !json[name].is_null())
    });
    for (name, expected) in [
        ("slow_energy", "12345.0"),
        ("slow_volume", "678.9"),
        ("slow_flow_temperature", "63.5"),
        ("slow_energy_storage1", "6172.5"),
        // These two collide at their primary address.
        ("left_volume", "111.222"),
        ("right_volume", "333.444"),
        // Each second answer of this one is damaged.
        ("shaky_volume", "555.666"),
        // This one has two parts.
        ("long_energy", "98765.0"),
        ("long_power", "1500"),
        ("long_operating_time", "22"),
        ("long_low_battery", "0"),
    ] {
        assert_eq!(data[name].to_string(), expected, "{name} of {data:#}");
    }
    let facts = program.get("/health").1["sources"]["bus"]["facts"]["meters"].to_string();
    assert!(facts.contains("right: 10000003-TST-01-07"), "{facts}");
}

#[test]
fn meters_that_collide_at_their_address_are_named_in_health_and_the_others_are_read() {
    let converter = five_meters().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = bus(converter.port(), "bus")
        + "[sources.bus.meters.twins]\naddress = 2\n[sources.bus.meters.long]\naddress = 4\n";
    let program = Program::with_config(folder.path(), &config);
    let data = program.until("/data/bus", "read", |json| !json["long_power"].is_null());
    assert!(data["twins_volume"].is_null(), "{data:#}");
    let health = program.until("/health", "told of the collision", |json| {
        json["sources"]["bus"]["problem"].is_string() || json["sources"]["bus"]["problem"].is_object()
    });
    let problem = health["sources"]["bus"]["problem"].to_string();
    assert!(
        problem.contains("twins (address 2)") && problem.contains("smartmeter probe --mbus"),
        "{problem}"
    );
}

#[test]
fn several_sources_share_one_bus() {
    let converter = five_meters().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = bus(converter.port(), "heating")
        + "address = 4\n"
        + &bus(converter.port(), "garden")
        + "secondary = \"10000002\"\n"
        + &bus(converter.port(), "flat")
        + "secondary = \"10000003\"\n";
    let program = Program::with_config(folder.path(), &config);
    for (source, name, expected) in
        [("heating", "energy", "98765.0"), ("garden", "volume", "111.222"), ("flat", "volume", "333.444")]
    {
        let data = program.until(&format!("/data/{source}"), "read", |json| !json[name].is_null());
        assert_eq!(data[name].to_string(), expected, "{data:#}");
    }
    // Each goes on at its pace.
    converter.change(|bus| bus.meters()[1].parts = vec![water_records(111_333)]);
    program.until("/data/garden", "read again", |json| json["volume"].as_f64() == Some(111.333));
    converter.change(|bus| bus.meters()[4].parts = vec![heat_records(98_766_000, 43_211)]);
    program.until("/data/heating", "read again", |json| json["energy"].as_f64() == Some(98_766.0));
}

#[test]
fn a_meter_that_becomes_silent_is_named_and_does_not_hold_the_others_up() {
    let converter = five_meters().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = bus(converter.port(), "bus")
        + "[sources.bus.meters.left]\nsecondary = \"10000002\"\n[sources.bus.meters.long]\naddress = 4\n";
    let program = Program::with_config(folder.path(), &config);
    program
        .until("/data/bus", "read", |json| !json["left_volume"].is_null() && !json["long_energy"].is_null());
    converter.change(|bus| {
        bus.meters()[1].is_silent = true;
        bus.meters()[4].parts = vec![heat_records(98_767_000, 43_212)];
    });
    let data = program.until("/data/bus", "read without it", |json| {
        json["left_volume"].is_null() && json["long_energy"].as_f64() == Some(98_767.0)
    });
    assert_eq!(data["long_volume"].to_string(), "43.212", "{data:#}");
    let health = program.get("/health").1;
    let problem = health["sources"]["bus"]["problem"].to_string();
    assert!(problem.contains("left (secondary address 10000002): it does not answer"), "{problem}");
    converter.change(|bus| bus.meters()[1].is_silent = false);
    program.until("/data/bus", "read again", |json| !json["left_volume"].is_null());
}

#[test]
fn a_heat_meters_energy_is_heat() {
    let converter = five_meters().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), &(bus(converter.port(), "heating") + "address = 4\n"));
    program.until("/data/heating", "read", |json| !json["energy"].is_null());
    let readings = program.text("/readings");
    let json: serde_json::Value = serde_json::from_str(&readings).unwrap();
    let energy = json.to_string();
    assert!(energy.contains("\"medium\":\"heat\""), "{json:#}");
}

#[test]
fn mistakes_in_the_addresses_of_meters_are_all_told_of_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let config = "[sources.a]\nplugin = \"mbus\"\nport = \"tcp://host:1\"\n\
        [sources.b]\nplugin = \"mbus\"\nport = \"tcp://host:2\"\naddress = 251\nbaud = 2401\n\
        [sources.c]\nplugin = \"mbus\"\nport = \"tcp://host:3\"\n\
        [sources.c.meters.x]\nsecondary = \"1234\"\n[sources.c.meters.y]\n\
        [sources.d]\nplugin = \"d0\"\nport = \"tcp://host:4\"\n\
        [sources.e]\nplugin = \"mbus\"\nport = \"tcp://host:4\"\naddress = 1\n";
    std::fs::write(&file, config).unwrap();
    let output = output(&["check", "--config", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    for expected in [
        "no meter is named: expected `address`, `secondary`, or `[sources.NAME.meters.METER]`",
        "`smartmeter probe --mbus PORT` finds the meters",
        "251 is not a primary address: expected 0 to 250",
        "2401 is not a baud rate of an M-Bus",
        "`1234` is not a secondary address: expected the number on the meter such as `12345678`",
        "a meter needs its primary address, `address = 5`",
        "`e` and `d` both use tcp://host:4",
    ] {
        assert!(text.contains(expected), "{expected}\n--- in\n{text}");
    }
}

#[test]
fn probe_finds_every_meter_of_a_bus_by_its_secondary_address() {
    let converter = five_meters().unwrap();
    let mut command = smartmeter();
    command.args(["probe", "--mbus"]).arg(converter.port()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut missing = vec![
        "found meter 10000001 by TST, heat (outlet), version 1, address 1",
        "found meter 10000002 by TST, water, version 1, address 2",
        "found meter 10000003 by TST, water, version 1, address 2",
        "found meter 10000004 by TST, water, version 1, address 3",
        "found meter 10000005 by TST, heat (outlet), version 1, address 4",
    ];
    // The search of primary addresses, for meters that have no other, takes more than a minute: it is not waited for.
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        missing.retain(|meter| !line.contains(meter));
        if missing.is_empty() || line.contains("no meter") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn probe_of_a_bus_without_a_port_says_what_to_write() {
    let output = output(&["probe", "--mbus"]);
    let said = text(output.stderr);
    assert!(said.contains("`smartmeter probe --mbus /dev/ttyUSB0`"), "{said}");
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

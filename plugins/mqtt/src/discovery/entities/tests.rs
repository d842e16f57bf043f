use framework::{ArgSpec, Decimal, Obis, Reading};

use super::*;

const SPECS: [CommandSpec; 3] = [
    CommandSpec { name: "reset_s0", aliases: &[], about: "sets the count to 0", args: &[] },
    CommandSpec {
        name: "set_s0",
        aliases: &[],
        about: "sets the count",
        args: &[ArgSpec { name: "value", about: "energy in kWh, 0 to 1000000000", kind: ArgKind::Number }],
    },
    CommandSpec {
        name: "say",
        aliases: &[],
        about: "sends a text",
        args: &[ArgSpec { name: "text", about: "what", kind: ArgKind::Text }],
    },
];

fn messages(form: Discovery) -> BTreeMap<String, Json> {
    let readings = [
        Reading::number("POWER_IMPORT", Decimal::new(4_457_153, 3).unwrap())
            .unit("kWh")
            .obis(Obis::parse(b"1-0:1.8.0*255").unwrap()),
        Reading::text("C.5'0", "ok"),
    ];
    let device = Device {
        id: "smartmeter_1EBZ01",
        section: "grid",
        number: Some("1EBZ01"),
        readings: readings.iter().collect(),
        commands: SPECS.iter().collect(),
    };
    let topics = Topics { prefix: "smartmeter".into(), discovery: "homeassistant".into() };
    let messages = device.messages(form, &topics).into_iter();
    messages.map(|(topic, payload)| (topic, serde_json::from_slice(&payload).unwrap())).collect()
}

fn components() -> Json {
    json!({
        "POWER_IMPORT": {
            "name": "Energy import", "unique_id": "smartmeter_1EBZ01_POWER_IMPORT",
            "state_topic": "smartmeter/grid/state", "value_template": "{{ value_json['POWER_IMPORT'] | default('') }}",
            "device_class": "energy", "state_class": "total_increasing", "unit_of_measurement": "kWh",
            "suggested_display_precision": 3,
        },
        "C-2e5-270": {
            "name": "C.5'0", "unique_id": "smartmeter_1EBZ01_C-2e5-270", "state_topic": "smartmeter/grid/state",
            "value_template": "{{ (value_json['C.5\\'0'] | default('') | string)[:255] }}",
            "entity_category": "diagnostic",
        },
        "command-reset_s0": {
            "name": "Reset s0", "unique_id": "smartmeter_1EBZ01_command-reset_s0",
            "command_topic": "smartmeter/grid/command/reset_s0", "entity_category": "config",
        },
        "command-set_s0": {
            "name": "Set s0", "unique_id": "smartmeter_1EBZ01_command-set_s0",
            "command_topic": "smartmeter/grid/command/set_s0", "entity_category": "config",
            "mode": "box", "min": 0, "max": 1_000_000_000, "step": 0.001, "unit_of_measurement": "kWh",
        },
    })
}

fn shared() -> Json {
    json!({
        "dev": {"identifiers": ["smartmeter_1EBZ01"], "name": "grid", "serial_number": "1EBZ01"},
        "o": {"name": "smartmeter", "sw": env!("CARGO_PKG_VERSION")},
        "availability": [{"topic": "smartmeter/status"}, {"topic": "smartmeter/grid/availability"}],
        "availability_mode": "all",
    })
}

const PLATFORMS: [(&str, &str); 4] = [
    ("POWER_IMPORT", "sensor"),
    ("C-2e5-270", "sensor"),
    ("command-reset_s0", "button"),
    ("command-set_s0", "number"),
];

#[test]
fn one_message_for_a_device() {
    let mut expected = shared();
    expected["cmps"] = components();
    for (object, platform) in PLATFORMS {
        expected["cmps"][object]["p"] = platform.into();
    }
    let topic = "homeassistant/device/smartmeter_1EBZ01/config".to_owned();
    assert_eq!(messages(Discovery::Device), BTreeMap::from([(topic, expected)]));
}

#[test]
fn one_message_for_each_entity() {
    let expected = PLATFORMS.map(|(object, platform)| {
        let mut config = members(components()[object].clone());
        config.extend(members(shared()));
        (format!("homeassistant/{platform}/smartmeter_1EBZ01/{object}/config"), Json::Object(config))
    });
    assert_eq!(messages(Discovery::Entity), BTreeMap::from(expected));
}

#[test]
fn objects_differ_where_names_do() {
    for (name, expected) in [
        ("POWER_IMPORT_T1", "POWER_IMPORT_T1"),
        ("1.8.0*01", "1-2e8-2e0-2a01"),
        ("1.8.0&01", "1-2e8-2e0-2601"),
        ("1_8_0", "1_8_0"),
        ("Käse", "K-c3-a4se"),
    ] {
        assert_eq!(object(name), expected);
    }
}

#[test]
fn the_best_number_of_a_meter_counts() {
    let text = Reading::text;
    let number = |readings: &[Reading]| super::number(readings, &Route::default());
    assert_eq!(number(&[text("EQUIPMENT_ID", "e"), text("METER_ID", " i ")]), Some((1, "i".into())));
    assert_eq!(number(&[text("METER_NUMBER", "n"), text("METER_ID", "i")]), Some((0, "n".into())));
    let counted = Reading::number("METER_NUMBER", Decimal::from(12_345));
    assert_eq!(number(&[counted]), Some((0, "12345".into())));
    assert_eq!(number(&[text("METER_NUMBER", "00000000"), text("STATUS", "1")]), None);
}

#[test]
fn the_only_counter_without_a_code_is_named_by_its_quantity() {
    let topics = Topics { prefix: "smartmeter".into(), discovery: "homeassistant".into() };
    let names = |readings: &[Reading]| {
        let readings = readings.iter().collect();
        let device = Device { id: "x", section: "s0", number: None, readings, commands: Vec::new() };
        let names = device.entities(&topics).into_iter().map(|entity| entity.config["name"].to_string());
        names.collect::<Vec<_>>()
    };
    let (total, pulses) = (Reading::counter("total", 7).unit("kWh"), Reading::counter("pulses", 7));
    assert_eq!(names(&[total.clone(), pulses]), ["\"Energy\"", "\"Pulses\""]);
    let today = Reading::counter("today", 7).unit("kWh");
    assert_eq!(names(&[total, today]), ["\"Total\"", "\"Today\""]);
}

use framework::{Arg, Decimal, Obis, Reading};

use super::*;

fn specs() -> Vec<CommandSpec> {
    let spec = CommandSpec::new;
    vec![
        spec("reset_s0", "sets the count to 0"),
        spec("set_s0", "sets the count")
            .arg(Arg::number("value", "energy").unit("kWh").min(0).max(1_000_000_000)),
        spec("say", "sends a text").arg(Arg::text("text", "what")),
    ]
}

fn messages(form: Discovery) -> BTreeMap<String, Json> {
    let readings = [
        Reading::number("POWER_IMPORT", Decimal::new(4_457_153, 3).unwrap())
            .unit("kWh")
            .obis(Obis::parse(b"1-0:1.8.0*255").unwrap()),
        Reading::text("C.5'0", "ok"),
    ];
    let specs = specs();
    let device = Device {
        id: "smartmeter_1EBZ01",
        section: "grid",
        name: "Electricity at home",
        labels: &Labels::default(),
        number: Some("1EBZ01"),
        readings: readings.iter().collect(),
        commands: specs.iter().collect(),
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
        "command-say": {
            "name": "Say", "unique_id": "smartmeter_1EBZ01_command-say",
            "command_topic": "smartmeter/grid/command/say", "entity_category": "config", "max": 255,
        },
    })
}

fn shared() -> Json {
    json!({
        "dev": {"identifiers": ["smartmeter_1EBZ01"], "name": "Electricity at home", "serial_number": "1EBZ01"},
        "o": {"name": "smartmeter", "sw": env!("CARGO_PKG_VERSION")},
        "availability": [{"topic": "smartmeter/status"}, {"topic": "smartmeter/grid/availability"}],
        "availability_mode": "all",
    })
}

const PLATFORMS: [(&str, &str); 5] = [
    ("POWER_IMPORT", "sensor"),
    ("C-2e5-270", "sensor"),
    ("command-reset_s0", "button"),
    ("command-set_s0", "number"),
    ("command-say", "text"),
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
        let device = Device {
            id: "x",
            section: "s0",
            name: "s0",
            labels: &Labels::default(),
            number: None,
            readings,
            commands: Vec::new(),
        };
        let names = device.entities(&topics).into_iter().map(|entity| entity.config["name"].to_string());
        names.collect::<Vec<_>>()
    };
    let (total, pulses) = (Reading::counter("total", 7).unit("kWh"), Reading::counter("pulses", 7));
    assert_eq!(names(&[total.clone(), pulses]), ["\"Energy\"", "\"Pulses\""]);
    let today = Reading::counter("today", 7).unit("kWh");
    assert_eq!(names(&[total, today]), ["\"Total\"", "\"Today\""]);
}

/// Returns the entity of a command that a reading shows.
fn entity(arg: Option<Arg>, shown: Option<Reading>) -> (&'static str, Json) {
    let spec = CommandSpec::new("do", "does it");
    let spec = CommandSpec {
        args: arg.into_iter().collect(),
        shown_by: shown.as_ref().map(|reading| reading.name.clone()),
        ..spec
    };
    let readings = shown.iter().collect();
    let device = Device {
        id: "x",
        section: "heat",
        name: "heat",
        labels: &Labels::default(),
        number: None,
        readings,
        commands: vec![&spec],
    };
    let topics = Topics { prefix: "smartmeter".into(), discovery: "homeassistant".into() };
    let mut entity = device.entities(&topics).pop().unwrap();
    for shared in ["name", "unique_id", "command_topic", "entity_category"] {
        assert!(entity.config.remove(shared).is_some(), "{shared}");
    }
    (entity.platform, Json::Object(entity.config))
}

#[test]
fn each_kind_of_argument_has_its_platform_and_its_real_limits() {
    let target = Arg::number("value", "temperature").unit("°C").min(-5).max(30).step(0.5);
    let number =
        |min: Json, max: Json, step: Json| json!({"mode": "box", "min": min, "max": max, "step": step});
    let mut degrees = number(json!(-5), json!(30), json!(0.5));
    degrees["unit_of_measurement"] = "°C".into();
    let modes = || Arg::one_of("mode", "mode", ["eco", "boost"]);
    for (arg, platform, config) in [
        (None, "button", json!({})),
        (Some(target), "number", degrees),
        (Some(Arg::integer("n", "n").min(-2)), "number", number(json!(-2), json!(UNLIMITED), json!(1))),
        (
            Some(Arg::number("n", "n").default(2)),
            "number",
            number(json!(-UNLIMITED), json!(UNLIMITED), json!(0.001)),
        ),
        (Some(Arg::bool("on", "on")), "switch", json!({"payload_on": "1", "payload_off": "0"})),
        (Some(modes()), "select", json!({"options": ["eco", "boost"]})),
        (Some(Arg::text("text", "text")), "text", json!({"max": 255})),
    ] {
        assert_eq!(entity(arg, None), (platform, config));
    }
}

#[test]
fn a_reading_shows_the_state_of_its_command() {
    let state = |arg, reading| {
        let (_, config) = entity(Some(arg), Some(reading));
        (config["state_topic"].clone(), config["value_template"].clone())
    };
    let topic = || Json::from("smartmeter/heat/state");
    let shown = state(Arg::bool("on", "on"), Reading::flag("pump", true));
    assert_eq!(shown, (topic(), "{{ value_json['pump'] | default('') }}".into()));
    let shown = state(Arg::one_of("mode", "mode", ["eco"]), Reading::text("mode", "eco"));
    assert_eq!(shown, (topic(), "{{ (value_json['mode'] | default('') | string)[:255] }}".into()));
    let (_, config) = entity(None, Some(Reading::flag("pump", true)));
    assert_eq!(config, json!({}), "a button has no state");
}

#[test]
fn a_command_with_several_required_arguments_has_no_entity() {
    let two = CommandSpec::new("do", "").arg(Arg::bool("a", "a")).arg(Arg::bool("b", "b"));
    assert_eq!(main_arg(&two), None);
    let optional = CommandSpec::new("do", "").arg(Arg::bool("a", "a")).arg(Arg::bool("b", "b").optional());
    assert_eq!(main_arg(&optional).flatten().map(|arg| &*arg.name), Some("a"));
}

#[test]
fn a_flag_of_a_fault_is_announced_as_a_binary_sensor_of_1_and_0() {
    let reading = Reading::flag("low_battery", true);
    let device = Device {
        id: "x",
        section: "heat",
        name: "heat",
        labels: &Labels::default(),
        number: None,
        readings: vec![&reading],
        commands: Vec::new(),
    };
    let topics = Topics { prefix: "smartmeter".into(), discovery: "homeassistant".into() };
    for (form, topic) in [
        (Discovery::Entity, "homeassistant/binary_sensor/x/low_battery/config"),
        (Discovery::Device, "homeassistant/device/x/config"),
    ] {
        let messages = device.messages(form, &topics);
        let message: Json = serde_json::from_slice(&messages[topic]).unwrap();
        let config = if form == Discovery::Device { &message["cmps"]["low_battery"] } else { &message };
        assert_eq!(config["payload_on"], "1");
        assert_eq!(config["payload_off"], "0");
        assert_eq!(config["device_class"], "battery");
        assert_eq!(config["entity_category"], "diagnostic");
        assert_eq!(config["value_template"], "{{ value_json['low_battery'] | default('') }}");
        assert_eq!(config.get("suggested_display_precision"), None);
    }
}

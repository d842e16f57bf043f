//! Meters that the configuration describes incompletely: polled, at another speed, or for another plugin.

use crate::program::*;
use simulator::{
    Household, Moment, Pty, PushingMeter, Timing,
    dlms::{DlmsMeter, Framing},
    ebz,
};
use test_meters::{PolledMeter, PolledOptions, p1, polled, sml, uart};

const SECTION: &str = "/data/smartmeter_d0";

fn facts(program: &Program) -> serde_json::Value {
    program.get("/health").1["sources"]["smartmeter_d0"]["facts"].clone()
}

#[test]
fn a_meter_that_must_be_polled_is_served_and_described() {
    let mut household = Household::new(1);
    let options = PolledOptions::default();
    let meter =
        PolledMeter::start(Pty::open().unwrap(), options, move || polled::table(&household.advance()))
            .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = d0("smartmeter_d0", meter.port()) + "request = true\ninterval = \"1s\"\n";
    let program = Program::with_config(folder.path(), &config);
    let data = program.until(SECTION, "delivered", |json| json["POWER_IMPORT"].is_object());
    assert_eq!(data["POWER_IMPORT"]["unit"], "kWh");
    program.until("/health", "polled at the next interval", |json| {
        json["sources"]["smartmeter_d0"]["counts"]["batches"].as_u64() >= Some(2)
    });
    let facts = facts(&program);
    for (fact, expected) in
        [("mode", "mode C, 9600 baud"), ("ident", "/ISK5MT174-0001"), ("framing", "7E1"), ("baud", "9600")]
    {
        assert_eq!(facts[fact], expected, "{facts}");
    }
}

#[test]
fn a_meter_at_another_speed_is_found() {
    let mut household = Household::new(1);
    let telegrams = move || p1::telegram(&household.advance(), p1::Version::V5).into_bytes();
    let line = uart::at(Pty::open().unwrap(), 115_200);
    let meter = PushingMeter::start(line, Timing::default(), telegrams).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::with_config(folder.path(), &d0("smartmeter_d0", meter.port()));
    program.until(SECTION, "found", |json| json.as_object().is_some_and(|section| section.len() > 5));
    assert_eq!(facts(&program)["baud"], "115200");
}

#[test]
fn a_meter_for_another_plugin_is_named_in_health() {
    type Telegram = fn(&Moment) -> Vec<u8>;
    let d0: Telegram = |moment| seven_e_one(ebz::telegram(moment, ebz::DataSet::Full).into_bytes());
    let sml: Telegram = |moment| sml::telegram(moment, ebz::DataSet::Full);
    let dlms: Telegram = |moment| DlmsMeter::new(Framing::Hdlc).encrypted([7; 16], None).telegram(moment);
    let tic: Telegram = |moment| seven_e_one(simulator::tic::standard(moment));
    for (wrong, right, telegram, what) in [
        ("d0", "sml", sml, "SML"),
        ("d0", "dlms", dlms, "DLMS/COSEM in HDLC frames"),
        ("sml", "dlms", dlms, "DLMS/COSEM in HDLC frames"),
        ("d0", "tic", tic, "TIC, the text of French meters"),
        ("dlms", "d0", d0, "D0 text (IEC 62056-21)"),
        ("tic", "d0", d0, "D0 text (IEC 62056-21)"),
    ] {
        let mut household = Household::new(1);
        let telegrams = move || telegram(&household.advance());
        let line = uart::at(Pty::open().unwrap(), 9600);
        let meter = PushingMeter::start(line, Timing::default(), telegrams).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = meter.port().display();
        let section = format!("[sources.m]\nplugin = \"{wrong}\"\nport = \"{port}\"\n");
        let program = Program::with_config(folder.path(), &section);
        let expected = format!(
            "the meter on {port} sends {what}: write `plugin = \"{right}\"` instead of `plugin = \"{wrong}\"`"
        );
        let message = |json: &serde_json::Value| {
            json["sources"]["m"]["last_error"]["message"].as_str().map(str::to_owned)
        };
        let health = program.until("/health", "named", |json| message(json).as_ref() == Some(&expected));
        let counts = &health["sources"]["m"]["counts"];
        assert_eq!((&counts["malformed"], &counts["reopened"]), (&0.into(), &0.into()), "{counts}");
    }
}

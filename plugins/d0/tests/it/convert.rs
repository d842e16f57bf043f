//! From telegrams to readings.

use framework::{Batch, Decimal, Reading, Timestamp, Value};
use plugin_d0::decoder::Decoder;
use telegram::{Converter, Decoded, Decoder as _, decode};

fn batches(text: &str) -> Vec<Batch> {
    let mut converter = Converter::default();
    let mut batches = Vec::new();
    Decoder::default().push(text.as_bytes(), &mut |found| {
        batches.push(converter.batch(&found.unwrap(), Timestamp::UNIX_EPOCH));
    });
    batches
}

fn names(text: &str) -> Vec<String> {
    batches(text)[0].readings.iter().map(|reading| reading.name.to_string()).collect()
}

#[test]
fn readings_have_names_values_and_units() {
    let text = "/ABC5x\r\n1-0:0.0.0*255(  42 )\r\n1-0:1.8.0*255(000012.50*kWh)\r\n1.6.0(1.5*kW)(2401010000 )()\r\n!\r\n";
    let batch = &batches(text)[0];
    assert_eq!(batch.get("METER_NUMBER").unwrap().value, Value::Text("42".into()));
    let import = batch.get("POWER_IMPORT").unwrap();
    assert_eq!(import.value, Value::Number(Decimal::new(1250, 2).unwrap()));
    assert_eq!(import.unit.as_deref(), Some("kWh"));
    assert_eq!(import.obis.unwrap().to_string(), "1-0:1.8.0*255");
    assert_eq!(batch.get("MAX_POWER_IMPORT").unwrap().more, ["2401010000", ""]);
}

#[test]
fn names_are_unique() {
    let text = "/ABC5x\r\n1-0:1.8.0*255(1*kWh)\r\n1.8.0(2*kWh)\r\n1-0:1.8.0*255(3*kWh)\r\n1-0:1.8.0*255(4*kWh)\r\n\
                stale(x)\r\n1-0:96.50.0*1(a)\r\n0-0:96.50.0*1(b)\r\nF(0)\r\nF(1)\r\n1-0:1.8.0*255(5*kWh)\r\n!\r\n";
    assert_eq!(
        names(text),
        [
            "POWER_IMPORT",
            "1.8.0",
            "1-0:1.8.0*255",
            "1-0:1.8.0*255_2",
            "stale_2",
            "96.50.0*1",
            "0-0:96.50.0*1",
            "F",
            "F_2",
            "1-0:1.8.0*255_3",
        ]
    );
}

#[test]
fn the_names_follow_a_changed_layout() {
    let full = "/ABC5x\r\n1.8.0(1*kWh)\r\n2.8.0(2*kWh)\r\n!\r\n";
    let short = "/ABC5x\r\n2.8.0(2*kWh)\r\n!\r\n";
    let batches = batches(&[full, short, full].concat());
    let names: Vec<Vec<_>> =
        batches.iter().map(|b| b.readings.iter().map(|r| r.name.as_str()).collect()).collect();
    assert_eq!(
        names,
        [vec!["POWER_IMPORT", "POWER_EXPORT"], vec!["POWER_EXPORT"], vec!["POWER_IMPORT", "POWER_EXPORT"]]
    );
}

#[test]
fn recordings_are_decoded_as_sent() {
    let mut found = Vec::new();
    let recording = b"noise/ABC5x\r\n0.0.0( 42)\r\n1.8.0(01*kWh)\r\n!/ABC5x\r\n1.8.0(0";
    decode(Decoder::default(), recording, &mut |decoded| found.push(decoded));
    let [
        Decoded::Telegram { offset: 5, ident: Some(ident), readings, .. },
        Decoded::Rejected { offset, reason, .. },
    ] = &found[..]
    else {
        panic!("{found:?}");
    };
    assert_eq!(ident, "/ABC5x");
    assert_eq!(readings[0].members, [("obis", Value::Text("0.0.0".into()))]);
    let readings: Vec<_> = readings.iter().map(|decoded| &decoded.reading).collect();
    assert_eq!(*readings[0], Reading::text("0.0.0", " 42").obis(readings[0].obis.unwrap()));
    assert_eq!((readings[1].name.as_str(), readings[1].unit.as_deref()), ("1.8.0", Some("kWh")));
    assert_eq!((*offset, reason.as_str()), (41, "it has no end mark `!`"));
}

#[test]
fn what_other_meters_count_is_called_by_what_it_is() {
    let text = "/ABC5x\r\n0-0:1.0.0(240229123456W)\r\n0-0:96.14.0(0002)\r\n0-1:24.1.0(003)\r\n0-1:96.1.0(47)\r\n\
                0-1:24.2.1(240229120000W)(00123.456*m3)\r\n0-2:24.2.1(240229120000W)(00007.000*m3)\r\n\
                0-2:24.1.0(007)\r\n0-3:24.3.0(240229120000)(00)(60)(1)(0-3:24.2.1)(GJ)\r\n(1.5)\r\n\
                0-3:24.1.0(4)\r\n0-4:24.1.0(003)\r\n0-4:24.2.1(240229120000W)(00001.000*m3)\r\n!\r\n";
    let other = text.replace("24.1.0(007)", "24.1.0(004)");
    let batches = batches(&[text, &other].concat());
    let names: Vec<_> = batches[0].readings.iter().map(|reading| reading.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "METER_CLOCK",
            "TARIFF",
            "24.1.0",
            "GAS_METER_ID",
            "GAS",
            "WATER",
            "0-2:24.1.0",
            "HEAT",
            "0-3:24.1.0",
            "0-4:24.1.0",
            "0-4:24.2.1"
        ]
    );
    let gas = batches[0].get("GAS").unwrap();
    assert_eq!(
        (&gas.value, gas.unit.as_deref()),
        (&Value::Number(Decimal::new(123_456, 3).unwrap()), Some("m3"))
    );
    let time = gas.time.as_ref().unwrap();
    assert_eq!(
        (time.sent.as_str(), time.utc),
        ("240229120000W", Some("2024-02-29T11:00:00Z".parse().unwrap()))
    );
    assert_eq!(batches[0].get("HEAT").unwrap().time.as_ref().unwrap().utc, None);
    // Another meter on the channel.
    assert_eq!((batches[1].get("WATER"), batches[1].readings[5].name.as_str()), (None, "HEAT"));
}

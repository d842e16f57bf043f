//! The telegrams in `tests/telegrams`: `<maker>_<model>.txt` as on the wire, with the decode that is
//! expected of it in the `.json` beside it. The numbers in them are invented.

use std::{fs, path::Path};

use framework::Timestamp;
use plugin_d0::{
    convert::Converter,
    decoder::Decoder,
    telegram::{Check, Telegram},
};
use serde_json::{Map, Value, json};

#[test]
fn each_telegram_decodes_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/telegrams");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let expected = fs::read_to_string(path.with_extension("json")).unwrap();
        let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
        let mut found = Vec::new();
        let mut converter = Converter::default();
        let mut decoder = Decoder::default();
        decoder.push(&fs::read(&path).unwrap(), &mut |result| match result {
            Ok(telegram) => found.push(shown(&telegram, &mut converter)),
            Err(rejected) => panic!("{name}: {rejected}"),
        });
        assert!(!decoder.pending(), "{name}");
        assert_eq!(found, expected, "{name}");
        count += 1;
    }
    assert!(count > 0, "no telegrams in {}", folder.display());
}

fn shown(telegram: &Telegram<'_>, converter: &mut Converter) -> Value {
    let batch = converter.batch(telegram, Timestamp::UNIX_EPOCH);
    let registers = telegram.registers().zip(&batch.readings).map(|(register, reading)| {
        let mut shown = Map::new();
        let mut set = |key: &str, value: Value| shown.insert(key.to_owned(), value);
        set("code", register.code.into());
        set("name", reading.name.as_str().into());
        set("value", register.value.into());
        register.unit.map(|unit| set("unit", unit.into()));
        register.number.map(|number| set("number", number.to_string().into()));
        let more: Vec<_> = register.more().collect();
        if !more.is_empty() {
            set("more", more.into());
        }
        Value::Object(shown)
    });
    json!({
        "offset": telegram.offset(),
        "bytes": telegram.len(),
        "ident": telegram.ident(),
        "framing": telegram.framing().to_string(),
        "check": match telegram.check() {
            Check::None => "none",
            Check::Bcc => "bcc",
            Check::Crc16 => "crc16",
        },
        "registers": registers.collect::<Vec<_>>(),
    })
}

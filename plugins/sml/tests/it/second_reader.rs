//! Comparison with another reader of SML: the same registers with the same numbers.

use std::path::PathBuf;

use framework::Decimal;
use plugin_sml::{
    decoder::Decoder,
    quirks::{Crc, PowerSign, Quirks},
};
use sml_rs::parser::{
    common::Value,
    complete::{MessageBody, parse},
};
use telegram::{Decoder as _, Telegram as _};

/// Codes, and the numbers of those that have one.
type File = Vec<(String, Option<Decimal>)>;

/// Returns our registers, by the standard and without quirks.
fn ours(bytes: &[u8]) -> Vec<File> {
    let quirks = Quirks { crc: Crc::X25, power_sign: PowerSign::Value, unsigned_power: Some(false) };
    let mut files = Vec::new();
    Decoder::new(quirks).push(bytes, &mut |found| {
        let registers = |telegram: plugin_sml::telegram::Telegram<'_>| {
            telegram.registers().map(|register| (register.code.to_owned(), register.number)).collect()
        };
        files.extend(found.map(registers));
    });
    files
}

fn theirs(bytes: &[u8]) -> Vec<File> {
    let decoded = sml_rs::transport::decode(bytes).into_iter().flatten();
    decoded.filter_map(|payload| registers(&payload)).collect()
}

fn registers(payload: &[u8]) -> Option<File> {
    let mut registers = Vec::new();
    for message in parse(payload).ok()?.messages {
        let MessageBody::GetListResponse(list) = message.message_body else { continue };
        for entry in list.val_list {
            let [a, b, c, d, e, f] = entry.obj_name.try_into().ok()?;
            let number = match entry.value {
                Value::I8(number) => Some(number.into()),
                Value::I16(number) => Some(number.into()),
                Value::I32(number) => Some(number.into()),
                Value::I64(number) => Some(number),
                Value::U8(number) => Some(number.into()),
                Value::U16(number) => Some(number.into()),
                Value::U32(number) => Some(number.into()),
                Value::U64(number) => Some(number.try_into().ok()?),
                Value::Bool(_) | Value::Bytes(_) | Value::List(_) => None,
            };
            let scaler = i32::from(entry.scaler.unwrap_or(0));
            let power = 10_i64.pow(scaler.max(0).unsigned_abs());
            let scaled = number.map(|number| number.checked_mul(power).unwrap());
            let decimals = scaler.min(0).unsigned_abs() as u8;
            registers.push((
                format!("{a}-{b}:{c}.{d}.{e}*{f}"),
                scaled.and_then(|number| Decimal::new(number, decimals)),
            ));
        }
    }
    (!registers.is_empty()).then_some(registers)
}

/// Reads files in both ways.
///
/// # Panics
/// Panics when the results differ.
pub(crate) fn judge(files: Vec<(PathBuf, Vec<u8>)>) {
    let (mut count, mut both, mut ours_only) = (0, 0, Vec::new());
    for (path, bytes) in files {
        let mut theirs = theirs(&bytes).into_iter().peekable();
        for file in ours(&bytes) {
            if theirs.next_if_eq(&file).is_some() {
                both += 1;
            } else {
                ours_only.push(path.file_name().unwrap().to_owned());
            }
        }
        assert_eq!(theirs.next(), None, "{}", path.display());
        count += 1;
    }
    // Four fill bytes, and checksums of another kind, are not a telegram to the other one.
    assert!(ours_only.iter().all(|name| name == "dzg-dvs74-four-fill-bytes.bin"), "{ours_only:?}");
    assert!(count >= 5 && both >= 6);
}

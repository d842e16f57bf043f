//! `smartmeter decode`: recorded bytes to JSON.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use framework::{Decoded, Reading, json, plugins};

use crate::cli::Failure;

/// Prints a line of JSON for each telegram that is accepted, and a line on standard error for each other.
///
/// The protocol is the one that accepts the most telegrams.
pub(crate) fn run(file: &Path) -> Result<(), Failure> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let bytes =
        bytes.map_err(|error| Failure::fault(format!("could not read `{}`: {error}\n", file.display())))?;

    let best = plugins()
        .into_iter()
        .filter_map(|plugin| Some((plugin.kind, decode(plugin.decode?, &bytes))))
        .max_by_key(|(_, found)| found.iter().filter(|f| matches!(f, Decoded::Telegram { .. })).count());
    let (protocol, found) = best.unwrap_or_default();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let mut accepted = 0;
    for one in &found {
        match one {
            Decoded::Telegram { ident, readings, .. } => {
                accepted += 1;
                out.write_all(&line(protocol, ident.as_deref(), readings))?;
            }
            Decoded::Rejected { offset, reason } => writeln!(err, "byte {offset}: {reason}")?,
        }
    }
    match (accepted, found.is_empty()) {
        (0, true) => Err(Failure::fault("no telegram found\n")),
        (0, false) => Err(Failure::fault("no telegram accepted\n")),
        _ => Ok(()),
    }
}

fn decode(decode: framework::DecodeFn, bytes: &[u8]) -> Vec<Decoded> {
    let mut found = Vec::new();
    decode(bytes, &mut |one| found.push(one));
    found
}

fn line(protocol: &str, ident: Option<&str>, readings: &[Reading]) -> Vec<u8> {
    let mut out = b"{\"protocol\":".to_vec();
    json::write_str(&mut out, protocol);
    if let Some(ident) = ident {
        out.extend_from_slice(b",\"ident\":");
        json::write_str(&mut out, ident);
    }
    out.extend_from_slice(b",\"readings\":[");
    for (i, reading) in readings.iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",{\"obis\":" } else { b"{\"obis\":" });
        json::write_str(&mut out, &reading.name);
        out.extend_from_slice(b",\"value\":");
        json::write_value(&mut out, &reading.value);
        if let Some(unit) = &reading.unit {
            out.extend_from_slice(b",\"unit\":");
            json::write_str(&mut out, unit);
        }
        if !reading.more.is_empty() {
            out.extend_from_slice(b",\"more\":");
            json::write_list(&mut out, &reading.more);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
    out
}

//! `smartmeter decode`: recorded bytes to JSON.

use std::{
    fs,
    io::{self, BufWriter, Read as _, Write as _},
    path::Path,
};

use framework::{DecodeFn, Decoded, Reading, json, plugins};

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

    // Twice over the bytes, so that nothing that was found must be kept: a recording may be long.
    let accepted = |decode: DecodeFn| {
        let mut accepted = 0;
        decode(&bytes, &mut |found| accepted += u64::from(matches!(found, Decoded::Telegram { .. })));
        accepted
    };
    let decoders = plugins().into_iter().filter_map(|plugin| Some((plugin.kind, plugin.decode?)));
    let best =
        decoders.map(|(kind, decode)| (accepted(decode), kind, decode)).max_by_key(|(count, ..)| *count);
    let Some((count, protocol, decode)) = best else { return Err(Failure::fault("no plugin decodes\n")) };

    let (mut out, mut err) = (BufWriter::new(io::stdout().lock()), BufWriter::new(io::stderr().lock()));
    let (mut rejected, mut written) = (0, Ok(()));
    decode(&bytes, &mut |found| {
        let result = match found {
            Decoded::Telegram { ident, readings, .. } => {
                out.write_all(&line(protocol, ident.as_deref(), &readings))
            }
            Decoded::Rejected { offset, reason } => {
                rejected += 1;
                writeln!(err, "byte {offset}: {reason}")
            }
        };
        if written.is_ok() {
            written = result;
        }
    });
    written.and(out.flush()).and(err.flush())?;
    drop((out, err));
    match (count, rejected) {
        (0, 0) => Err(Failure::fault("no telegram found\n")),
        (0, _) => Err(Failure::fault("no telegram accepted\n")),
        _ => Ok(()),
    }
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

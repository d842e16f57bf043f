//! `smartmeter decode`: recorded bytes to JSON.

use std::{
    fs,
    io::{self, BufWriter, Read as _, Write as _},
    path::Path,
};

use framework::{DecodeFn, Decoded, json, plugins};

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
                out.write_all(&json::telegram(protocol, ident.as_deref(), &readings))
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

//! `smartmeter decode`: recorded bytes to JSON.

use std::{
    fs,
    io::{self, BufWriter, Read as _, Write as _},
    path::Path,
};

use telegram::{Decoded, ProtocolRegistration, json_line, protocols};
use transport::Recording;

use crate::failure::Failure;

/// Prints a line of JSON for each accepted telegram, and a line on standard error for each rejected one.
///
/// The protocol is the one that accepts the most telegrams.
pub(crate) fn run(file: &Path) -> Result<(), Failure> {
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let bytes = bytes
        .and_then(unpacked)
        .map_err(|error| Failure::fault(format!("could not read `{}`: {error}\n", file.display())))?;

    // Decodes twice instead of keeping everything found: a recording may be long.
    let best = judge(&bytes).into_iter().max_by_key(|judged| judged.accepted);
    let Some(Judged { protocol, accepted, .. }) = best else {
        return Err(Failure::fault("no plugin reads telegrams\n"));
    };

    let (mut out, mut err) = (BufWriter::new(io::stdout().lock()), BufWriter::new(io::stderr().lock()));
    let (mut rejected, mut written) = (0, Ok(()));
    (protocol.decode)(&bytes, &mut |found| {
        let result = match found {
            Decoded::Telegram { ident, readings, .. } => {
                out.write_all(&json_line(protocol.kind, ident.as_deref(), &readings))
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
    match (accepted, rejected) {
        (0, 0) => Err(Failure::fault("no telegram found\n")),
        (0, _) => Err(Failure::fault("no telegram accepted\n")),
        _ => Ok(()),
    }
}

/// Returns the bytes of a recording, or those of any other file as they are.
fn unpacked(file: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut recording = Recording::new(&file[..], 9600)?;
    if recording.header().is_none() {
        return Ok(file);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = recording.next_chunk()? {
        bytes.extend(chunk.bytes);
    }
    Ok(bytes)
}

/// Telegrams of one protocol among recorded bytes.
pub(crate) struct Judged {
    pub(crate) protocol: &'static ProtocolRegistration,
    /// Number of telegrams that may be trusted.
    pub(crate) accepted: u64,
    /// Number of those that must not be.
    pub(crate) rejected: u64,
}

/// Counts the telegrams of each linked protocol in `bytes`.
pub(crate) fn judge(bytes: &[u8]) -> Vec<Judged> {
    let judge = |protocol: &'static ProtocolRegistration| {
        let mut judged = Judged { protocol, accepted: 0, rejected: 0 };
        (protocol.decode)(bytes, &mut |found| match found {
            Decoded::Telegram { .. } => judged.accepted += 1,
            Decoded::Rejected { .. } => judged.rejected += 1,
        });
        judged
    };
    protocols().into_iter().map(judge).collect()
}

impl Judged {
    /// Describes them in words: `58 d0 telegrams and 2 damaged`.
    pub(crate) fn sum(all: &[Self]) -> String {
        let read = all.iter().filter(|judged| judged.accepted > 0).map(|judged| {
            let Self { protocol, accepted, rejected } = judged;
            let plural = if *accepted == 1 { "" } else { "s" };
            let damaged = if *rejected > 0 { format!(" and {rejected} damaged") } else { String::new() };
            format!("{accepted} {} telegram{plural}{damaged}", protocol.kind)
        });
        let read: Vec<_> = read.collect();
        if read.is_empty() {
            "no telegram was recognized; is `--baud` right?".to_owned()
        } else {
            read.join(", ")
        }
    }
}

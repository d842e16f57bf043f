//! `smartmeter decode`: recorded bytes to JSON.
//!
//! `verdict` finds the protocol, and says why nothing was read; `foreign` names files that are no recording.

mod foreign;
mod verdict;

use std::{
    fs,
    io::{self, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use telegram::{Decoded, json_line};
use transport::Recording;

pub(crate) use self::verdict::{Judged, Verdict};
use crate::{failure::Failure, keys::KeyArgs, output::output};

/// Arguments of `smartmeter decode`.
#[derive(Args)]
pub(crate) struct Decode {
    #[command(flatten)]
    keys: KeyArgs,
    /// A file, or `-` for standard input
    file: PathBuf,
}

/// Prints a line of JSON for each accepted telegram, and a line on standard error for each rejected one.
///
/// The protocol is the one that accepts the most telegrams.
pub(crate) fn run(Decode { keys, file }: &Decode) -> Result<(), Failure> {
    let keys = keys.keys()?;
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
    let verdict = Verdict::of(&bytes, &keys);
    let Some(Judged { protocol, accepted, .. }) = verdict.best() else {
        return Err(Failure::fault("no plugin reads telegrams\n"));
    };
    if let Some(what) = foreign::file(&bytes).filter(|_| *accepted == 0 && !verdict.has_shown()) {
        return Err(Failure::fault(format!("no telegram was recognized: {what}\n")));
    }

    let (mut out, mut err) = (BufWriter::new(output()), BufWriter::new(io::stderr().lock()));
    let mut written = Ok(());
    (protocol.decode)(&bytes, &keys, &mut |found| {
        let result = match found {
            Decoded::Telegram { ident, members, readings, .. } => {
                out.write_all(&json_line(protocol.kind, ident.as_deref(), &members, &readings))
            }
            Decoded::Rejected { offset, reason, .. } => {
                writeln!(err, "byte {offset}: {reason}")
            }
        };
        if written.is_ok() {
            written = result;
        }
    });
    written.and(out.flush()).and(err.flush())?;
    drop((out, err));
    if *accepted > 0 {
        return Ok(());
    }
    let text = foreign::text(&bytes).filter(|_| !verdict.has_candidate());
    Err(Failure::fault(match text {
        Some(what) => format!("no telegram was recognized: {what}\n"),
        None => format!("{}\n", verdict.text("the baud rate")),
    }))
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

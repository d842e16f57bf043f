//! Helpers of the tests of anonymising.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use framework::{Obis, SourcePlugin as _};
use plugin_d0::D0;
use telegram::{Decoded, DecodedReading, Keys};

/// Returns the number of places that were overwritten, and the bytes.
pub fn anonymised(bytes: &[u8]) -> (usize, Vec<u8>) {
    telegram_testing::anonymised(D0::KIND, bytes)
}

/// Shows the decoded telegrams, a line for each telegram, register and fault; without the values that identify.
pub fn shown(bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    (telegram_testing::protocol(D0::KIND).decode)(bytes, &Keys::default(), &mut |found| match found {
        Decoded::Telegram { offset, readings, .. } => {
            lines.push(format!("{offset} telegram"));
            for DecodedReading { reading, .. } in readings {
                let identifies = match reading.obis.map(Obis::cde) {
                    Some((0 | 42, 0, _) | (96, 1 | 13 | 90, _)) => true,
                    Some((9, 20 | 21, _)) => reading.unit.is_none(),
                    _ => false,
                };
                let value = (!identifies).then_some((reading.value, reading.more));
                lines.push(format!("{} {value:?} {:?} {:?}", reading.name, reading.unit, reading.time));
            }
        }
        // The rest of a reason shows the bytes themselves.
        Decoded::Rejected { offset, reason, .. } => {
            let words: Vec<_> = reason.split(' ').take(3).collect();
            let kind = if reason.starts_with('`') { "no line".to_owned() } else { words.join(" ") };
            lines.push(format!("{offset} rejected: {kind}"));
        }
    });
    lines
}

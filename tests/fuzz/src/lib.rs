//! Shared targets of decoders.

use std::time::Duration;

use framework::{SourceContext, SourcePlugin, Timestamp};
use telegram::{Decoded, Decoder, Keys, Reader, protocols};

/// Arbitrary bytes into the decoder, the guard and the names of a plugin, cut at arbitrary places.
pub fn meter<P: SourcePlugin, D: Decoder + Default>(bytes: &[u8]) {
    meter_by::<P, D>(D::default(), bytes);
}

/// The same for a decoder that has keys.
pub fn meter_by<P: SourcePlugin, D: Decoder>(decoder: D, bytes: &[u8]) {
    let cx = SourceContext::new(framework::Context::new("fuzz", "/nonexistent"), Duration::from_secs(30));
    let mut reader = Reader::new(decoder, 43_000.0, &cx);
    let mut rest = bytes;
    let mut seconds = 0;
    while let Some((&size, more)) = rest.split_first() {
        let (chunk, after) = more.split_at(more.len().min(usize::from(size) + 1));
        rest = after;
        let mut chunk = chunk;
        while !chunk.is_empty() {
            chunk = &chunk[reader.scanner().take(chunk)..];
            while reader.next(Duration::from_secs(seconds), Timestamp::UNIX_EPOCH).is_some() {
                seconds += 1;
            }
        }
    }
    reader.scanner().finish();
    while reader.next(Duration::from_secs(seconds), Timestamp::UNIX_EPOCH).is_some() {}

    commands(P::KIND, bytes);
}

/// Arbitrary bytes into what `decode`, `probe` and `record` do with the protocol of a plugin, with keys and without.
pub fn commands(kind: &str, bytes: &[u8]) {
    let Some(protocol) = protocols().into_iter().find(|protocol| protocol.kind == kind) else { return };
    for keys in [Keys::default(), Keys::PUBLIC] {
        (protocol.decode)(bytes, &keys, &mut |found| {
            let (Decoded::Telegram { offset, .. } | Decoded::Rejected { offset, .. }) = found;
            assert!(offset <= bytes.len() as u64);
        });
        let _ = protocol.describe.map(|describe| describe(bytes, &keys));
        let hidden = protocol.anonymise.map(|anonymise| anonymise(bytes, &keys));
        if let (Some(Ok(hidden)), "d0" | "sml") = (hidden, kind) {
            assert_eq!(hidden.bytes.len(), bytes.len());
        }
    }
}

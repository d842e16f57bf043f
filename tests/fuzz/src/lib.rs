//! Shared target of decoders.

use std::time::Duration;

use framework::{SourceContext, SourcePlugin, Timestamp};
use telegram::{Decoder, Keys, Reader, protocols};

/// Arbitrary bytes into the decoder, the guard and the names of a plugin, cut at arbitrary places.
pub fn meter<P: SourcePlugin, D: Decoder + Default>(bytes: &[u8]) {
    let cx = SourceContext::new(framework::Context::new("fuzz", "/nonexistent"), Duration::from_secs(30));
    let mut reader = Reader::new(D::default(), 43_000.0, &cx);
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

    // What is shown to others must not panic either.
    let protocol = protocols().into_iter().find(|protocol| protocol.kind == P::KIND);
    if let Some(anonymise) = protocol.and_then(|protocol| protocol.anonymise) {
        let hidden = anonymise(bytes, &Keys::PUBLIC);
        if let (Ok(hidden), "d0" | "sml") = (hidden, P::KIND) {
            assert_eq!(hidden.bytes.len(), bytes.len());
        }
    }
}

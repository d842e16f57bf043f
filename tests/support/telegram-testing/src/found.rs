//! Findings of a decoder, kept for comparisons.

use std::time::Duration;

use framework::{Batch, Decimal, Timestamp};
use telegram::{Decoder, Fault, Reader, Register, Rejected, Telegram};

/// Telegram, or the reason why it was rejected.
pub type Found<R> = Result<Owned, Rejected<R>>;

/// [`Telegram`] that is not borrowed from its decoder.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are those of Telegram")]
pub struct Owned {
    pub offset: u64,
    pub len: usize,
    pub ident: Option<String>,
    pub variant: &'static str,
    pub registers: Vec<Shown>,
}

/// [`Register`] of it, with its time as sent and as a moment.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "they are those of Register")]
pub struct Shown {
    pub code: String,
    pub value: String,
    pub unit: Option<String>,
    pub number: Option<Decimal>,
    pub time: Option<(String, Option<Timestamp>)>,
    pub status: Option<u64>,
    pub more: Vec<String>,
}

impl From<Register<'_>> for Shown {
    fn from(register: Register<'_>) -> Self {
        Self {
            code: register.code.to_owned(),
            value: register.value.to_owned(),
            unit: register.unit.map(str::to_owned),
            number: register.number,
            time: register.time.map(|time| (time.sent.to_owned(), time.utc)),
            status: register.status,
            more: register.more().map(str::to_owned).collect(),
        }
    }
}

fn owned<T: Telegram>(telegram: T) -> Owned {
    Owned {
        offset: telegram.offset(),
        len: telegram.len(),
        ident: telegram.ident().map(str::to_owned),
        variant: telegram.variant(),
        registers: telegram.registers().map(Shown::from).collect(),
    }
}

/// Decodes all of `bytes`, cut at the places in `cuts`.
pub fn decode<D: Decoder>(mut decoder: D, bytes: &[u8], cuts: &[usize]) -> Vec<Found<D::Reason>> {
    let mut all = Vec::new();
    let mut from = 0;
    for &to in cuts.iter().chain([&bytes.len()]) {
        let to = to.clamp(from, bytes.len());
        decoder.push(&bytes[from..to], &mut |found| all.push(found.map(owned)));
        from = to;
    }
    decoder.scanner().finish();
    while let Some(found) = decoder.next() {
        all.push(found.map(owned));
    }
    assert!(!decoder.scanner().is_pending());
    all
}

/// Decodes `bytes` at once, byte by byte and in odd chunks, with the same result.
///
/// # Panics
/// Panics when the results differ.
pub fn decode_all_ways<D: Decoder + Default>(bytes: &[u8]) -> Vec<Found<D::Reason>> {
    decode_all_ways_by(D::default, bytes)
}

/// The same with decoders that have keys: `new` makes each.
///
/// # Panics
/// Panics when the results differ.
pub fn decode_all_ways_by<D: Decoder>(new: impl Fn() -> D, bytes: &[u8]) -> Vec<Found<D::Reason>> {
    let cut = |cuts: Vec<usize>| decode(new(), bytes, &cuts);
    let at_once = cut(vec![]);
    assert_eq!(cut((0..bytes.len()).collect()), at_once, "byte by byte");
    for seed in 1..20 {
        let mut state: u64 = seed;
        let random = |at: &usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(at + (state >> 33) as usize % 97 + 1).filter(|&at| at < bytes.len())
        };
        assert_eq!(cut(std::iter::successors(Some(0), random).collect()), at_once, "chunks {seed}");
    }
    at_once
}

/// Reads all of `bytes` as a source does, at the time `now`.
pub fn read<D: Decoder>(
    reader: &mut Reader<D>,
    mut bytes: &[u8],
    now: Duration,
) -> Vec<Result<Batch, Fault>> {
    let mut all = Vec::new();
    loop {
        while let Some(found) = reader.next(now, Timestamp::UNIX_EPOCH) {
            all.push(found);
        }
        if bytes.is_empty() {
            return all;
        }
        bytes = &bytes[reader.scanner().take(bytes)..];
    }
}

/// Returns the accepted telegrams.
pub fn accepted<R>(found: &[Found<R>]) -> Vec<&Owned> {
    found.iter().filter_map(|found| found.as_ref().ok()).collect()
}

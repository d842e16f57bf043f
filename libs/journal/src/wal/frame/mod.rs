//! Bytes of a segment: frames, each with a checksum, so that a torn end and damage are seen.
//!
//! ```text
//! segment = magic "smtail", version 5, line feed · number (u64, little endian) · frames
//! frame   = length of the payload · payload · CRC-32 (ISO-HDLC) of the payload, little endian
//! payload = 0 layout: index, section, columns (name, unit, OBIS code, scale, stated)
//!         | 1 batch: index of its layout, time, a mantissa for each column
//!         | 2 counter set: section, name, unit, time, before (mantissa, scale), after (the same)
//!         | 3 time correction: since, delta
//!         | 4 epoch: boot, since, wall offset, offset, confirmed
//!         | 5 cursor: publisher, segment, offset
//!         | 6 whole batch: as a batch, and not encoded as a difference to those before it
//!         | 7 state of a source: section, bytes up to the end
//!         | 8 synced: bytes of the segment that were on the disk when this was written
//! stated  = kind + 8 * medium
//! kind    = 0 not stated | 1 counter | 2 net | 3 gauge | 4 maximum | 5 state
//! medium  = 0 not stated | 1 electricity | 2 heat | 3 cooling | 4 gas | 5 water
//! ```
//!
//! Versions 1 to 4 are still read. Version 4 has no media, version 3 has no states and no notes of syncs, versions 1 and 2 have no indexes in layouts, and version 1
//! has no kinds.
//!
//! Integers are variable (see `varint`). Within a layout, times are delta-of-delta encoded, mantissas delta
//! encoded. A batch of eight registers a second takes about twenty bytes. After damage, the batches of a layout can be
//! read again from the next whole one on, or from where the layout is repeated.

mod encoder;
mod last;
mod reader;

use crc::{CRC_32_ISO_HDLC, Crc};
use reading::{Kind, Medium};

pub(crate) use self::{
    encoder::{Cell, Encoder},
    reader::{Gap, Reader, entries, entries_and_gaps},
};
use crate::varint::{Input, put};

const MAGIC: [u8; 8] = *b"smtail\x05\n";
/// Version of the segments that are written.
const VERSION: u8 = 5;
/// Place of the version in the magic.
const VERSION_AT: usize = 6;
/// Kinds by their bytes.
const KINDS: [Option<Kind>; 6] =
    [None, Some(Kind::Counter), Some(Kind::Net), Some(Kind::Gauge), Some(Kind::Maximum), Some(Kind::State)];
/// Media by their numbers.
const MEDIA: [Option<Medium>; 6] = [
    None,
    Some(Medium::Electricity),
    Some(Medium::Heat),
    Some(Medium::Cooling),
    Some(Medium::Gas),
    Some(Medium::Water),
];
/// Factor of the medium in a column's byte.
const MEDIUM: u8 = 8;
/// Magic and number.
pub(crate) const HEADER: usize = 16;
pub(crate) const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

const LAYOUT: u8 = 0;
const BATCH: u8 = 1;
const COUNTER_SET: u8 = 2;
const TIME_CORRECTION: u8 = 3;
const EPOCH: u8 = 4;
const CURSOR: u8 = 5;
const WHOLE_BATCH: u8 = 6;
const STATE: u8 = 7;
const SYNCED: u8 = 8;

/// Returns the first bytes of a segment.
pub(crate) fn header(number: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&number.to_le_bytes());
    out
}

/// Reads the first bytes of a segment: its number, and a reader of its version. `None` if it is not a segment.
pub(crate) fn open(bytes: &[u8]) -> Option<(u64, Reader)> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let version = magic[VERSION_AT];
    let mut expected = MAGIC;
    expected[VERSION_AT] = version;
    let known = *magic == expected && (1..=VERSION).contains(&version);
    let number = u64::from_le_bytes(*rest.first_chunk()?);
    known.then(|| (number, Reader::new(version)))
}

/// Returns the byte of what a source states of a column.
fn stated_byte(kind: Option<Kind>, medium: Option<Medium>) -> u8 {
    let place = |place: Option<usize>| place.unwrap_or(0) as u8;
    place(KINDS.iter().position(|known| *known == kind))
        + MEDIUM * place(MEDIA.iter().position(|known| *known == medium))
}

/// Returns what a source states of a column, by its byte; `None` where there is no such byte.
fn stated(byte: u8) -> Option<(Option<Kind>, Option<Medium>)> {
    let kind = KINDS.get(usize::from(byte % MEDIUM))?;
    Some((*kind, *MEDIA.get(usize::from(byte / MEDIUM))?))
}

pub(in crate::wal) fn frame(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, payload.len() as u64);
    out.extend_from_slice(payload);
    out.extend_from_slice(&CRC.checksum(payload).to_le_bytes());
}

/// Reason why bytes do not begin with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It needs at least this many bytes.
    Short(usize),
    Damaged,
}

/// Returns the payload of the frame at the front of bytes, and what is after the frame.
pub(crate) fn unframe(bytes: &[u8]) -> Result<(&[u8], &[u8]), Stop> {
    const LONGEST_INTEGER: usize = 10;
    let mut input = Input(bytes);
    let Some(len) = input.unsigned() else {
        let whole = bytes.len() >= LONGEST_INTEGER;
        return Err(if whole { Stop::Damaged } else { Stop::Short(bytes.len() + 1) });
    };
    let before = bytes.len() - input.0.len();
    // Quick to see, as after damage each byte is tried.
    if len == 0 || input.0.first().is_some_and(|kind| *kind > SYNCED) {
        return Err(Stop::Damaged);
    }
    let len = usize::try_from(len).map_err(|_| Stop::Damaged)?;
    let needed = len.checked_add(before + 4).ok_or(Stop::Damaged)?;
    let (Some(payload), Some(sum)) = (input.bytes(len), input.bytes(4)) else {
        return Err(Stop::Short(needed));
    };
    if CRC.checksum(payload).to_le_bytes() == sum { Ok((payload, input.0)) } else { Err(Stop::Damaged) }
}

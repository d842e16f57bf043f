//! SML file: the messages between start and end sequence (BSI TR-03109-1, annex IV b).
//!
//! ```text
//! message = list of 6: transaction id, group, abort on error, body, checksum, end 00
//! body    = list of 2: its kind, and its list
//! ```

use std::ops::Range;

use crate::{
    checksum::Checksum,
    registers::Registers,
    reject::{Flaw, Reason},
    tlv::{Element, Reader},
};

/// Kind SML_PublicOpen.Res: it names the meter.
const OPEN_RESPONSE: u64 = 0x0101;
/// Kind SML_GetList.Res: the only message with registers in it.
const GET_LIST_RESPONSE: u64 = 0x0701;

/// Part of a message.
#[expect(clippy::large_enum_variant, reason = "an allocation for each register is worse")]
pub(crate) enum Part<'a> {
    /// Server id of an opening.
    Opened(Element<'a>),
    /// Server id of a list.
    Listed(Element<'a>),
    /// Entry of a list: name, status, time, unit, scaler, value, signature.
    Entry([Element<'a>; 7]),
}

/// Reads all messages of `payload`, and their registers into `registers`; returns the server id.
pub(crate) fn read<'a>(
    payload: &'a [u8],
    checksum: Checksum,
    registers: &mut Registers,
) -> Result<&'a [u8], Reason> {
    let mut reader = Reader::new(payload);
    let mut server_id = &payload[..0];
    // Zeros fill the last message up to four bytes, and some meters send more of them than they declare.
    while reader.skip_fill() {
        let start = reader.at();
        let flawed = |at, flaw| Reason::Structure { at, flaw };
        message(&mut reader, |part| match part {
            Part::Listed(Element::Octets(id @ [_, ..])) => server_id = id,
            Part::Entry(entry) => registers.read(entry),
            Part::Opened(_) | Part::Listed(_) => {}
        })
        .map_err(|flaw| flawed(reader.at(), flaw))?;
        let covered = reader.at();
        let crc = reader.element().map_err(|flaw| flawed(reader.at(), flaw))?;
        let Some(given) = crc.unsigned().and_then(|crc| u16::try_from(crc).ok()) else {
            return Err(flawed(covered, Flaw::NoCrc));
        };
        let end = reader.byte().and_then(|end| if end == 0 { Ok(()) } else { Err(Flaw::NoEnd) });
        end.map_err(|flaw| flawed(reader.at(), flaw))?;
        let expected = checksum.of(&payload[start..covered]);
        if given != expected {
            return Err(Reason::MessageCrc { given, expected });
        }
    }
    if registers.is_empty() { Err(Reason::Empty) } else { Ok(server_id) }
}

/// Reads a message up to its checksum, and passes on the parts that matter; returns the place of its transaction id.
#[inline]
pub(crate) fn message<'a>(
    reader: &mut Reader<'a>,
    mut found: impl FnMut(Part<'a>),
) -> Result<Range<usize>, Flaw> {
    reader.enter_exactly(6)?;
    let id = if let Element::Octets(id) = reader.element()? { id.len() } else { 0 };
    let id = reader.at() - id..reader.at();
    for _ in 0..2 {
        reader.element()?; // group, abort on error
    }
    reader.enter_exactly(2)?;
    match reader.element()?.unsigned() {
        Some(OPEN_RESPONSE) => {
            if let Element::List(6, mut list) = reader.element()? {
                for _ in 0..3 {
                    list.element()?; // code page, client, file
                }
                found(Part::Opened(list.element()?));
            }
        }
        Some(GET_LIST_RESPONSE) => {
            reader.enter_exactly(7)?;
            reader.element()?; // client
            found(Part::Listed(reader.element()?));
            reader.element()?; // name of the list
            reader.element()?; // time
            for _ in 0..reader.enter()? {
                reader.enter_exactly(7)?;
                found(Part::Entry([
                    reader.element()?,
                    reader.element()?,
                    reader.element()?,
                    reader.element()?,
                    reader.element()?,
                    reader.element()?,
                    reader.element()?,
                ]));
            }
            reader.element()?; // signature
            reader.element()?; // time of the gateway
        }
        _ => {
            reader.element()?;
        }
    }
    Ok(id)
}

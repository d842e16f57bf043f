//! SML file: the messages between start and end sequence (BSI TR-03109-1, annex IV b).
//!
//! ```text
//! message = list of 6: transaction id, group, abort on error, body, checksum, end 00
//! body    = list of 2: its kind, and its list
//! ```

use crate::{
    checksum::Checksum,
    registers::Registers,
    reject::{Flaw, Reason},
    tlv::{Element, Reader},
};

/// Kind SML_GetList.Res: the only message with registers in it.
const GET_LIST_RESPONSE: u64 = 0x0701;

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
        let read = message(&mut reader, registers).map_err(|flaw| (reader.at(), flaw));
        let (given, expected, id) = read
            .and_then(|message| {
                let expected = checksum.of(payload.get(start..message.covered).unwrap_or_default());
                Ok((message.crc.ok_or((message.covered, Flaw::NoCrc))?, expected, message.server_id))
            })
            .map_err(|(at, flaw)| Reason::Structure { at, flaw })?;
        if given != u64::from(expected) {
            // `message` made sure that it has two bytes.
            return Err(Reason::MessageCrc { given: given as u16, expected });
        }
        if !id.is_empty() {
            server_id = id;
        }
    }
    if registers.is_empty() { Err(Reason::Empty) } else { Ok(server_id) }
}

/// Part of a message that is judged.
struct Message<'a> {
    /// Place of its checksum.
    covered: usize,
    crc: Option<u64>,
    /// Empty where it has none.
    server_id: &'a [u8],
}

fn message<'a>(reader: &mut Reader<'a>, registers: &mut Registers) -> Result<Message<'a>, Flaw> {
    reader.enter_exactly(6)?;
    for _ in 0..3 {
        reader.element()?;
    }
    reader.enter_exactly(2)?;
    let server_id = if reader.element()?.unsigned() == Some(GET_LIST_RESPONSE) {
        get_list_response(reader, registers)?
    } else {
        reader.element()?;
        &[]
    };
    let covered = reader.at();
    let crc = reader.element()?.unsigned().filter(|&crc| crc <= u64::from(u16::MAX));
    if crc.is_some() && reader.byte()? != 0 {
        return Err(Flaw::NoEnd);
    }
    Ok(Message { covered, crc, server_id })
}

fn get_list_response<'a>(reader: &mut Reader<'a>, registers: &mut Registers) -> Result<&'a [u8], Flaw> {
    reader.enter_exactly(7)?;
    reader.element()?; // client
    let server_id = reader.element()?;
    reader.element()?; // name of the list
    reader.element()?; // time
    for _ in 0..reader.enter()? {
        registers.read(reader)?;
    }
    reader.element()?; // signature
    reader.element()?; // time of the gateway
    Ok(if let Element::Octets(id) = server_id { id } else { &[] })
}

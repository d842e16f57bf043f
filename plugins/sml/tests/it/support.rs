//! Builds SML files from their parts: all lengths and checksums are right, all numbers are invented.

use crc::{CRC_16_IBM_SDLC, CRC_16_KERMIT, Crc};
use plugin_sml::{decoder::Decoder, quirks::Quirks, reject::Reason};
use telegram_testing::{Found, Owned, Shown};

pub(crate) const ABSENT: u8 = 0x01;
pub(crate) const MAKER: [u8; 6] = [1, 0, 96, 50, 1, 1];
pub(crate) const MAKER_EDL: [u8; 6] = [129, 129, 199, 130, 3, 255];
pub(crate) const ID: [u8; 6] = [1, 0, 96, 1, 0, 255];
pub(crate) const KEY: [u8; 6] = [129, 129, 199, 130, 5, 255];
pub(crate) const IMPORT: [u8; 6] = [1, 0, 1, 8, 0, 255];
pub(crate) const POWER: [u8; 6] = [1, 0, 16, 7, 0, 255];

/// A checksum as its two bytes are sent.
pub(crate) type Checksum = fn(&[u8]) -> [u8; 2];

pub(crate) fn x25(bytes: &[u8]) -> [u8; 2] {
    Crc::<u16>::new(&CRC_16_IBM_SDLC).checksum(bytes).to_le_bytes()
}

pub(crate) fn kermit(bytes: &[u8]) -> [u8; 2] {
    Crc::<u16>::new(&CRC_16_KERMIT).checksum(bytes).to_be_bytes()
}

/// Type and length: of a list, the count of its elements.
fn head(kind: u8, len: usize) -> Vec<u8> {
    match len {
        0..16 => vec![kind << 4 | len as u8],
        _ => vec![0x80 | kind << 4 | (len >> 4) as u8, len as u8 & 15],
    }
}

/// Octets (0), a boolean (4), a signed (5) or an unsigned (6) number.
pub(crate) fn plain(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let head = head(kind, bytes.len() + if bytes.len() < 15 { 1 } else { 2 });
    [&head, bytes].concat()
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    plain(0, bytes)
}

pub(crate) fn unsigned(value: u64, bytes: usize) -> Vec<u8> {
    plain(6, &value.to_be_bytes()[8 - bytes..])
}

pub(crate) fn signed(value: i64, bytes: usize) -> Vec<u8> {
    plain(5, &value.to_be_bytes()[8 - bytes..])
}

pub(crate) fn list(elements: &[&[u8]]) -> Vec<u8> {
    [head(7, elements.len()), elements.concat()].concat()
}

/// Seconds since the meter began.
pub(crate) fn seconds(seconds: u32) -> Vec<u8> {
    list(&[&unsigned(1, 1), &unsigned(seconds.into(), 4)])
}

/// An entry of a list: a register.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) status: Vec<u8>,
    pub(crate) time: Vec<u8>,
    pub(crate) unit: Vec<u8>,
    pub(crate) scaler: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl Entry {
    pub(crate) fn text(name: [u8; 6], value: &[u8]) -> Self {
        let absent = vec![ABSENT];
        Self {
            name: octets(&name),
            status: absent.clone(),
            time: absent.clone(),
            unit: absent.clone(),
            scaler: absent,
            value: octets(value),
        }
    }

    pub(crate) fn number(name: [u8; 6], unit: u8, scaler: i8, value: Vec<u8>) -> Self {
        let (unit, scaler) = (unsigned(unit.into(), 1), signed(scaler.into(), 1));
        Self { unit, scaler, value, ..Self::text(name, b"") }
    }

    pub(crate) fn status(self, status: u64, bytes: usize) -> Self {
        Self { status: unsigned(status, bytes), ..self }
    }

    pub(crate) fn time(self, time: Vec<u8>) -> Self {
        Self { time, ..self }
    }

    fn bytes(&self) -> Vec<u8> {
        list(&[&self.name, &self.status, &self.time, &self.unit, &self.scaler, &self.value, &[ABSENT]])
    }
}

pub(crate) fn message(id: u8, kind: u64, body: &[u8], checksum: Checksum) -> Vec<u8> {
    let body = list(&[&unsigned(kind, 2), body]);
    // A list of six, of which the checksum covers four.
    let covered = [&[0x76][..], &octets(&[id; 3]), &unsigned(0, 1), &unsigned(0, 1), &body].concat();
    let crc = plain(6, &checksum(&covered));
    [covered, crc, vec![0]].concat()
}

/// The three messages of a meter.
pub(crate) fn messages(server_id: &[u8], entries: &[Entry], checksum: Checksum) -> Vec<u8> {
    let id = octets(server_id);
    let absent: &[u8] = &[ABSENT];
    let open = list(&[absent, absent, &octets(b"\x01\x02"), &id, absent, absent]);
    let entries: Vec<_> = entries.iter().map(Entry::bytes).collect();
    let entries = list(&entries.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let registers = list(&[absent, &id, absent, &seconds(4711), &entries, absent, absent]);
    let close = list(&[absent]);
    [(1, 0x0101, open), (2, 0x0701, registers), (3, 0x0201, close)]
        .map(|(id, kind, body)| message(id, kind, &body, checksum))
        .concat()
}

/// The transport protocol around messages.
pub(crate) fn transport(messages: &[u8], checksum: Checksum) -> Vec<u8> {
    let mut bytes = [[0x1b; 4], [1; 4]].concat();
    let mut run = 0;
    for &byte in messages {
        bytes.push(byte);
        run = if byte == 0x1b { run + 1 } else { 0 };
        if run == 4 {
            bytes.extend([0x1b; 4]);
            run = 0;
        }
    }
    let fill = bytes.len().next_multiple_of(4) - bytes.len();
    bytes.resize(bytes.len() + fill, 0);
    bytes.extend([0x1b, 0x1b, 0x1b, 0x1b, 0x1a, fill as u8]);
    bytes.extend(checksum(&bytes));
    bytes
}

pub(crate) fn telegram(server_id: &[u8], entries: &[Entry]) -> Vec<u8> {
    transport(&messages(server_id, entries, x25), x25)
}

/// A meter of no maker: maker, id, import, and power.
pub(crate) fn simple(import: u64, power: i64) -> Vec<u8> {
    let id = b"\x0a\x01XYZ\x00\x00\xbc\x61\x4e";
    telegram(
        id,
        &[
            Entry::text(MAKER, b"XYZ"),
            Entry::text(ID, id),
            Entry::number(IMPORT, 30, -1, unsigned(import, 5)).status(0x001c_0104, 4).time(seconds(17)),
            Entry::number(POWER, 27, -2, signed(power, 4)),
        ],
    )
}

/// The registers of a telegram as text.
pub(crate) fn texts(telegram: &Owned) -> Vec<String> {
    let text = |register: &Shown| {
        let Shown { code, value, unit, number, status, time, .. } = register;
        let number = number.map(|number| number.to_string()).unwrap_or_default();
        let time = time.as_ref().map(|(sent, utc)| format!(" {sent} {utc:?}")).unwrap_or_default();
        let status = status.map(|status| format!(" {status:x}")).unwrap_or_default();
        format!("{code}={value}{number} {}{status}{time}", unit.as_deref().unwrap_or_default())
    };
    telegram.registers.iter().map(text).collect()
}

pub(crate) fn decode_with(quirks: Quirks, bytes: &[u8]) -> Vec<Found<Reason>> {
    telegram_testing::decode(Decoder::new(quirks), bytes, &[])
}

pub(crate) fn decode(bytes: &[u8]) -> Vec<Found<Reason>> {
    decode_with(Quirks::default(), bytes)
}

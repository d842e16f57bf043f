//! Builds DLMS telegrams from their parts: all lengths, checksums and tags are right, all numbers are invented.

use aes_gcm::{
    AesGcm, KeyInit as _,
    aead::{AeadInOut as _, consts::U12},
    aes::Aes128,
};
use plugin_dlms::{
    decoder::{Decoder, Options},
    reject::Reason,
};
use telegram::Keys;
use telegram_testing::{Found, Owned};

pub(crate) const LANDISGYR: [u8; 8] = *b"LGZgs\x00\x00\x01";
pub(crate) const KAIFA: [u8; 8] = *b"KFMgP\x00\x00\x02";
pub(crate) const ISKRA: [u8; 8] = *b"ISK0w\x00\x00\x03";
pub(crate) const KAMSTRUP: [u8; 8] = *b"KAME\x01\x00\x00\x04";
pub(crate) const SAGEMCOM: [u8; 8] = *b"SAGgp\x00\x00\x05";

pub(crate) const WATTS: u8 = 27;
pub(crate) const VARS: u8 = 29;
pub(crate) const WATT_HOURS: u8 = 30;
pub(crate) const VAR_HOURS: u8 = 32;
pub(crate) const AMPERES: u8 = 33;
pub(crate) const VOLTS: u8 = 35;
pub(crate) const NO_UNIT: u8 = 255;

/// 2026-07-14T10:15:05+02:00 by the meter's clock.
pub(crate) const TIME: [u8; 12] = [0x07, 0xea, 7, 14, 2, 10, 15, 5, 0, 0xff, 0x88, 0x80];
/// The same without an offset.
pub(crate) const LOCAL_TIME: [u8; 12] = [0x07, 0xea, 7, 14, 2, 10, 15, 5, 0xff, 0x80, 0, 0];

/// Length or count, in the form that meters use.
fn length(length: usize) -> Vec<u8> {
    match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    }
}

pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    [vec![9], length(bytes.len()), bytes.to_vec()].concat()
}

pub(crate) fn visible(text: &str) -> Vec<u8> {
    [vec![10], length(text.len()), text.as_bytes().to_vec()].concat()
}

pub(crate) fn code(c: u8, d: u8) -> Vec<u8> {
    octets(&[1, 0, c, d, 0, 255])
}

pub(crate) fn u32(number: u32) -> Vec<u8> {
    [&[6][..], &number.to_be_bytes()].concat()
}

pub(crate) fn u16(number: u16) -> Vec<u8> {
    [&[0x12][..], &number.to_be_bytes()].concat()
}

pub(crate) fn i16(number: i16) -> Vec<u8> {
    [&[0x10][..], &number.to_be_bytes()].concat()
}

pub(crate) fn u64(number: u64) -> Vec<u8> {
    [&[0x15][..], &number.to_be_bytes()].concat()
}

fn list(tag: u8, items: &[Vec<u8>]) -> Vec<u8> {
    [vec![tag], length(items.len()), items.concat()].concat()
}

pub(crate) fn structure(items: &[Vec<u8>]) -> Vec<u8> {
    list(2, items)
}

pub(crate) fn array(items: &[Vec<u8>]) -> Vec<u8> {
    list(1, items)
}

/// Scaler and unit.
pub(crate) fn scale(scaler: i8, unit: u8) -> Vec<u8> {
    vec![2, 2, 0x0f, scaler as u8, 0x16, unit]
}

/// Object: code, value, scaler and unit.
pub(crate) fn object(c: u8, d: u8, value: Vec<u8>, scaler: i8, unit: u8) -> Vec<u8> {
    structure(&[code(c, d), value, scale(scaler, unit)])
}

/// Data notification; no time, where it is empty.
pub(crate) fn notification(time: &[u8], body: Vec<u8>) -> Vec<u8> {
    let time = if time.is_empty() { vec![0] } else { [&[12], time].concat() };
    [vec![0x0f, 0, 0, 0x12, 0x34], time, body].concat()
}

/// Ciphers a message with the public keys.
pub(crate) fn ciphered(control: u8, title: [u8; 8], counter: u32, plain: &[u8]) -> Vec<u8> {
    ciphered_with(Keys::PUBLIC, control, title, counter, plain)
}

pub(crate) fn ciphered_with(keys: Keys, control: u8, title: [u8; 8], counter: u32, plain: &[u8]) -> Vec<u8> {
    let key = AesGcm::<Aes128, aes_gcm::aead::consts::U12, U12>::new(keys.key.unwrap().reveal().into());
    let nonce: [u8; 12] = [&title[..], &counter.to_be_bytes()].concat().try_into().unwrap();
    let (encrypted, authenticated) = (control & 0x20 != 0, control & 0x10 != 0);
    let mut data = vec![control];
    data.extend(keys.authentication_key.unwrap().reveal());
    let mut text = plain.to_vec();
    let mut none = [];
    if !encrypted {
        data.extend(plain);
    }
    let sealed = if encrypted { &mut text[..] } else { &mut none[..] };
    let tag = key.encrypt_inout_detached(&nonce.into(), &data, sealed.into()).unwrap();
    if authenticated {
        text.extend(tag);
    }
    let head = [&[0xdb, 8][..], &title].concat();
    [head, length(text.len() + 5), vec![control], counter.to_be_bytes().to_vec(), text].concat()
}

fn x25(bytes: &[u8]) -> [u8; 2] {
    crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC).checksum(bytes).to_le_bytes()
}

/// HDLC frame with these addresses and the control field.
pub(crate) fn frame(more: bool, header: &[u8], content: &[u8]) -> Vec<u8> {
    let len = 2 + header.len() + 2 + content.len() + 2;
    let segmented = if more { 8 } else { 0 };
    let mut bytes = vec![0xa0 | segmented | (len >> 8) as u8, len as u8];
    bytes.extend(header);
    bytes.extend(x25(&bytes));
    bytes.extend(content);
    bytes.extend(x25(&bytes));
    [vec![0x7e], bytes, vec![0x7e]].concat()
}

const LLC: [u8; 3] = [0xe6, 0xe7, 0];
const HEADER: [u8; 4] = [0xce, 0xff, 0x03, 0x13];

pub(crate) fn llc(message: &[u8]) -> Vec<u8> {
    [&LLC[..], message].concat()
}

pub(crate) fn hdlc(message: &[u8]) -> Vec<u8> {
    frame(false, &HEADER, &llc(message))
}

/// HDLC frames with segments of so many bytes.
pub(crate) fn hdlc_segments(message: &[u8], size: usize) -> Vec<u8> {
    let content = llc(message);
    let count = content.len().div_ceil(size);
    let segments = content.chunks(size).enumerate();
    segments
        .flat_map(|(place, segment)| frame(place + 1 < count, &[0xcf, 0x02, 0x23, 0x03], segment))
        .collect()
}

/// HDLC frames with the blocks of a general block transfer.
pub(crate) fn hdlc_blocks(message: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = message.chunks(size).count();
    let blocks = message.chunks(size).enumerate().map(|(place, data)| {
        let control = if place + 1 == count { 0xc0 } else { 0x40 };
        let head = vec![0xe0, control, 0, place as u8 + 1, 0, 0];
        let block = [head, length(data.len()), data.to_vec()].concat();
        frame(false, &HEADER, &if place == 0 { llc(&block) } else { block })
    });
    blocks.collect()
}

/// Long frames of M-Bus with parts of so many bytes.
pub(crate) fn mbus(message: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = message.chunks(size).count();
    let frames = message.chunks(size).enumerate().map(|(place, part)| {
        let last = if place + 1 == count { 0x10 } else { 0 };
        let content = [&[0x53, 0xff, last | place as u8, 0x01, 0x67], part].concat();
        let sum = content.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let len = content.len() as u8;
        [vec![0x68, len, len, 0x68], content, vec![sum, 0x16]].concat()
    });
    frames.collect()
}

/// Objects as Kaifa and others send them, with energies that grow.
pub(crate) fn objects(second: u32) -> Vec<u8> {
    structure(&[
        structure(&[octets(&[0, 0, 1, 0, 0, 255]), octets(&TIME)]),
        structure(&[octets(&[0, 0, 96, 1, 0, 255]), octets(b"1XYZ0000000042")]),
        object(32, 7, u16(2303), -1, VOLTS),
        object(52, 7, u16(2311), -1, VOLTS),
        object(72, 7, u16(2298), -1, VOLTS),
        object(31, 7, u16(152), -2, AMPERES),
        object(51, 7, u16(0), -2, AMPERES),
        object(71, 7, u16(1044), -2, AMPERES),
        object(1, 7, u32(2741), 0, WATTS),
        object(2, 7, u32(0), 0, WATTS),
        object(1, 8, u32(12_345_678 + second), 0, WATT_HOURS),
        object(2, 8, u32(17), 0, WATT_HOURS),
        object(3, 8, u32(998), 0, VAR_HOURS),
        object(4, 8, u32(4_000_000_000), 0, VAR_HOURS),
    ])
}

/// The list of nine values without codes.
pub(crate) fn positional(second: u32) -> Vec<u8> {
    let numbers = [1_077_098 + second, 0, 12_642, 17_025, 3243, 0, 0, 330].map(u32);
    structure(&[&[octets(&LOCAL_TIME)][..], &numbers].concat())
}

/// Push list: codes with class, attribute and index, and after it the values of all but the first.
pub(crate) fn push_list(objects: &[([u8; 6], Vec<u8>)]) -> Vec<u8> {
    let entry = |class: u16, code: &[u8; 6]| structure(&[u16(class), octets(code), vec![0x0f, 2], u16(0)]);
    let entries: Vec<_> = std::iter::once(entry(40, &[0, 9, 25, 9, 0, 255]))
        .chain(objects.iter().map(|(code, _)| entry(3, code)))
        .collect();
    let values = objects.iter().map(|(_, value)| value.clone());
    structure(&std::iter::once(array(&entries)).chain(values).collect::<Vec<_>>())
}

pub(crate) fn with_keys(keys: Keys) -> Decoder {
    Decoder::new(Options { keys, ..Options::default() })
}

pub(crate) fn decode(bytes: &[u8]) -> Vec<Found<Reason>> {
    telegram_testing::decode(with_keys(Keys::PUBLIC), bytes, &[])
}

/// The registers of a telegram as text.
pub(crate) fn texts(telegram: &Owned) -> Vec<String> {
    let registers = telegram.registers.iter();
    let text = |register: &telegram_testing::Shown| {
        let number = register.number.map(|number| number.to_string()).unwrap_or_default();
        let unit = register.unit.as_deref().unwrap_or_default();
        format!("{}={}{number} {unit}", register.code, register.value).trim_end().to_owned()
    };
    registers.map(text).collect()
}

/// Decoder that has the public keys.
#[derive(Debug)]
pub(crate) struct Keyed(Decoder);

impl Default for Keyed {
    fn default() -> Self {
        Self(with_keys(Keys::PUBLIC))
    }
}

impl telegram::Decoder for Keyed {
    const PROTOCOLS: &'static [telegram::Protocol] = Decoder::PROTOCOLS;
    const VARIANT: &'static str = Decoder::VARIANT;
    type Telegram<'a> = plugin_dlms::telegram::Telegram<'a>;
    type Reason = Reason;

    fn scanner(&mut self) -> &mut telegram::Scanner {
        self.0.scanner()
    }

    fn next(&mut self) -> Option<Result<Self::Telegram<'_>, telegram::Rejected<Reason>>> {
        self.0.next()
    }
}

/// Keys of another meter.
pub(crate) fn other_keys() -> Keys {
    Keys { key: Some(telegram::Key::new([7; 16])), authentication_key: Some(telegram::Key::new([8; 16])) }
}

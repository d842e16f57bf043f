//! Meter that pushes DLMS/COSEM, as in Austria and Switzerland, encrypted or not.
//!
//! The message (IEC 62056-5-3, data-notification) is a list of objects, each with its OBIS code, value, scaler and unit.
//! Around it come the cipher (general-glo-ciphering, AES-128-GCM) and the frames of the line.

use aes_gcm::{
    AesGcm, KeyInit as _,
    aead::{AeadInOut as _, consts::U12},
    aes::Aes128,
};

use crate::household::{Moment, START_OF_DAY, WATT_HOUR};

/// Number of the meter. No real one has it.
pub const METER_NUMBER: &str = "1LGZ0000000042";
/// System title of the meter: its maker, Landis+Gyr, and a number that no real one has.
pub const SYSTEM_TITLE: [u8; 8] = *b"LGZ\x10\x00\x00\x00\x2a";
/// Bits of the security control: there is a tag; there is ciphertext.
const AUTHENTICATED: u8 = 0x10;
const ENCRYPTED: u8 = 0x20;
/// Most bytes of a message in one frame, as makers set it.
const HDLC_SEGMENT: usize = 120;
const MBUS_SEGMENT: usize = 245;
const DAY: u64 = 24 * 3600;

/// Frames around a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HDLC in segments (IEC 62056-46).
    Hdlc,
    /// Long frames of wired M-Bus (EN 13757-2).
    Mbus,
    /// None, as at a P1 port.
    Bare,
}

/// Meter whose messages have a rising frame counter.
#[derive(Debug, Clone)]
pub struct DlmsMeter {
    framing: Framing,
    key: Option<[u8; 16]>,
    authentication_key: Option<[u8; 16]>,
    counter: u32,
}

impl DlmsMeter {
    /// A meter that does not encrypt.
    pub fn new(framing: Framing) -> Self {
        Self { framing, key: None, authentication_key: None, counter: 0x1000 }
    }

    /// The same with ciphertext, and with a tag where there is an authentication key.
    pub fn encrypted(self, key: [u8; 16], authentication_key: Option<[u8; 16]>) -> Self {
        Self { key: Some(key), authentication_key, ..self }
    }

    /// Returns the bytes on the line for this moment.
    pub fn telegram(&mut self, moment: &Moment) -> Vec<u8> {
        self.push(&notification(moment, self.counter))
    }

    /// Returns the bytes on the line for any message, such as the text of a P1 port.
    pub fn push(&mut self, message: &[u8]) -> Vec<u8> {
        self.counter += 1;
        let message = match self.key {
            Some(key) => self.sealed(key, message),
            None => message.to_vec(),
        };
        match self.framing {
            Framing::Bare => message,
            Framing::Hdlc => hdlc(&message),
            Framing::Mbus => mbus(&message),
        }
    }

    fn sealed(&self, key: [u8; 16], message: &[u8]) -> Vec<u8> {
        let control = ENCRYPTED | if self.authentication_key.is_some() { AUTHENTICATED } else { 0 };
        let counter = self.counter.to_be_bytes();
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&SYSTEM_TITLE);
        nonce[8..].copy_from_slice(&counter);
        let associated: Vec<u8> =
            [control].into_iter().chain(self.authentication_key.into_iter().flatten()).collect();
        let mut text = message.to_vec();
        let gcm = AesGcm::<Aes128, U12, U12>::new(&key.into());
        // A message of some kilobytes is not too long.
        let tag = gcm.encrypt_inout_detached(&nonce.into(), &associated, text.as_mut_slice().into());
        if let (Ok(tag), Some(_)) = (tag, self.authentication_key) {
            text.extend(tag);
        }
        let mut sealed = vec![0xdb, 8];
        sealed.extend(SYSTEM_TITLE);
        sealed.extend(length(5 + text.len()));
        sealed.push(control);
        sealed.extend(counter);
        sealed.extend(text);
        sealed
    }
}

/// Returns the message of this moment. The first one is of 21 June 2026, 10:30:01.
fn notification(moment: &Moment, number: u32) -> Vec<u8> {
    let mut message = vec![0x0f];
    message.extend((0x8000_0000 | number).to_be_bytes());
    message.push(0x0c);
    message.extend(time(moment));
    let watt_hours = |energy: i64| (energy / WATT_HOUR) as u32;
    let watts = |power: i64| (power.max(0) / 100) as u32;
    let [a, b, c] = moment.decivolts.map(u32::from);
    let objects = [
        ([1, 0, 1, 8, 0], watt_hours(moment.import), 0, 30),
        ([1, 0, 2, 8, 0], watt_hours(moment.export), 0, 30),
        ([1, 0, 1, 7, 0], watts(moment.grid()), 0, 27),
        ([1, 0, 2, 7, 0], watts(-moment.grid()), 0, 27),
        ([1, 0, 32, 7, 0], a, -1, 35),
        ([1, 0, 52, 7, 0], b, -1, 35),
        ([1, 0, 72, 7, 0], c, -1, 35),
    ];
    message.extend([0x02, 2 + objects.len() as u8]);
    let code = |code: [u8; 5]| [&[0x09, 6][..], &code, &[0xff]].concat();
    message.extend([&[0x02, 2][..], &code([0, 0, 1, 0, 0]), &[0x09, 12], &time(moment)].concat());
    for (obis, value, scaler, unit) in objects {
        message.extend([0x02, 3]);
        message.extend(code(obis));
        message.push(0x06);
        message.extend(u32::to_be_bytes(value));
        message.extend([0x02, 2, 0x0f, i8::to_be_bytes(scaler)[0], 0x16, unit]);
    }
    message.extend([0x02, 2]);
    message.extend(code([0, 0, 96, 1, 0]));
    message.extend([0x09, METER_NUMBER.len() as u8]);
    message.extend(METER_NUMBER.bytes());
    message
}

/// Returns the meter's clock: date, day of the week, time, hundredths, deviation from UTC, status (summer time).
fn time(moment: &Moment) -> [u8; 12] {
    let second = START_OF_DAY + moment.second;
    let (day, second) = (second / DAY, second % DAY);
    let [high, low] = 2026u16.to_be_bytes();
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60].map(|part| part as u8);
    // 21 June 2026 was a Sunday, the seventh day.
    let (date, weekday) = (21 + (day % 9) as u8, ((6 + day) % 7) as u8 + 1);
    let [deviation_high, deviation_low] = (-120i16).to_be_bytes();
    [high, low, 6, date, weekday, hour, minute, second, 0, deviation_high, deviation_low, 0x80]
}

/// Returns a length as A-XDR has it.
fn length(length: usize) -> Vec<u8> {
    match length {
        0..=0x7f => vec![length as u8],
        0x80..=0xff => vec![0x81, length as u8],
        _ => vec![0x82, (length >> 8) as u8, length as u8],
    }
}

/// Returns a message in HDLC frames, each between flags; all but the last have the bit for segmentation.
fn hdlc(message: &[u8]) -> Vec<u8> {
    let message = [&[0xe6, 0xe7, 0][..], message].concat();
    let mut frames = Vec::new();
    let count = message.len().div_ceil(HDLC_SEGMENT);
    for (segment, number) in message.chunks(HDLC_SEGMENT).zip(1..) {
        let is_last = number == count;
        // Format and length, two addresses, control field, two checksums.
        let length = 2 + 3 + 1 + 2 + segment.len() + 2;
        let format = 0xa0 | if is_last { 0 } else { 8 } | (length >> 8) as u8;
        let mut frame = vec![format, length as u8, 0xcf, 0x02, 0x23, if is_last { 0x13 } else { 0x03 }];
        frame.extend(x25(&frame).to_le_bytes());
        frame.extend(segment);
        frame.extend(x25(&frame).to_le_bytes());
        frames.push(0x7e);
        frames.extend(frame);
        frames.push(0x7e);
    }
    frames
}

/// Returns a message in long frames of M-Bus, whose third byte numbers them from 0 and marks the last.
fn mbus(message: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    let count = message.len().div_ceil(MBUS_SEGMENT);
    for (segment, number) in message.chunks(MBUS_SEGMENT).zip(0..) {
        let last = if usize::from(number) + 1 == count { 0x10 } else { 0 };
        let content = [&[0x53, 0xff, last | number, 0x01, 0x67][..], segment].concat();
        let sum = content.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let length = content.len() as u8;
        frames.extend([0x68, length, length, 0x68]);
        frames.extend(content);
        frames.extend([sum, 0x16]);
    }
    frames
}

/// Returns the checksum of HDLC, CRC-16/X-25.
fn x25(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x8408 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_has_its_check_value() {
        assert_eq!(x25(b"123456789"), 0x906e);
    }

    #[test]
    fn a_message_tells_the_energy_in_watt_hours() {
        let bytes = DlmsMeter::new(Framing::Bare).telegram(&Moment::sample());
        assert_eq!(bytes[..6], [0x0f, 0x80, 0, 0x10, 0, 0x0c]);
        let import = b"\x02\x03\x09\x06\x01\0\x01\x08\0\xff\x06\0\x29\x6a\x10\x02\x02\x0f\0\x16\x1e";
        assert!(bytes.windows(import.len()).any(|part| part == import), "{bytes:x?}"); // 2,714,128 Wh
    }

    #[test]
    fn frames_are_whole_and_their_counter_rises() {
        for framing in [Framing::Hdlc, Framing::Mbus, Framing::Bare] {
            let mut meter = DlmsMeter::new(framing).encrypted([7; 16], Some([8; 16]));
            let moment = Moment::sample();
            let (first, second) = (meter.telegram(&moment), meter.telegram(&moment));
            assert!(first.len() == second.len() && first != second, "{framing:?}");
            let (start, end) = (first[0], *first.last().unwrap());
            match framing {
                Framing::Hdlc => assert_eq!((start, end), (0x7e, 0x7e)),
                Framing::Mbus => assert_eq!((start, end), (0x68, 0x16)),
                Framing::Bare => assert_eq!(first[..5], *b"\xdb\x08LGZ"),
            }
        }
    }
}

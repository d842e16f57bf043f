//! Meters that send by radio: an encoder of wireless M-Bus, for plain and encrypted telegrams.

use aes::{
    Aes128,
    cipher::{
        BlockModeEncrypt as _, KeyInit as _, KeyIvInit as _, StreamCipher as _, block_padding::NoPadding,
    },
};
use cmac::{Cmac, Mac as _};

/// Key of the meters, which is published with this project: no real meter has it.
pub const KEY: [u8; 16] = *b"smartmeter test!";

/// A meter that sends by radio.
#[derive(Debug, Clone)]
pub struct RadioMeter {
    /// Three letters.
    pub maker: [u8; 3],
    /// Eight digits, a nibble each.
    pub id: u32,
    /// Version.
    pub version: u8,
    /// Device type: 7 is water.
    pub medium: u8,
    /// Access number of the next telegram.
    pub access: u8,
    /// Message counter, and session number of the link layer.
    pub counter: u32,
    /// Key.
    pub key: [u8; 16],
}

/// Frame format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// Blocks of 16 bytes with a checksum each.
    A,
    /// One or two parts, whose checksums the length counts.
    B,
    /// Without checksums.
    Bare,
}

/// Security of a telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// None, with a short header.
    Plain,
    /// Mode 5; everything but this number of bytes at the end is encrypted.
    Mode5 {
        /// Bytes that stay plain.
        plain: usize,
    },
    /// Mode 7, with the message counter and a MAC of 8 bytes.
    Mode7,
    /// Extended link layer with AES-CTR, without a header.
    LinkLayer,
    /// The same with a compact telegram.
    CompactLinkLayer,
    /// A compact telegram that is not encrypted.
    Compact,
}

/// Returns the checksum of the standard: polynomial 3D65.
pub fn checksum(bytes: &[u8]) -> u16 {
    let crc = bytes.iter().fold(0u16, |crc, &byte| {
        (0..8)
            .fold(crc ^ u16::from(byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 != 0 { 0x3D65 } else { 0 })
    });
    !crc
}

impl RadioMeter {
    /// A water meter.
    pub fn water(id: u32) -> Self {
        Self { maker: *b"TST", id, version: 1, medium: 7, access: 1, counter: 1, key: KEY }
    }

    /// Returns manufacturer, number, version and type as the link layer has them.
    pub fn address(&self) -> [u8; 8] {
        let letters = self.maker.iter().fold(0u16, |word, letter| word << 5 | u16::from(letter - 64));
        let mut address = [0; 8];
        address[..2].copy_from_slice(&letters.to_le_bytes());
        address[2..6].copy_from_slice(&self.id.to_le_bytes());
        address[6..].copy_from_slice(&[self.version, self.medium]);
        address
    }

    /// Returns the next telegram with these records, each as head and data, without checksums.
    pub fn telegram(&mut self, security: Security, records: &[(&[u8], &[u8])]) -> Vec<u8> {
        let full: Vec<u8> = records.iter().flat_map(|(head, data)| [*head, *data].concat()).collect();
        let address = self.address();
        let body = match security {
            Security::Plain => [&[0x7A, self.access, 0, 0, 0][..], &full].concat(),
            Security::Mode5 { plain } => self.mode5(address, &full, plain),
            Security::Mode7 => self.mode7(&full),
            Security::LinkLayer => self.link_layer(address, &[&[0x78][..], &full].concat()),
            Security::CompactLinkLayer => self.link_layer(address, &compact(records, &full)),
            Security::Compact => compact(records, &full),
        };
        (self.access, self.counter) = (self.access.wrapping_add(1), self.counter + 1);
        let length = u8::try_from(9 + body.len()).expect("the telegram is short enough");
        [&[length, 0x44][..], &address, &body].concat()
    }

    fn mode5(&self, address: [u8; 8], full: &[u8], plain: usize) -> Vec<u8> {
        let (hidden, shown) = full.split_at(full.len() - plain);
        let mut text = padded(hidden);
        let blocks = text.len() / 16;
        let mut iv = [self.access; 16];
        iv[..8].copy_from_slice(&address);
        encrypt_cbc(&self.key, &iv, &mut text);
        [&[0x7A, self.access, 0, (blocks << 4) as u8, 0x05][..], &text, shown].concat()
    }

    fn mode7(&self, full: &[u8]) -> Vec<u8> {
        let (counter, id) = (self.counter.to_le_bytes(), self.id.to_le_bytes());
        let derived = |purpose: u8| cmac(&self.key, &[&[purpose], &counter[..], &id, &[7; 7]].concat());
        let mut text = padded(full);
        let blocks = text.len() / 16;
        encrypt_cbc(&derived(0), &[0; 16], &mut text);
        let tpl = [&[0x7A, self.access, 0, (blocks << 4) as u8, 0x07, 0x10][..], &text].concat();
        let mac = cmac(&derived(1), &[&[0x25][..], &counter, &tpl].concat());
        [&[0x90, 0x0F, 0x00, 0x2C, 0x25][..], &counter, &mac[..8], &tpl].concat()
    }

    fn link_layer(&self, address: [u8; 8], tpl: &[u8]) -> Vec<u8> {
        let session = (1 << 29 | self.counter).to_le_bytes();
        let mut hidden = [&checksum(tpl).to_le_bytes()[..], tpl].concat();
        let mut block = [0; 16];
        block[..8].copy_from_slice(&address);
        block[8] = 0x20;
        block[9..13].copy_from_slice(&session);
        ctr::Ctr128BE::<Aes128>::new(&self.key.into(), &block.into()).apply_keystream(&mut hidden);
        [&[0x8D, 0x20, self.access][..], &session, &hidden].concat()
    }
}

/// Returns a compact telegram from its CI on.
fn compact(records: &[(&[u8], &[u8])], full: &[u8]) -> Vec<u8> {
    let heads: Vec<u8> = records.iter().flat_map(|(head, _)| head.to_vec()).collect();
    let data: Vec<u8> = records.iter().flat_map(|(_, data)| data.to_vec()).collect();
    [&[0x79][..], &checksum(&heads).to_le_bytes(), &checksum(full).to_le_bytes(), &data].concat()
}

/// Returns a text with the mark that shows the key, filled up to whole blocks.
fn padded(text: &[u8]) -> Vec<u8> {
    let mut padded = [&[0x2F, 0x2F], text].concat();
    padded.resize(padded.len().next_multiple_of(16), 0x2F);
    padded
}

fn encrypt_cbc(key: &[u8; 16], iv: &[u8; 16], text: &mut [u8]) {
    let len = text.len();
    cbc::Encryptor::<Aes128>::new(key.into(), iv.into())
        .encrypt_padded::<NoPadding>(text, len)
        .expect("the text has whole blocks");
}

fn cmac(key: &[u8; 16], bytes: &[u8]) -> [u8; 16] {
    let mut mac = Cmac::<Aes128>::new(key.into());
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

/// Returns a telegram in a frame format.
pub fn frame(format: Frame, telegram: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    let mut add = |block: &[u8]| {
        framed.extend_from_slice(block);
        framed.extend_from_slice(&checksum(block).to_be_bytes());
    };
    match format {
        Frame::Bare => return telegram.to_vec(),
        Frame::A => {
            add(&telegram[..10]);
            telegram[10..].chunks(16).for_each(add);
        }
        Frame::B => {
            let mut counted = telegram.to_vec();
            counted[0] += if telegram.len() > 126 { 4 } else { 2 };
            let (first, second) = counted.split_at(telegram.len().min(126));
            add(first);
            if !second.is_empty() {
                add(second);
            }
        }
    }
    framed
}

/// Returns a telegram as a line of `rtl_wmbus`.
pub fn rtl_wmbus(telegram: &[u8]) -> String {
    format!("T1;1;1;2026-03-01 12:00:00.000;97;148;00000000;0x{}\n", hex(telegram))
}

/// Returns a telegram as a line of a CUL that was started with `X21`: -98 dBm.
pub fn cul(format: Frame, telegram: &[u8]) -> String {
    let mark = if format == Frame::B { "bY" } else { "b" };
    format!("{mark}{}7DD0\r\n", hex(&frame(format, telegram)).to_uppercase())
}

/// Returns a telegram as a message of an iM871A with time stamp, strength and checksum.
pub fn im871a(telegram: &[u8]) -> Vec<u8> {
    let mut message = vec![0xE2, 0x03];
    message.extend_from_slice(telegram);
    message.extend_from_slice(&[1, 2, 3, 4, 0x9A]);
    let crc = !message.iter().fold(0xFFFFu16, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte), |crc, _| crc >> 1 ^ if crc & 1 != 0 { 0x8408 } else { 0 })
    });
    message.extend_from_slice(&crc.to_le_bytes());
    [&[0xA5][..], &message].concat()
}

/// Returns a telegram as a message of an AMB8465 in command mode, with its strength.
pub fn amb8465(telegram: &[u8]) -> Vec<u8> {
    let mut message = vec![0xFF, 0x03, telegram.len() as u8 + 1];
    message.extend_from_slice(telegram);
    message.push(0xC8);
    message.push(message.iter().fold(0, |sum, byte| sum ^ byte));
    message
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Layers of a telegram, from the link layer to its records.

use super::{
    crypto::{AesKey, BLOCK, Purpose, apply_ctr, cmac, decrypt_cbc, derived_key, mac_len},
    frame::{MIN_LENGTH, checksum},
    reject::{Evidence, Reason},
};
use crate::{Manufacturer, SecondaryAddress};

/// Address as in the link layer: manufacturer (2 bytes), identification (4), version, type; each low byte first.
pub type LinkAddress = [u8; 8];

/// Control bytes of telegrams from a meter: `SND_NR`, `SND_IR`, `ACC_NR`, `ACC_DMD`, `RSP_UD` with its flags.
const CONTROLS: [u8; 8] = [0x44, 0x46, 0x47, 0x48, 0x08, 0x18, 0x28, 0x38];
/// First two bytes of a decrypted text.
pub(super) const MARK: [u8; 2] = [0x2F, 0x2F];
/// Bytes of a long header before those that a short one has, too.
const HEADER_ADDRESS: usize = 8;

/// What a telegram tells without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outline {
    /// Control byte.
    pub control: u8,
    /// Address of the radio.
    pub sender: LinkAddress,
    /// Address of the meter: that of a long header, else the radio's.
    pub meter: LinkAddress,
    /// Access number.
    pub access: Option<u8>,
    /// Status byte.
    pub status: Option<u8>,
    /// Encryption.
    pub encryption: Encryption,
    /// Message counter, or session number of an encrypted link layer.
    pub counter: Option<u32>,
    /// Whether it is a compact telegram.
    pub is_compact: bool,
}

/// Encryption of a telegram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// None.
    #[default]
    Plain,
    /// AES-CTR of the extended link layer.
    LinkLayer,
    /// Security mode of the header.
    Mode(u8),
}

/// Telegram that is not read, and what it tells all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it tells; `None` if not even an address is there.
    pub outline: Option<Outline>,
    /// Reason.
    pub reason: Reason,
}

/// Content of the records.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Records.
    Full,
    /// Data of records, whose heads an earlier telegram has.
    Compact,
}

/// Returns whether `bytes` begin like a telegram without checksums: length, control byte, manufacturer and CI.
pub(super) fn is_plausible(bytes: &[u8]) -> bool {
    let [length, control, m0, m1, _, _, _, _, _, _, ci, ..] = bytes else { return false };
    let maker = u16::from_le_bytes([*m0, *m1]);
    let is_letter = |shift: u16| (1..=26).contains(&((maker >> shift) & 0x1F));
    *length >= MIN_LENGTH
        && CONTROLS.contains(control)
        && [0, 5, 10].into_iter().all(is_letter)
        && matches!(ci, 0x6E..=0x7D | 0x8C..=0x90 | 0xA0..=0xB7)
}

/// Opens the telegram in `frame`, without checksums, and leaves the content in `out`. `key` returns the key of a meter.
///
/// # Errors
/// Returns the reason, and what the telegram tells all the same.
pub(super) fn open(
    frame: &[u8],
    key: &mut dyn FnMut(&Outline) -> Option<AesKey>,
    out: &mut Vec<u8>,
) -> Result<(Outline, Content), Failure> {
    out.clear();
    let (mut outline, body) = match link_layer(frame) {
        Ok(link) => link,
        Err(reason) => return Err(Failure { outline: None, reason }),
    };
    out.extend_from_slice(body);
    let opened = Layers { outline: &mut outline, key, bytes: out, at: 0, afl: None }.open();
    match opened {
        Ok(content) => Ok((outline, content)),
        Err(reason) => {
            out.clear();
            Err(Failure { outline: Some(outline), reason })
        }
    }
}

/// Returns the addresses, and the bytes from the first CI on.
fn link_layer(frame: &[u8]) -> Result<(Outline, &[u8]), Reason> {
    let [length, control, address @ ..] = frame else { return Err(Reason::Length) };
    let (sender, body) = address.split_first_chunk::<8>().ok_or(Reason::Length)?;
    if *length < MIN_LENGTH || usize::from(*length) + 1 != frame.len() || body.is_empty() {
        return Err(Reason::Length);
    }
    let outline = Outline {
        control: *control,
        sender: *sender,
        meter: *sender,
        access: None,
        status: None,
        encryption: Encryption::Plain,
        counter: None,
        is_compact: false,
    };
    Ok((outline, body))
}

/// Authentication and fragmentation layer, with its fields as sent.
#[derive(Clone, Copy)]
struct Authentication {
    mcl: u8,
    counter: Option<[u8; 4]>,
    length: Option<[u8; 2]>,
    mac: [u8; BLOCK],
    /// 0: there is none.
    mac_len: usize,
}

struct Layers<'a> {
    outline: &'a mut Outline,
    key: &'a mut dyn FnMut(&Outline) -> Option<AesKey>,
    bytes: &'a mut Vec<u8>,
    /// Start of the next layer.
    at: usize,
    afl: Option<Authentication>,
}

impl Outline {
    /// Returns the meter's address.
    pub fn address(&self) -> SecondaryAddress {
        secondary_address(self.meter)
    }

    /// Returns the address of the radio, which may be another device than the meter.
    pub fn sender_address(&self) -> SecondaryAddress {
        secondary_address(self.sender)
    }

    /// Returns whether nobody can read it without a key.
    pub fn is_encrypted(&self) -> bool {
        self.encryption != Encryption::Plain
    }
}

fn secondary_address(address: LinkAddress) -> SecondaryAddress {
    let [m0, m1, i0, i1, i2, i3, version, medium] = address;
    SecondaryAddress {
        id: u32::from_le_bytes([i0, i1, i2, i3]),
        manufacturer: Manufacturer(u16::from_le_bytes([m0, m1])),
        version,
        medium,
    }
}

impl Layers<'_> {
    fn open(mut self) -> Result<Content, Reason> {
        if !CONTROLS.contains(&self.outline.control) {
            return Err(Reason::Control(self.outline.control));
        }
        let mut ci = self.byte(0)?;
        if (0x8C..=0x8F).contains(&ci) {
            self.extended_link_layer(ci)?;
            ci = self.byte(0)?;
        }
        if ci == 0x90 {
            self.afl = Some(self.authentication_layer()?);
            ci = self.byte(0)?;
        }
        self.transport_layer(ci)
    }

    fn byte(&self, offset: usize) -> Result<u8, Reason> {
        self.bytes.get(self.at + offset).copied().ok_or(Reason::Truncated)
    }

    fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N], Reason> {
        let rest = self.bytes.get(self.at + offset..).ok_or(Reason::Truncated)?;
        rest.first_chunk().copied().ok_or(Reason::Truncated)
    }

    fn extended_link_layer(&mut self, ci: u8) -> Result<(), Reason> {
        let [communication, access] = self.array(1)?;
        self.outline.access = Some(access);
        let has_receiver = matches!(ci, 0x8E | 0x8F);
        let address: LinkAddress = if has_receiver { self.array(3)? } else { self.outline.sender };
        let end = self.at + if has_receiver { 11 } else { 3 };
        if matches!(ci, 0x8C | 0x8E) {
            self.at = end;
            return Ok(());
        }
        self.at = end;
        let session: [u8; 4] = self.array(0)?;
        let number = u32::from_le_bytes(session);
        let start = self.at + session.len();
        match number >> 29 {
            0 => {}
            1 => {
                self.outline.encryption = Encryption::LinkLayer;
                self.outline.counter = Some(number & 0x1FFF_FFFF);
                let key = (self.key)(self.outline).ok_or(Reason::Encrypted)?;
                let mut counter_block = [0; BLOCK];
                counter_block[..8].copy_from_slice(&address);
                // A repeater sets this bit.
                counter_block[8] = communication & !0x10;
                counter_block[9..13].copy_from_slice(&session);
                apply_ctr(&key, &counter_block, self.bytes.get_mut(start..).ok_or(Reason::Truncated)?);
            }
            other => return Err(Reason::LinkEncryption(other as u8)),
        }
        self.at = start;
        let sent = u16::from_le_bytes(self.array(0)?);
        self.at += 2;
        match checksum(&self.bytes[self.at..]) == sent {
            true => Ok(()),
            false if self.outline.encryption == Encryption::LinkLayer => {
                Err(Reason::WrongKey(Evidence::PayloadChecksum))
            }
            false => Err(Reason::PayloadChecksum),
        }
    }

    fn authentication_layer(&mut self) -> Result<Authentication, Reason> {
        let length = usize::from(self.byte(1)?);
        let start = self.at + 2;
        let mut fields = self.bytes.get(start..start + length).ok_or(Reason::Truncated)?;
        let [low, high] = *take(&mut fields)?;
        let control = u16::from_le_bytes([low, high]);
        let has = |bit: u16| control & (1 << bit) != 0;
        if has(14) || control & 0xFF > 1 {
            return Err(Reason::Fragment);
        }
        let mcl = if has(13) { take::<1>(&mut fields)?[0] } else { 0 };
        if has(9) {
            take::<2>(&mut fields)?;
        }
        let counter = if has(11) { Some(*take(&mut fields)?) } else { None };
        let mac_len = if has(10) { mac_len(mcl).ok_or(Reason::Truncated)? } else { 0 };
        let (sent, rest) = fields.split_at_checked(mac_len).ok_or(Reason::Truncated)?;
        fields = rest;
        let mut mac = [0; BLOCK];
        mac[..mac_len].copy_from_slice(sent);
        let length_field = if has(12) { Some(*take(&mut fields)?) } else { None };
        let authentication = Authentication { mcl, counter, length: length_field, mac, mac_len };
        if !fields.is_empty() {
            return Err(Reason::AuthenticationLayer);
        }
        self.at = start + length;
        if self.outline.counter.is_none() {
            self.outline.counter = counter.map(u32::from_le_bytes);
        }
        Ok(authentication)
    }

    fn transport_layer(&mut self, ci: u8) -> Result<Content, Reason> {
        let start = self.at;
        let (content, has_address, has_header) = match ci {
            0x72 => (Content::Full, true, true),
            0x7A => (Content::Full, false, true),
            0x78 => (Content::Full, false, false),
            0x73 => (Content::Compact, true, true),
            0x7B => (Content::Compact, false, true),
            0x79 => (Content::Compact, false, false),
            0xA0..=0xB7 => return Err(Reason::Manufacturer(ci)),
            _ => return Err(Reason::Ci(ci)),
        };
        self.outline.is_compact = content == Content::Compact;
        self.at += 1;
        if has_address {
            let [i0, i1, i2, i3, m0, m1, version, kind]: [u8; HEADER_ADDRESS] = self.array(0)?;
            self.outline.meter = [m0, m1, i0, i1, i2, i3, version, kind];
            self.at += HEADER_ADDRESS;
        }
        let mut mode = 0;
        if has_header {
            let [access, status, low, high] = self.array(0)?;
            (self.outline.access, self.outline.status) = (Some(access), Some(status));
            self.at += 4;
            mode = high & 0x1F;
            self.decrypt(mode, access, usize::from(low >> 4), start)?;
        } else if self.afl.is_some() {
            self.authenticate(start, None)?;
        }
        self.bytes.drain(..self.at);
        let is_encrypted = self.outline.encryption == Encryption::Mode(mode) && mode != 0;
        if is_encrypted && content == Content::Compact {
            self.bytes.drain(..MARK.len());
        }
        let is_empty = self.bytes.iter().all(|byte| *byte == MARK[0]);
        if is_empty { Err(Reason::NoData) } else { Ok(content) }
    }

    /// Decrypts the blocks after the header that ends here, and checks what shows that the key is right.
    fn decrypt(&mut self, mode: u8, access: u8, blocks: usize, start: usize) -> Result<(), Reason> {
        let (iv, kdf) = match mode {
            0 => return self.authenticate(start, None),
            5 => {
                let mut iv = [access; BLOCK];
                iv[..8].copy_from_slice(&self.outline.meter);
                (iv, None)
            }
            7 => {
                let kind = (self.byte(0)? >> 4) & 3;
                self.at += 1;
                ([0; BLOCK], Some(kind))
            }
            mode => {
                self.outline.encryption = Encryption::Mode(mode);
                return Err(Reason::Mode(mode));
            }
        };
        if blocks == 0 && kdf.is_none() {
            return self.authenticate(start, None);
        }
        self.outline.encryption = Encryption::Mode(mode);
        let end = self.at + blocks * BLOCK;
        if end > self.bytes.len() {
            return Err(Reason::Blocks);
        }
        if let Some(kind @ (0 | 2..)) = kdf {
            return Err(Reason::KeyDerivation(kind));
        }
        let key = (self.key)(self.outline).ok_or(Reason::Encrypted)?;
        self.authenticate(start, Some(&key))?;
        if blocks == 0 {
            return Ok(());
        }
        let key = match kdf {
            None => key,
            Some(_) => {
                let counter = self.afl.and_then(|afl| afl.counter).ok_or(Reason::NoCounter)?;
                derived_key(&key, Purpose::Encryption, counter, self.meter_id())
            }
        };
        decrypt_cbc(&key, &iv, &mut self.bytes[self.at..end]);
        match self.bytes[self.at..].starts_with(&MARK) {
            true => Ok(()),
            false => Err(Reason::WrongKey(Evidence::Mark)),
        }
    }

    fn meter_id(&self) -> [u8; 4] {
        let [_, _, i0, i1, i2, i3, ..] = self.outline.meter;
        [i0, i1, i2, i3]
    }

    /// Checks the message authentication code, if there is one and a key: it covers everything from `start`, encrypted.
    fn authenticate(&mut self, start: usize, key: Option<&AesKey>) -> Result<(), Reason> {
        let Some(afl) = self.afl.filter(|afl| afl.mac_len > 0) else { return Ok(()) };
        let Some(key) = key.copied().or_else(|| (self.key)(self.outline)) else { return Ok(()) };
        let counter = afl.counter.ok_or(Reason::NoCounter)?;
        let key = derived_key(&key, Purpose::Mac, counter, self.meter_id());
        let length = afl.length.as_ref().map_or(&[][..], |length| &length[..]);
        let mac = cmac(&key, &[&[afl.mcl], &counter, length, &self.bytes[start..]]);
        match mac[..afl.mac_len] == afl.mac[..afl.mac_len] {
            true => Ok(()),
            false => Err(Reason::WrongKey(Evidence::Mac)),
        }
    }
}

/// Takes the first bytes of `fields`.
fn take<'a, const N: usize>(fields: &mut &'a [u8]) -> Result<&'a [u8; N], Reason> {
    let (taken, rest) = fields.split_first_chunk::<N>().ok_or(Reason::Truncated)?;
    *fields = rest;
    Ok(taken)
}

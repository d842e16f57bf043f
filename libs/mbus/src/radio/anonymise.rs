//! Recordings without the numbers of their meters.

use super::{
    crypto::{AesKey, BLOCK, Purpose, apply_ctr, cmac, decrypt_cbc, derived_key, encrypt_cbc, mac_len},
    decoder::Decoder,
    doubt::Doubt,
    frame::checksum,
    receiver::{Framing, Receiver, Reception, clear, rename, rewrite},
    reject::{Evidence, Reason},
    telegram::{LinkAddress, MARK},
};
use crate::{private_places, records};

/// Bytes of the identification in an address of the link layer.
const ID: std::ops::Range<usize> = 2..6;
/// Bytes of a telegram before its first CI.
const LINK_LAYER: usize = 10;

/// Replacer of the numbers of meters. Each meter gets a number of its own, so that they can still be told apart:
/// `00000001` for the first one.
#[derive(Debug)]
pub struct Anonymiser {
    key: Option<AesKey>,
    public: AesKey,
    /// Identifications as sent.
    ids: Vec<[u8; 4]>,
    places: usize,
    missing_keys: usize,
    wrong_keys: usize,
}

/// Layers of one telegram.
struct Work<'a> {
    anonymiser: &'a mut Anonymiser,
    bytes: &'a mut [u8],
    /// Address of the meter, as it was and as it is now.
    old: LinkAddress,
    new: LinkAddress,
}

impl Anonymiser {
    /// A replacer that decrypts with `key`, and encrypts again with `public`.
    pub fn new(key: Option<AesKey>, public: AesKey) -> Self {
        Self { key, public, ids: Vec::new(), places: 0, missing_keys: 0, wrong_keys: 0 }
    }

    /// Returns the number of places that were overwritten.
    pub fn places(&self) -> usize {
        self.places
    }

    /// Returns the number of telegrams that stay encrypted, as there is no key.
    pub fn missing_keys(&self) -> usize {
        self.missing_keys
    }

    /// Returns the number of telegrams that stay encrypted, as the key is not theirs.
    pub fn wrong_keys(&self) -> usize {
        self.wrong_keys
    }

    /// Replaces the numbers in what a receiver has delivered, and clears what is no whole telegram. Bytes without a
    /// telegram stay as they are.
    pub fn recording(&mut self, receiver: Receiver, bytes: &mut [u8], mut doubt: Doubt) {
        let original = bytes.to_vec();
        let (mut decoder, key) = (Decoder::default(), self.key);
        let mut end = 0;
        let mut gaps = Vec::new();
        Framing::new(receiver).decode(&original, &mut |reception| {
            let Ok(reception) = reception else { return };
            let Reception { offset, len, frame, format, .. } = reception;
            let opened = decoder.open(frame, format, |_| key);
            let is_proven = opened.is_ok_and(|telegram| telegram.outline.is_encrypted());
            if !doubt.accepts(&reception, is_proven) {
                return;
            }
            let start = offset as usize;
            let Some(span) = bytes.get_mut(start..start + len) else { return };
            let mut telegram = frame.to_vec();
            self.telegram(&mut telegram);
            if !rewrite(receiver, span, &format.enframe(frame), &format.enframe(&telegram)) {
                return;
            }
            gaps.push(end..start);
            end = start + len;
        });
        if end == 0 {
            return;
        }
        gaps.push(end..bytes.len());
        for gap in gaps {
            clear(receiver, &mut bytes[gap]);
        }
        if receiver.has_lines() {
            let ids = self.ids.clone();
            for (old, new) in ids.into_iter().zip(1..) {
                self.places += rename(bytes, u32::from_le_bytes(old), u32::from_le_bytes(pseudonym(new)));
            }
        }
    }

    /// Replaces the numbers in a telegram without checksums. What cannot be read is overwritten, if no key would help.
    fn telegram(&mut self, bytes: &mut [u8]) {
        let Some(sender) = bytes.get(2..LINK_LAYER).and_then(|address| address.first_chunk::<8>()).copied()
        else {
            return;
        };
        let new = self.replaced(sender);
        bytes[2..LINK_LAYER].copy_from_slice(&new);
        let result = Work { anonymiser: self, bytes, old: sender, new }.link_layer();
        match result {
            Ok(()) => {}
            Err(Reason::Encrypted) => self.missing_keys += 1,
            Err(Reason::WrongKey(_)) => self.wrong_keys += 1,
            Err(_) => bytes[LINK_LAYER + 1..].fill(0),
        }
    }

    /// Returns an address with another identification.
    fn replaced(&mut self, mut address: LinkAddress) -> LinkAddress {
        let id = id(address);
        let known = self.ids.iter().position(|known| *known == id).unwrap_or_else(|| {
            self.ids.push(id);
            self.ids.len() - 1
        });
        address[ID].copy_from_slice(&pseudonym(known as u32 + 1));
        self.places += 1;
        address
    }
}

/// Returns the identification of the nth meter, as sent.
fn pseudonym(number: u32) -> [u8; 4] {
    let digits = (0..8).map(|digit| (number / 10u32.pow(digit) % 10) << (4 * digit));
    digits.sum::<u32>().to_le_bytes()
}

impl Work<'_> {
    fn byte(&self, at: usize) -> Result<u8, Reason> {
        self.bytes.get(at).copied().ok_or(Reason::Truncated)
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Reason> {
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Reason::Truncated)
    }

    fn link_layer(&mut self) -> Result<(), Reason> {
        let at = LINK_LAYER;
        let ci = self.byte(at)?;
        if !(0x8C..=0x8F).contains(&ci) {
            return self.authentication_layer(at);
        }
        let (mut before, mut after, mut end) = (self.old, self.new, at + 3);
        if matches!(ci, 0x8E | 0x8F) {
            before = self.array(end)?;
            after = self.anonymiser.replaced(before);
            self.bytes[end..end + 8].copy_from_slice(&after);
            end += 8;
        }
        if matches!(ci, 0x8C | 0x8E) {
            return self.authentication_layer(end);
        }
        let session: [u8; 4] = self.array(end)?;
        let text = end + 4;
        let is_encrypted = match u32::from_le_bytes(session) >> 29 {
            0 => false,
            1 => true,
            other => return Err(Reason::LinkEncryption(other as u8)),
        };
        let communication = self.byte(at + 1)? & !0x10;
        let counter_block = |address: LinkAddress| {
            let mut block = [0; BLOCK];
            block[..8].copy_from_slice(&address);
            block[8] = communication;
            block[9..13].copy_from_slice(&session);
            block
        };
        if is_encrypted {
            let key = self.anonymiser.key.ok_or(Reason::Encrypted)?;
            apply_ctr(&key, &counter_block(before), self.bytes.get_mut(text..).ok_or(Reason::Truncated)?);
        }
        let sent = u16::from_le_bytes(self.array(text)?);
        match checksum(&self.bytes[text + 2..]) == sent {
            true => {}
            false if is_encrypted => return Err(Reason::WrongKey(Evidence::PayloadChecksum)),
            false => return Err(Reason::PayloadChecksum),
        }
        self.authentication_layer(text + 2)?;
        let sum = checksum(&self.bytes[text + 2..]).to_le_bytes();
        self.bytes[text..text + 2].copy_from_slice(&sum);
        if is_encrypted {
            apply_ctr(&self.anonymiser.public, &counter_block(after), &mut self.bytes[text..]);
        }
        Ok(())
    }

    /// Goes on after the authentication layer, if there is one, and renews its code.
    fn authentication_layer(&mut self, at: usize) -> Result<(), Reason> {
        if self.byte(at)? != 0x90 {
            return self.transport_layer(at, None);
        }
        let length = usize::from(self.byte(at + 1)?);
        let control = u16::from_le_bytes(self.array(at + 2)?);
        let has = |bit: u16| control & (1 << bit) != 0;
        if has(14) || control & 0xFF > 1 {
            return Err(Reason::Fragment);
        }
        let mut field = at + 4;
        let mut mcl = 0;
        if has(13) {
            mcl = self.byte(field)?;
            field += 1;
        }
        if has(9) {
            field += 2;
        }
        let mut counter = None;
        if has(11) {
            counter = Some(self.array(field)?);
            field += 4;
        }
        let mac_len = if has(10) { mac_len(mcl).ok_or(Reason::Truncated)? } else { 0 };
        let mac = field..field + mac_len;
        let length_field = if has(12) { self.array::<2>(mac.end)?.to_vec() } else { Vec::new() };
        let start = at + 2 + length;
        if mac.end + length_field.len() != start {
            return Err(Reason::AuthenticationLayer);
        }
        self.transport_layer(start, counter)?;
        if mac_len > 0 {
            let counter = counter.ok_or(Reason::NoCounter)?;
            let key = derived_key(&self.anonymiser.public, Purpose::Mac, counter, id(self.new));
            let code = cmac(&key, &[&[mcl], &counter, &length_field, &self.bytes[start..]]);
            self.bytes[mac].copy_from_slice(&code[..mac_len]);
        }
        Ok(())
    }

    fn transport_layer(&mut self, at: usize, counter: Option<[u8; 4]>) -> Result<(), Reason> {
        let ci = self.byte(at)?;
        let mut header = at + 1;
        match ci {
            0x72 | 0x73 => {
                let [i0, i1, i2, i3, m0, m1, version, kind] = self.array(header)?;
                self.old = [m0, m1, i0, i1, i2, i3, version, kind];
                self.new = self.anonymiser.replaced(self.old);
                self.bytes[header..header + 4].copy_from_slice(&self.new[ID]);
                header += 8;
            }
            0x7A | 0x7B => {}
            0x78 | 0x79 => return self.records(ci, header),
            ci => return Err(Reason::Ci(ci)),
        }
        let [access, _, low, high] = self.array(header)?;
        let (mode, len) = (high & 0x1F, usize::from(low >> 4) * BLOCK);
        let start = header + 4;
        let public = self.anonymiser.public;
        let (start, end, [before, after]) = match mode {
            0 => return self.records(ci, start),
            5 | 7 if len == 0 => return self.records(ci, start + usize::from(mode == 7)),
            5 => {
                let iv = |address: LinkAddress| {
                    let mut iv = [access; BLOCK];
                    iv[..8].copy_from_slice(&address);
                    iv
                };
                let key = self.anonymiser.key.ok_or(Reason::Encrypted)?;
                (start, start + len, [(key, iv(self.old)), (public, iv(self.new))])
            }
            7 => {
                let key = self.anonymiser.key.ok_or(Reason::Encrypted)?;
                let counter = counter.ok_or(Reason::NoCounter)?;
                let derived = |key: &AesKey, address: LinkAddress| {
                    (derived_key(key, Purpose::Encryption, counter, id(address)), [0; BLOCK])
                };
                let keys = [derived(&key, self.old), derived(&public, self.new)];
                (start + 1, start + 1 + len, keys)
            }
            mode => return Err(Reason::Mode(mode)),
        };
        let text = self.bytes.get_mut(start..end).ok_or(Reason::Blocks)?;
        decrypt_cbc(&before.0, &before.1, text);
        if !text.starts_with(&MARK) {
            return Err(Reason::WrongKey(Evidence::Mark));
        }
        self.records(ci, start + MARK.len())?;
        encrypt_cbc(&after.0, &after.1, &mut self.bytes[start..end]);
        Ok(())
    }

    /// Overwrites what tells whose meter it is, up to the end.
    fn records(&mut self, ci: u8, start: usize) -> Result<(), Reason> {
        let data = self.bytes.get_mut(start..).ok_or(Reason::Truncated)?;
        // The heads of a compact telegram are in another one: only known numbers are found.
        if matches!(ci, 0x73 | 0x79 | 0x7B) {
            let has_number = |id: &[u8; 4]| data.windows(4).any(|window| window == id);
            if self.anonymiser.ids.iter().any(has_number) {
                data.fill(0);
            }
            return Ok(());
        }
        for (range, fill) in private_places(records(data)) {
            data[range].fill(fill);
            self.anonymiser.places += 1;
        }
        Ok(())
    }
}

fn id(address: LinkAddress) -> [u8; 4] {
    let [_, _, i0, i1, i2, i3, ..] = address;
    [i0, i1, i2, i3]
}

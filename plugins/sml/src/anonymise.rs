//! Anonymisation of a recording: overwrites everything that identifies the meter.
//!
//! Meter numbers keep their maker, their length and their millions, by which the [quirks](crate::quirks) recognize a
//! meter: `1XYZ0012345678` becomes `1XYZ0012000000`. Public keys become zeros.

use std::{collections::BTreeSet, ops::Range};

use memchr::memmem;

use crate::{
    checksum::Checksum,
    file::{self, Part},
    server_id::Number,
    tlv::{Element, Reader},
    wire::{ESCAPE, MAX_TELEGRAM, START},
};

/// Least length of bytes that are looked for everywhere: shorter ones may be the same by accident.
const LEAST: usize = 5;

/// Complete SML file in the recording, with the kind of its right checksums.
struct File {
    start: usize,
    whole: Option<Checksum>,
    messages: Vec<Option<Checksum>>,
}

/// Places in the recording of each byte of a file's messages, and of its end sequence.
struct Layout {
    places: Vec<usize>,
    end: Option<usize>,
}

/// Message and its checksum, by places among the messages of its file.
struct Message {
    covered: Range<usize>,
    /// Transaction id: nothing but a number of the message.
    id: Range<usize>,
    crc: Range<usize>,
}

/// Overwrites meter numbers and public keys everywhere in `recording`, and repairs the checksums that were right.
/// Returns the number of places that were overwritten.
///
/// A number that only a damaged telegram has, and only a part of it, stays.
pub(crate) fn anonymise(recording: &mut [u8]) -> usize {
    let mut secrets = BTreeSet::new();
    let mut files = Vec::new();
    let mut at = 0;
    while let Some(place) = memmem::find(&recording[at..], &START) {
        at += place;
        files.extend(File::read(recording, at, &mut secrets));
        at += START.len();
    }
    let mut overwritten = 0;
    for (_, old) in secrets.iter().rev() {
        overwritten += overwrite(recording, old);
    }
    for file in &files {
        file.repair(recording);
    }
    overwritten
}

/// Overwrites everything like `old`.
fn overwrite(recording: &mut [u8], old: &[u8]) -> usize {
    let new = harmless(old);
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    // A damaged telegram may have lost its beginning.
    let mut from = same.min(old.len().saturating_sub(LEAST));
    // Zeros are everywhere: they tell nothing from a value.
    while from > 0 && old[from..].iter().filter(|byte| **byte != 0).count() < LEAST {
        from -= 1;
    }
    let (old, new) = (doubled(&old[from..]), doubled(&new[from..]));
    if old == new || old.len() != new.len() {
        return 0;
    }
    let places: Vec<_> = memmem::find_iter(recording, &old).collect();
    for place in &places {
        recording[*place..place + new.len()].copy_from_slice(&new);
    }
    places.len()
}

/// Returns the same without the part that tells one meter from another.
fn harmless(old: &[u8]) -> Vec<u8> {
    let mut new = old.to_vec();
    if let Some(Number { number, .. }) = Number::of(old) {
        let millions = number - number % 1_000_000;
        new[6..].copy_from_slice(&millions.to_be_bytes());
        return new;
    }
    if old.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        let digits = new.iter_mut().rev().filter(|byte| byte.is_ascii_alphanumeric());
        digits.take(6).for_each(|digit| *digit = b'0');
        return new;
    }
    // Kind of id, and maker; none of a key.
    let maker =
        old.len() <= 16 && old.get(1..4).is_some_and(|maker| maker.iter().all(u8::is_ascii_uppercase));
    new[if maker { 4 } else { 0 }..].fill(0);
    // Doubled sequences keep their place, or the telegram would become shorter.
    for place in memmem::find_iter(old, &ESCAPE) {
        new[place..place + ESCAPE.len()].fill(ESCAPE[0]);
    }
    new
}

/// Returns the bytes as they are sent.
fn doubled(bytes: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for place in memmem::find_iter(bytes, &ESCAPE) {
        sent.extend_from_slice(&bytes[from..place]);
        sent.extend([ESCAPE, ESCAPE].as_flattened());
        from = place + ESCAPE.len();
    }
    sent.extend_from_slice(&bytes[from..]);
    sent
}

impl Layout {
    fn of(recording: &[u8], start: usize) -> Self {
        let most = recording.len().min(start + MAX_TELEGRAM);
        let mut places = Vec::new();
        let mut at = start + START.len();
        while let Some(found) = memmem::find(&recording[at..most], &ESCAPE).map(|place| at + place) {
            places.extend(at..found);
            match recording.get(found + 4..found + 8) {
                Some(again) if again == ESCAPE => places.extend(found..found + 4),
                Some([0x1a, ..]) => return Self { places, end: Some(found) },
                _ => return Self { places, end: None },
            }
            at = found + 8;
        }
        places.extend(at.min(most)..most);
        Self { places, end: None }
    }

    fn payload(&self, recording: &[u8]) -> Vec<u8> {
        self.places.iter().map(|&place| recording[place]).collect()
    }
}

impl File {
    /// Reads the file that begins at `start`, and collects the secrets in it, also where it is cut off.
    fn read(recording: &[u8], start: usize, secrets: &mut BTreeSet<(usize, Vec<u8>)>) -> Option<Self> {
        let layout = Layout::of(recording, start);
        let payload = layout.payload(recording);
        let messages = messages(&payload, secrets).into_iter();
        let messages =
            messages.map(|message| right(&payload[message.covered], &payload[message.crc])).collect();
        let end = layout.end?;
        let whole = right(&recording[start..end + 6], &recording[end + 6..end + 8]);
        Some(Self { start, whole, messages })
    }

    fn repair(&self, recording: &mut [u8]) {
        let layout = Layout::of(recording, self.start);
        let mut payload = layout.payload(recording);
        for (message, checksum) in messages(&payload, &mut BTreeSet::new()).into_iter().zip(&self.messages) {
            let Some(checksum) = checksum else { continue };
            message.repair(&mut payload, *checksum);
        }
        for (&place, &byte) in layout.places.iter().zip(&payload) {
            recording[place] = byte;
        }
        if let (Some(checksum), Some(end)) = (self.whole, layout.end) {
            let crc = checksum.of(&recording[self.start..end + 6]);
            recording[end + 6..end + 8].copy_from_slice(&crc.to_be_bytes());
        }
    }
}

impl Message {
    fn repair(&self, payload: &mut [u8], checksum: Checksum) {
        let crc = |payload: &[u8]| checksum.of(&payload[self.covered.clone()]);
        // Some meters leave out a first byte that is 0. Where it is not 0 any more, there is no room for it, so another
        // transaction id makes it 0 again.
        if self.crc.len() == 1 && crc(payload) > 0xff && self.id.len() >= 2 {
            for id in (0..=u16::MAX).map(u16::to_be_bytes).filter(|id| !id.contains(&ESCAPE[0])) {
                payload[self.id.end - 2..self.id.end].copy_from_slice(&id);
                if crc(payload) <= 0xff {
                    break;
                }
            }
        }
        let bytes = crc(payload).to_be_bytes();
        payload[self.crc.clone()].copy_from_slice(&bytes[2 - self.crc.len()..]);
    }
}

/// Returns the kind of a right checksum.
fn right(covered: &[u8], sent: &[u8]) -> Option<Checksum> {
    let sent = sent.iter().fold(0, |crc, &byte| crc << 8 | u16::from(byte));
    [Checksum::X25, Checksum::Kermit].into_iter().find(|checksum| checksum.of(covered) == sent)
}

/// Returns the messages of a file, up to the first damaged one.
fn messages(payload: &[u8], secrets: &mut BTreeSet<(usize, Vec<u8>)>) -> Vec<Message> {
    let mut reader = Reader::new(payload);
    let mut messages = Vec::new();
    while reader.skip_fill() {
        let start = reader.at();
        let id = file::message(&mut reader, |part| match part {
            Part::Opened(Element::Octets(octets)) | Part::Listed(Element::Octets(octets)) => {
                secrets.insert((octets.len(), octets.to_vec()));
            }
            Part::Entry([name, .., Element::Octets(octets), _]) if is_secret(name) => {
                secrets.insert((octets.len(), octets.to_vec()));
            }
            _ => {}
        });
        let Ok(id) = id else { break };
        let covered = start..reader.at();
        let Ok(Element::Unsigned(crc @ ([_] | [_, _]))) = reader.element() else { break };
        messages.push(Message { covered, id, crc: reader.at() - crc.len()..reader.at() });
        if reader.byte() != Ok(0) {
            break;
        }
    }
    messages
}

/// Returns whether the register with this name identifies the meter.
fn is_secret(name: Element<'_>) -> bool {
    let Element::Octets(&[a, _, c, d, e, _]) = name else { return false };
    // Numbers of the meter and of its owner, and the public key.
    matches!((a, c, d, e), (0 | 1, 0, 0, _) | (0 | 1, 96, 1, _) | (129, 199, 130, 5))
}

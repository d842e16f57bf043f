//! Anonymisation of a recording: messages are decrypted, meter numbers overwritten, and encrypted again with public keys.
//!
//! Everything keeps its length. Digits of numbers and the device's part of system titles become zeros; the names of lists
//! and types of meters, by which scales are known, stay.

use std::{collections::BTreeSet, ops::Range};

use telegram::{Anonymised, Keys, Scanner};

use crate::{
    axdr::{self, Dialect, Items},
    cipher::{CIPHERED, Cipher, Ciphered},
    frame::{Part, X25},
    message::{Joined, Message},
    notification::{self, NOTIFICATION},
    reject::Reason,
    scales,
    search::{Found, Search},
    wire::{self, LLC},
};

/// Least digits in a row that are a number of a meter; fewer are part of a type.
const LEAST_DIGITS: usize = 5;
/// Least length of a number that is looked for everywhere.
const LEAST: usize = 6;

/// Frame of a message, by its places in the recording.
struct Framed {
    whole: Range<usize>,
    part: Part,
}

/// Work on one recording.
struct Work {
    bytes: Vec<u8>,
    cipher: Cipher,
    public: Cipher,
    /// Numbers and titles that were overwritten.
    secrets: BTreeSet<Vec<u8>>,
    places: usize,
    /// Messages that could not be decrypted.
    locked: usize,
}

/// Overwrites meter numbers in `recording`.
///
/// # Errors
/// Fails where a message cannot be decrypted.
pub(crate) fn anonymise(recording: &[u8], keys: &Keys) -> Result<Anonymised, String> {
    let mut input = Scanner::new(recording.len());
    let mut rest = recording;
    while !rest.is_empty() {
        rest = &rest[input.take(rest)..];
    }
    input.finish();
    let mut work = Work {
        bytes: recording.to_vec(),
        cipher: Cipher::new(*keys),
        public: Cipher::new(Keys::PUBLIC),
        secrets: BTreeSet::new(),
        places: 0,
        locked: 0,
    };
    work.all(&mut input);
    match work.locked {
        0 => {}
        1 => return Err("a telegram is encrypted: give its keys with `--key` and `--auth-key`".to_owned()),
        count => {
            return Err(format!(
                "{count} telegrams are encrypted: give their keys with `--key` and `--auth-key`"
            ));
        }
    }
    let Work { mut bytes, secrets, mut places, .. } = work;
    // The same numbers in what is damaged.
    for secret in secrets.iter().rev() {
        let found: Vec<_> = memchr::memmem::find_iter(&bytes, secret).collect();
        for at in found {
            overwrite(&mut bytes[at..at + secret.len()]);
            places += 1;
        }
    }
    Ok(Anonymised { bytes, places })
}

impl Work {
    fn all(&mut self, input: &mut Scanner) {
        let mut search = Search::default();
        let mut message = Message::default();
        let (mut frames, mut places, mut segments) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            let forget = |frames: &mut Vec<Framed>, places: &mut Vec<usize>, segments: &mut Vec<usize>| {
                frames.clear();
                places.clear();
                segments.clear();
            };
            match search.next(input) {
                Found::More | Found::End => return,
                Found::Rejected { next, .. } => {
                    input.at = next;
                    message.clear();
                    forget(&mut frames, &mut places, &mut segments);
                }
                Found::Bare { at, len, data, .. } => {
                    let whole = self.message(&input[data.clone()], &data.collect::<Vec<_>>());
                    input.at = at + if whole { len } else { 1 };
                    search.set_boundary(input.offset(at + len));
                }
                Found::Frame { at, part, len, data } => {
                    let joined = message.join(part, &input[data.clone()]);
                    if joined == Joined::Another {
                        message.clear();
                        forget(&mut frames, &mut places, &mut segments);
                        continue;
                    }
                    input.at = at + len;
                    frames.push(Framed { whole: at..at + len, part });
                    let link = if input[data.clone()].starts_with(&LLC) { LLC.len() } else { 0 };
                    segments.extend(data.skip(link));
                    if !matches!(part, Part::Hdlc { more: true }) {
                        let head =
                            block_head(&segments.iter().map(|place| input[*place]).collect::<Vec<_>>(), part);
                        places.extend(segments.drain(..).skip(head));
                    }
                    if matches!(joined, Joined::Whole(_)) && self.message(message.bytes(), &places) {
                        frames.iter().for_each(|frame| repair(&mut self.bytes, frame));
                    }
                    if joined != Joined::More {
                        message.clear();
                        forget(&mut frames, &mut places, &mut segments);
                    }
                }
            }
        }
    }

    /// Anonymises a message whose bytes stand at these places; returns whether it is whole.
    fn message(&mut self, message: &[u8], places: &[usize]) -> bool {
        let mut plain = Vec::new();
        let mut changed = message.to_vec();
        let header = if message.first() == Some(&CIPHERED) {
            let Ok(ciphered) = Ciphered::read(message) else { return false };
            match self.cipher.open(ciphered, &mut plain) {
                Ok(_) if matches!(plain.first(), Some(&(b'/' | NOTIFICATION))) => {}
                Ok(_) | Err(Reason::NoKey(_) | Reason::Tag(_)) => {
                    self.locked += 1;
                    return false;
                }
                Err(_) => return false,
            }
            Some(ciphered.header)
        } else {
            plain.extend_from_slice(message);
            None
        };
        if !self.plain(&mut plain) {
            return false;
        }
        if let Some(mut header) = header {
            self.secrets.insert(header.title.to_vec());
            header.title[3..].fill(0);
            self.places += 1;
            let body = self.public.seal(header, &plain);
            changed[2..10].copy_from_slice(&header.title);
            let start = changed.len().saturating_sub(body.len());
            changed[start..].copy_from_slice(&body);
        } else {
            changed = plain;
        }
        for (place, byte) in places.iter().zip(changed) {
            self.bytes[*place] = byte;
        }
        true
    }

    /// Overwrites the numbers in a message that is not encrypted; returns whether it could be read.
    fn plain(&mut self, plain: &mut [u8]) -> bool {
        if plain.first() == Some(&b'/') {
            self.places += iec62056::anonymise(plain);
            return true;
        }
        let mut items = Items::default();
        let swapped_tags = scales::may_have_swapped_tags(plain);
        let read = [false, swapped_tags]
            .map(|swapped_tags| notification::read(plain, Dialect { swapped_tags }, &mut items).is_ok());
        if read == [false; 2] {
            return false;
        }
        let before = plain.to_vec();
        let mut code: Option<[u8; 6]> = None;
        for index in 0.. {
            let Some(item) = items.get(index) else { break };
            let content = item.content(&before);
            let range = item.range();
            let is_number =
                matches!(code, Some([_, _, 96, 1, 0..=9, _] | [_, _, 0, 0, _, _] | [_, _, 42, 0, 0, _]));
            code = None;
            match item.tag {
                axdr::OCTETS if content.len() == 6 && content[0] <= 9 => code = content.try_into().ok(),
                axdr::OCTETS | axdr::VISIBLE | axdr::UTF8 if has_number(content) && !is_type(content) => {
                    self.secrets.extend(Some(content.to_vec()).filter(|secret| secret.len() >= LEAST));
                    overwrite(&mut plain[range]);
                    self.places += 1;
                }
                axdr::UINT32 | axdr::UINT64 if is_number => {
                    plain[range].fill(0);
                    self.places += 1;
                }
                _ => {}
            }
        }
        true
    }
}

/// Returns the length of what goes before the data of a block.
fn block_head(bytes: &[u8], part: Part) -> usize {
    match (part, bytes) {
        (Part::Hdlc { .. }, [0xe0, _, _, _, _, _, rest @ ..]) => {
            wire::length(rest).map_or(0, |(_, data)| bytes.len() - data.len())
        }
        _ => 0,
    }
}

/// Returns whether a text has a number of a meter in it.
fn has_number(text: &[u8]) -> bool {
    let is_text = text.iter().all(|byte| matches!(byte, 0 | b' '..=b'~'));
    is_text
        && text.chunk_by(|a, b| a.is_ascii_digit() && b.is_ascii_digit()).any(|run| run.len() >= LEAST_DIGITS)
}

/// Recognizes a type of Kamstrup: `6861111BN242101040`.
fn is_type(text: &[u8]) -> bool {
    text.len() == 18
        && text.iter().enumerate().all(|(at, byte)| match at {
            7 | 8 => byte.is_ascii_uppercase(),
            _ => byte.is_ascii_digit(),
        })
}

/// Makes digits zeros, and what is not text too, but for a maker's letters at the beginning.
fn overwrite(number: &mut [u8]) {
    let is_text = number.iter().all(|byte| matches!(byte, 0 | b' '..=b'~'));
    for (at, byte) in number.iter_mut().enumerate() {
        match *byte {
            b'0'..=b'9' if is_text => *byte = b'0',
            _ if !is_text && at >= 3 => *byte = 0,
            _ => {}
        }
    }
}

/// Computes the checksum of a frame anew.
fn repair(bytes: &mut [u8], frame: &Framed) {
    let Range { start, end } = frame.whole;
    if let Part::Mbus { .. } = frame.part {
        let sum = bytes[start + 4..end - 2].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[end - 2] = sum;
        return;
    }
    // A flag that two frames share belongs to the first one.
    let start = start + usize::from(bytes[start] == crate::frame::FLAG);
    let sum = X25.checksum(&bytes[start..end - 3]);
    bytes[end - 3..end - 1].copy_from_slice(&sum.to_le_bytes());
}

//! A-XDR data: types, lengths and values (IEC 61334-6; IEC 62056-6-2, clause 4.1.5).

use std::ops::Range;

use crate::wire;

/// Deepest nesting of lists; meters need four.
const MAX_DEPTH: usize = 16;
/// Most items of a message.
const MAX_ITEMS: usize = 4096;

/// Type tags.
pub(crate) const NULL: u8 = 0x00;
pub(crate) const ARRAY: u8 = 0x01;
pub(crate) const STRUCTURE: u8 = 0x02;
pub(crate) const BOOLEAN: u8 = 0x03;
const BIT_STRING: u8 = 0x04;
pub(crate) const INT32: u8 = 0x05;
pub(crate) const UINT32: u8 = 0x06;
pub(crate) const OCTETS: u8 = 0x09;
pub(crate) const VISIBLE: u8 = 0x0a;
pub(crate) const UTF8: u8 = 0x0c;
pub(crate) const BCD: u8 = 0x0d;
pub(crate) const INT8: u8 = 0x0f;
pub(crate) const INT16: u8 = 0x10;
pub(crate) const UINT8: u8 = 0x11;
pub(crate) const UINT16: u8 = 0x12;
pub(crate) const INT64: u8 = 0x14;
pub(crate) const UINT64: u8 = 0x15;
pub(crate) const ENUM: u8 = 0x16;
pub(crate) const FLOAT32: u8 = 0x17;
pub(crate) const FLOAT64: u8 = 0x18;
pub(crate) const DATE_TIME: u8 = 0x19;
const DATE: u8 = 0x1a;
const TIME: u8 = 0x1b;

/// One value of a message, or a list of values that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Type.
    pub(crate) tag: u8,
    /// Place of the content.
    at: u32,
    /// Number of its bytes.
    len: u32,
    /// Index of the item after it and all that it contains.
    next: u32,
}

/// Reason why data cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It goes on after the end of the bytes.
    Cut,
    /// It is not valid at this place.
    At(usize),
}

/// Ways in which meters write a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Some codes are written `06 09` in place of `09 06`.
    pub(crate) swapped_tags: bool,
}

/// Values of one message, each list before what it contains.
#[derive(Debug, Default)]
pub(crate) struct Items(Vec<Item>);

impl Item {
    /// Returns the place of its content.
    pub(crate) fn range(self) -> Range<usize> {
        self.at as usize..(self.at + self.len) as usize
    }

    /// Returns its content.
    pub(crate) fn content(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or_default()
    }

    /// Returns whether it is an array or a structure.
    pub(crate) fn is_list(self) -> bool {
        matches!(self.tag, ARRAY | STRUCTURE)
    }
}

impl Items {
    pub(crate) fn get(&self, index: usize) -> Option<Item> {
        self.0.get(index).copied()
    }

    /// Returns the indices of the values in the list at `index`.
    pub(crate) fn children(&self, index: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        let end = self.get(index).filter(|item| item.is_list()).map_or(0, |item| item.next as usize);
        let first = Some(index + 1).filter(|first| *first < end);
        std::iter::successors(first, move |child| {
            self.get(*child).map(|item| item.next as usize).filter(|next| *next < end)
        })
    }

    /// Reads one value from `bytes` at `from`, and returns its end.
    pub(crate) fn read(&mut self, bytes: &[u8], from: usize, dialect: Dialect) -> Result<usize, Fault> {
        self.0.clear();
        if bytes.get(from..).is_some_and(has_untagged_descriptors) {
            return self.untagged(bytes, from, dialect);
        }
        self.value(bytes, from, dialect)
    }

    /// Reads a list whose entries begin with class, code and attribute without their types, as meters in Czechia send:
    /// `02 02 (16 enum) (01 n)`, and n times `02 02 class code attribute value`. They become codes and values in turn.
    fn untagged(&mut self, bytes: &[u8], from: usize, dialect: Dialect) -> Result<usize, Fault> {
        let Some((count, rest)) = wire::length(&bytes[from + 5..]) else { return Err(Fault::Cut) };
        let mut at = bytes.len() - rest.len();
        let Some(count) = count.filter(|count| *count <= MAX_ITEMS) else { return Err(Fault::At(at)) };
        self.push(STRUCTURE, from, 0, from)?;
        for _ in 0..count {
            let Some(head) = bytes.get(at..at + 11) else { return Err(Fault::Cut) };
            if head[..2] != [STRUCTURE, 2] {
                return Err(Fault::At(at));
            }
            self.push(OCTETS, at + 4, 6, at)?;
            at = self.value(bytes, at + 11, dialect)?;
        }
        self.0[0].next = self.0.len() as u32;
        Ok(at)
    }

    fn push(&mut self, tag: u8, at: usize, len: usize, from: usize) -> Result<(), Fault> {
        if self.0.len() == MAX_ITEMS {
            return Err(Fault::At(from));
        }
        let next = self.0.len() as u32 + 1;
        self.0.push(Item { tag, at: at as u32, len: len as u32, next });
        Ok(())
    }

    /// Reads one value and all that it contains, and returns its end.
    fn value(&mut self, bytes: &[u8], from: usize, dialect: Dialect) -> Result<usize, Fault> {
        // The lists that have begun: their indices, and the number of values that are missing.
        let mut open = [(0, 0); MAX_DEPTH];
        let mut depth = 0;
        let mut at = from;
        loop {
            let Some(&tag) = bytes.get(at) else { return Err(Fault::Cut) };
            let start = at;
            at += 1;
            if matches!(tag, ARRAY | STRUCTURE) {
                let (count, after) = count(bytes, at)?;
                // Each value has a byte at least.
                if count > MAX_ITEMS {
                    return Err(Fault::At(start));
                }
                self.push(tag, after, 0, start)?;
                at = after;
                if count > 0 {
                    let Some(place) = open.get_mut(depth) else { return Err(Fault::At(start)) };
                    *place = (self.0.len() - 1, count);
                    depth += 1;
                    continue;
                }
            } else {
                let (content, len) = match fixed(tag) {
                    Some(4) if dialect.swapped_tags && is_swapped_code(&bytes[start..]) => (at + 1, 6),
                    Some(len) => (at, len),
                    None => variable(tag, bytes, at)?,
                };
                if bytes.len() - content.min(bytes.len()) < len {
                    return Err(Fault::Cut);
                }
                self.push(tag, content, len, start)?;
                if let Some(item) = self.0.last_mut().filter(|item| item.tag == UINT32 && item.len == 6) {
                    item.tag = OCTETS;
                }
                at = content + len;
            }
            loop {
                if depth == 0 {
                    return Ok(at);
                }
                let (index, missing) = &mut open[depth - 1];
                *missing -= 1;
                if *missing > 0 {
                    break;
                }
                self.0[*index].next = self.0.len() as u32;
                depth -= 1;
            }
        }
    }
}

/// Recognizes a list of descriptors without types.
fn has_untagged_descriptors(bytes: &[u8]) -> bool {
    matches!(bytes, [STRUCTURE, 2, ENUM, _, ARRAY, ..])
}

/// Recognizes a code whose type and length are swapped.
fn is_swapped_code(bytes: &[u8]) -> bool {
    matches!(bytes, [6, 9, 0..=9, _, _, _, _, 0xff, ..])
}

/// Reads a count or length at `at`, and returns where it ends.
fn count(bytes: &[u8], at: usize) -> Result<(usize, usize), Fault> {
    let Some((length, rest)) = bytes.get(at..).and_then(wire::length) else { return Err(Fault::Cut) };
    let length = length.filter(|length| *length <= crate::MAX_TELEGRAM).ok_or(Fault::At(at))?;
    Ok((length, bytes.len() - rest.len()))
}

/// Returns the number of bytes of a type that always has the same.
fn fixed(tag: u8) -> Option<usize> {
    Some(match tag {
        NULL => 0,
        BOOLEAN | BCD | INT8 | UINT8 | ENUM => 1,
        INT16 | UINT16 => 2,
        INT32 | UINT32 | FLOAT32 | TIME => 4,
        DATE => 5,
        INT64 | UINT64 | FLOAT64 => 8,
        DATE_TIME => 12,
        _ => return None,
    })
}

/// Returns the place and length of the content of a type that has a length.
fn variable(tag: u8, bytes: &[u8], at: usize) -> Result<(usize, usize), Fault> {
    match tag {
        OCTETS | VISIBLE | UTF8 => count(bytes, at).map(|(len, at)| (at, len)),
        BIT_STRING => count(bytes, at).map(|(bits, at)| (at, bits.div_ceil(8))),
        _ => Err(Fault::At(at - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(usize, Items), Fault> {
        let mut items = Items::default();
        let end = items.read(bytes, 0, Dialect::default())?;
        Ok((end, items))
    }

    #[test]
    fn lists_and_their_values_are_found() {
        let bytes = [2, 3, 1, 2, 0x11, 7, 0, 9, 2, b'a', b'b', 2, 0, 0xaa];
        let (end, items) = read(&bytes).unwrap();
        assert_eq!(end, bytes.len() - 1);
        let children: Vec<_> = items.children(0).collect();
        assert_eq!(children, [1, 4, 5]);
        assert_eq!(items.children(1).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(items.get(4).unwrap().content(&bytes), b"ab");
        assert_eq!(items.children(5).count(), 0);
    }

    #[test]
    fn lengths_that_lie_and_bombs_are_refused() {
        for (bytes, fault) in [
            (&[][..], Fault::Cut),
            (&[2, 2, 0], Fault::Cut),
            (&[1, 0x84, 0xff, 0xff, 0xff, 0xff, 0], Fault::At(1)),
            (&[2, 0x80, 0], Fault::At(1)),
            (&[2, 0xff, 0], Fault::At(1)),
            (&[9, 0x84, 0xff, 0xff, 0xff, 0xff, 0], Fault::At(1)),
            (&[9, 0x7f, 0], Fault::Cut),
            (&[0x13, 0], Fault::At(0)),
            (&[0x7e], Fault::At(0)),
        ] {
            assert_eq!(read(bytes).err(), Some(fault), "{bytes:02x?}");
        }
        assert_eq!(read(&[2, 1].repeat(MAX_DEPTH + 1)).err(), Some(Fault::At(2 * MAX_DEPTH)));
        let nulls = [&[1, 0x82, 0x20, 0][..], &[0; 0x2000]].concat();
        assert_eq!(read(&nulls).err(), Some(Fault::At(0)), "more values than any meter has");
    }
}

//! Layout of records: the heads of a full telegram, which a compact one leaves out.

use super::{
    formats::known_heads,
    frame::{checksum, checksum_of_parts},
    reject::Reason,
    telegram::LinkAddress,
};
use crate::records;

const FILLER: u8 = 0x2F;
/// Layouts that are kept: a receiver hears a few meters that send compact telegrams, each with one layout or two.
const MAX_LAYOUTS: usize = 64;

/// What one walk over the records of a telegram shows.
pub(super) struct Survey {
    /// Whether they are whole up to the last byte.
    pub(super) is_whole: bool,
    pub(super) is_empty: bool,
    /// Checksum of their heads; `None` where a compact telegram cannot leave these out.
    signature: Option<u16>,
}

impl Survey {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (mut walk, mut is_whole, mut is_empty) = (records(bytes), true, true);
        let signature = checksum_of_parts(|add| {
            while let Some(head) = walk.next_head() {
                match head {
                    Ok(head) => {
                        is_empty = false;
                        add(head);
                    }
                    Err(_) => is_whole = false,
                }
            }
        });
        // Nothing tells where the maker's own data stand in a compact telegram.
        let has_layout = is_whole && !is_empty && walk.manufacturer_data().is_none();
        Self { is_whole, is_empty, signature: has_layout.then_some(signature) }
    }
}

/// Layouts of full telegrams, by meter and signature.
#[derive(Clone, Debug, Default)]
pub(super) struct Layouts {
    /// The one that was used last is at the end.
    known: Vec<Layout>,
}

#[derive(Clone, Debug)]
struct Layout {
    meter: LinkAddress,
    signature: u16,
    heads: Vec<Box<[u8]>>,
}

impl Layouts {
    /// Learns the layout of a full telegram. One that is known costs no allocation.
    pub(super) fn learn(&mut self, meter: LinkAddress, survey: &Survey, bytes: &[u8]) {
        let Some(signature) = survey.signature else { return };
        let is_same = |layout: &Layout| layout.meter == meter && layout.signature == signature;
        if let Some(at) = self.known.iter().rposition(is_same) {
            self.known[at..].rotate_left(1);
            return;
        }
        if self.known.len() == MAX_LAYOUTS {
            self.known.remove(0);
        }
        let heads = records(bytes).flatten().map(|record| record.head.into()).collect();
        self.known.push(Layout { meter, signature, heads });
    }

    /// Replaces a compact telegram in `bytes` (signature, checksum of the full one, data) by the records of the full one.
    ///
    /// # Errors
    /// Fails if its layout is not known, or the data do not fit it.
    pub(super) fn restore(&self, meter: LinkAddress, bytes: &mut Vec<u8>) -> Result<(), Reason> {
        let Some(([s0, s1, c0, c1], mut data)) = bytes.split_first_chunk::<4>() else {
            return Err(Reason::Truncated);
        };
        let (signature, sent) = (u16::from_le_bytes([*s0, *s1]), u16::from_le_bytes([*c0, *c1]));
        let is_same = |layout: &&Layout| layout.meter == meter && layout.signature == signature;
        let learned = self.known.iter().find(is_same).map(|layout| &layout.heads[..]).unwrap_or_default();
        let mut heads: Vec<&[u8]> = learned.iter().map(|head| &**head).collect();
        if heads.is_empty() {
            heads.extend(known_heads(meter, signature).ok_or(Reason::UnknownLayout(signature))?);
        }
        let mut restored = Vec::with_capacity(2 * bytes.len());
        for head in heads {
            let start = restored.len();
            restored.extend_from_slice(head);
            restored.extend_from_slice(data);
            let Some(Ok(record)) = records(&restored[start..]).next() else { return Err(Reason::Layout) };
            let len = record.data.len();
            restored.truncate(start + head.len() + len);
            data = data.get(len..).ok_or(Reason::Layout)?;
        }
        let is_rest_filler = data.iter().all(|byte| *byte == FILLER);
        if !is_rest_filler || checksum(&restored) != sent {
            return Err(Reason::Layout);
        }
        *bytes = restored;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Volume, flow, a text and a number with a unit in words.
    const FULL: [u8; 27] = [
        0x04, 0x13, 0x05, 0, 0, 0, 0x02, 0x3B, 0x01, 0, 0x8C, 0x10, 0x13, 0x78, 0x56, 0x34, 0x12, 0x0D, 0xFD,
        0x11, 0x02, b'B', b'A', 0x2F, 0x01, 0x6E, 0x09,
    ];

    fn compact(data: &[u8]) -> Vec<u8> {
        let heads = [0x04, 0x13, 0x02, 0x3B, 0x8C, 0x10, 0x13, 0x0D, 0xFD, 0x11, 0x01, 0x6E];
        let records: Vec<u8> = FULL.iter().copied().filter(|byte| *byte != FILLER).collect();
        let (signature, whole) = (checksum(&heads).to_le_bytes(), checksum(&records).to_le_bytes());
        [&signature[..], &whole, data].concat()
    }

    const DATA: [u8; 14] = [5, 0, 0, 0, 1, 0, 0x78, 0x56, 0x34, 0x12, 2, b'B', b'A', 9];

    #[test]
    fn a_compact_telegram_is_the_full_one_again() {
        let mut layouts = Layouts::default();
        let mut bytes = compact(&DATA);
        assert!(matches!(layouts.restore([1; 8], &mut bytes), Err(Reason::UnknownLayout(_))));
        layouts.learn([1; 8], &Survey::of(&FULL), &FULL);
        assert!(
            matches!(layouts.restore([2; 8], &mut bytes), Err(Reason::UnknownLayout(_))),
            "another meter's"
        );
        assert_eq!(layouts.restore([1; 8], &mut bytes), Ok(()));
        assert_eq!(bytes, FULL.iter().copied().filter(|byte| *byte != FILLER).collect::<Vec<_>>());
        for damaged in 0..DATA.len() {
            let mut data = DATA;
            data[damaged] ^= 0x04;
            assert_eq!(layouts.restore([1; 8], &mut compact(&data)), Err(Reason::Layout), "byte {damaged}");
        }
        assert_eq!(layouts.restore([1; 8], &mut compact(&DATA[..9])), Err(Reason::Layout));
        assert_eq!(layouts.restore([1; 8], &mut vec![1, 2, 3]), Err(Reason::Truncated));
    }

    #[test]
    fn the_layouts_of_a_thousand_meters_take_bounded_memory() {
        let mut layouts = Layouts::default();
        for meter in 0..1000u64 {
            layouts.learn(meter.to_le_bytes(), &Survey::of(&FULL), &FULL);
            layouts.learn(meter.to_le_bytes(), &Survey::of(&FULL), &FULL);
        }
        assert_eq!(layouts.known.len(), MAX_LAYOUTS);
        assert_eq!(layouts.restore(999u64.to_le_bytes(), &mut compact(&DATA)), Ok(()));
    }

    #[test]
    fn records_are_whole_only_up_to_their_last_byte() {
        let is_whole = |bytes: &[u8]| Survey::of(bytes).is_whole;
        assert!(is_whole(&FULL) && is_whole(&[]) && is_whole(&[FILLER; 5]) && is_whole(&[0x0F, 1, 2, 3]));
        assert!(
            is_whole(&[0x02, 0xFC, 0x03, b'm', b'p', b'p', 0x74, 0xD2, 0x04]),
            "a unit in words, then a VIFE"
        );
        for wrong in [
            &FULL[..FULL.len() - 1],
            &[0x04, 0x13, 0, 0, 0],
            &[0x3F, 0x13],
            &[0x04],
            &[0x0D, 0x13, 0xF7, 0],
            &[0x84, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x13, 0, 0, 0, 0],
            &[0x01, 0x7C, 200, 1],
        ] {
            assert!(!is_whole(wrong), "{wrong:02x?}");
        }
    }
}

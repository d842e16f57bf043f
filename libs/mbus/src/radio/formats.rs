//! Layouts of Kamstrup's compact telegrams, so that a meter is read before its first full one comes.

use crate::{Manufacturer, radio::telegram::LinkAddress};

/// Manufacturers that Kamstrup's meters name: `KAM` and `KAW`.
const KAMSTRUP: [Manufacturer; 2] = [Manufacturer(0x2C2D), Manufacturer(0x2C37)];

/// Signature, and the heads of the records. The signature is their checksum, so that a wrong line cannot pass the test.
///
/// Water meters (MULTICAL 21, flowIQ 2xxx and 3xxx) begin with `FF 20` or `FF 23`, their own flags.
const FORMATS: [(u16, &[&[u8]]); 9] = [
    (0xA8ED, &[&[0x02, 0xFF, 0x20], &[0x04, 0x13], &[0x44, 0x13], &[0x61, 0x5B], &[0x61, 0x67]]),
    (0xD2F7, &[&[0x02, 0xFF, 0x20], &[0x04, 0x13], &[0x44, 0x13], &[0x61, 0x5B], &[0x51, 0x67]]),
    (0xDD34, &[&[0x02, 0xFF, 0x20], &[0x04, 0x13], &[0x44, 0x13]]),
    (0x7C0E, &[&[0x02, 0xFF, 0x20], &[0x04, 0x13], &[0x52, 0x3B]]),
    (
        0x61EB,
        &[
            &[0x02, 0xFF, 0x20],
            &[0x04, 0x13],
            &[0x44, 0x13],
            &[0xA1, 0x01, 0x5B],
            &[0x81, 0x01, 0xE7, 0xFF, 0x0F],
        ],
    ),
    (
        0xC412,
        &[
            &[0x02, 0xFF, 0x20],
            &[0x04, 0x13],
            &[0x92, 0x01, 0x3B],
            &[0xA1, 0x01, 0x5B],
            &[0x81, 0x01, 0xE7, 0xFF, 0x0F],
        ],
    ),
    (
        0x36D4,
        &[
            &[0x02, 0xFF, 0x20],
            &[0x04, 0x13],
            &[0x44, 0x13],
            &[0x42, 0x6C],
            &[0x52, 0x3B],
            &[0x61, 0x5B],
            &[0x61, 0x67],
            &[0x51, 0x67],
            &[0x81, 0x01, 0xE7, 0xFF, 0x0F],
            &[0x06, 0xFF, 0x1B],
        ],
    ),
    (
        0x0905,
        &[
            &[0x04, 0xFF, 0x23],
            &[0x44, 0x13],
            &[0x52, 0x3B],
            &[0x06, 0xFF, 0x1B],
            &[0x42, 0x6C],
            &[0x61, 0x67],
            &[0x51, 0x67],
            &[0x02, 0x3B],
            &[0x04, 0x13],
            &[0x81, 0x01, 0xE7, 0xFF, 0x0F],
        ],
    ),
    (
        0xA9F3,
        &[
            &[0x04, 0xFF, 0x23],
            &[0x04, 0x13],
            &[0x44, 0x13],
            &[0x42, 0x6C],
            &[0x02, 0x3B],
            &[0x92, 0x01, 0x3B],
            &[0xA2, 0x01, 0x3B],
            &[0x06, 0xFF, 0x1B],
            &[0xA1, 0x01, 0x5B],
            &[0x91, 0x01, 0x5B],
            &[0xA1, 0x01, 0x67],
        ],
    ),
];

/// Returns the heads of the records of a meter's compact telegram, if its signature is a known one.
pub(super) fn known_heads(meter: LinkAddress, signature: u16) -> Option<&'static [&'static [u8]]> {
    let maker = Manufacturer(u16::from_le_bytes([meter[0], meter[1]]));
    let format = FORMATS.iter().find(|(known, _)| *known == signature)?;
    KAMSTRUP.contains(&maker).then_some(format.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{radio::frame::checksum, records};

    #[test]
    fn the_signature_of_each_format_is_the_checksum_of_its_heads_and_each_head_is_one_of_a_record() {
        for (signature, heads) in FORMATS {
            assert_eq!(checksum(&heads.concat()), signature, "{signature:04X}");
            for head in heads {
                let record = [*head, &[0; 8]].concat();
                assert_eq!(records(&record).next().unwrap().unwrap().head, *head, "{signature:04X}");
            }
        }
    }

    #[test]
    fn formats_are_of_kamstrup_alone() {
        assert_eq!(KAMSTRUP.map(|maker| maker.to_string()), ["KAM", "KAW"]);
        let [kam, kaw] = KAMSTRUP.map(|maker| maker.0.to_le_bytes());
        for ([m0, m1], is_known) in [(kam, true), (kaw, true), ([0x74, 0x52], false)] {
            let heads = known_heads([m0, m1, 0, 0, 0, 0, 0x1B, 0x16], 0xDD34);
            assert_eq!(heads.is_some(), is_known);
            assert_eq!(known_heads([m0, m1, 0, 0, 0, 0, 0x1B, 0x16], 0xDD35), None);
        }
    }
}

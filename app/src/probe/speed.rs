//! Line of a meter, guessed from bytes that were read at another one.

use transport::{Line, Parity};

/// How many times as slowly a meter may send: 1200, 2400 and 4800 baud at 9600.
const TIMES: [u32; 3] = [8, 4, 2];

/// Returns how many times as slowly `bytes` were sent as they were read at `line`, if they show it.
///
/// A receiver samples each bit of a slower line several times. Its character begins with a falling edge, so that the
/// levels after it come in runs of that length:
///
/// ```text
/// sent, once     start        1         0        …
/// read, four   start 0 0 0 1 1 1 1 0 (stop, and the next falling edge)
/// ```
pub(super) fn judge(bytes: &[u8], line: Line) -> Option<u32> {
    if line.parity != Parity::None {
        return None;
    }
    TIMES.into_iter().find(|times| {
        let fitting = bytes.iter().filter(|byte| has_runs(**byte, *times)).count();
        // NULs alone may be anything: a broken line, or one that is much slower.
        fitting * 20 >= bytes.len() * 19 && bytes.iter().any(|byte| *byte != 0)
    })
}

/// Returns whether the levels of a character come in runs of this length, the first of which the start bit begins.
fn has_runs(byte: u8, times: u32) -> bool {
    let level = |position: u32| position > 0 && byte >> (position - 1) & 1 == 1;
    (0..9).all(|position| level(position) == level(position / times * times))
}

/// Returns whether bytes that were read with a parity bit (8E1) were sent without one. The bit after the parity is then
/// the next character's start bit, so that a receiver never sees a stop bit, and makes a NUL of each character.
pub(super) fn lacks_parity(bytes: &[u8]) -> bool {
    let lost = bytes.iter().filter(|byte| **byte == 0).count();
    lost * 5 > bytes.len() * 4
}

#[cfg(test)]
mod tests {
    use test_meters::uart::{Unstopped, read_8e1_as_8n1, read_at};

    use super::*;

    #[test]
    fn the_speed_of_a_slower_line_shows_at_9600_baud_and_that_of_text_and_noise_does_not() {
        let random: Vec<u8> = (0..200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let text = b"1-0:1.8.0*255(002714.12830185*kWh)\r\n".repeat(4);
        for (sent, expected) in
            [(1200, Some(8)), (2400, Some(4)), (4800, Some(2)), (9600, None), (115_200, None)]
        {
            for bytes in [&random[..], &text] {
                let read = read_at(bytes, sent, 9600);
                assert_eq!(judge(&read, Line::plain(9600)), expected, "{sent}: {read:x?}");
            }
        }
        let even = read_8e1_as_8n1(&random, Unstopped::Nul);
        assert_eq!(judge(&even, Line::plain(9600)), None);
        assert_eq!(judge(&[0; 100], Line::plain(9600)), None);
        assert_eq!(judge(b"\x00\x80".repeat(50).as_slice(), Line::even(9600)), None);
    }

    #[test]
    fn characters_without_a_parity_bit_are_nuls_where_one_is_expected() {
        assert!(lacks_parity(&[0; 24]));
        let mut plain = b"\x06\0\0\0\0\x12\0\0".repeat(10);
        assert!(!lacks_parity(&plain));
        plain.fill(0);
        assert!(lacks_parity(&plain));
    }
}

//! Stamps of the mode standard, `SAAMMJJhhmmss` (Enedis-NOI-CPT_54E, clause 6.2.1.1).

use framework::Timestamp;
use jiff::{civil::DateTime, tz::Offset};

/// Number of its characters: the season, and two digits each for year, month, day, hour, minute, second.
pub(crate) const LEN: usize = 13;

/// Time of a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// A moment.
    At(Timestamp),
    /// A time of a clock that is not set, one without a season, or none at all.
    Unsure,
}

/// Reads a stamp; `None` if it is not one.
///
/// The season is `E` in summer (UTC+2) and `H` in winter (UTC+1). A small letter says that the clock was not set since the
/// meter had no power: nothing tells by how much it is wrong. A blank stands where the paper has no season.
pub(crate) fn read(text: &[u8]) -> Option<Stamp> {
    let (season, digits) = text.split_first_chunk::<1>()?;
    if digits.len() != LEN - 1 {
        return None;
    }
    let unset = digits.iter().all(|byte| *byte == b'0') || text.iter().all(|byte| *byte == b' ');
    let hours = match season {
        b"E" => Some(2),
        b"H" => Some(1),
        b"e" | b"h" | b" " => None,
        _ => return None,
    };
    if unset {
        return Some(Stamp::Unsure);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two = |at: usize| (digits[at] - b'0') as i8 * 10 + (digits[at + 1] - b'0') as i8;
    let year = 2000 + i16::from(two(0));
    let time = DateTime::new(year, two(2), two(4), two(6), two(8), two(10), 0).ok()?;
    let at = hours.and_then(|hours| Offset::constant(hours).to_timestamp(time).ok());
    Some(at.map_or(Stamp::Unsure, Stamp::At))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_a_time_in_summer_or_winter_by_a_clock_that_is_set() {
        let at = |text: &str| text.parse::<Timestamp>().ok().map(Stamp::At);
        for (text, expected) in [
            ("H081225223518", at("2008-12-25T21:35:18Z")),
            ("E260614103000", at("2026-06-14T08:30:00Z")),
            ("e260614103000", Some(Stamp::Unsure)),
            ("h260114103000", Some(Stamp::Unsure)),
            (" 260615060000", Some(Stamp::Unsure)),
            ("             ", Some(Stamp::Unsure)),
            ("H000000000000", Some(Stamp::Unsure)),
            ("E261314103000", None),
            ("E260632103000", None),
            ("E260614253000", None),
            ("e260614253000", None),
            ("X260614103000", None),
            ("E2606141030", None),
            ("E26061410300O", None),
            ("E2606141030000", None),
            ("", None),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
    }
}

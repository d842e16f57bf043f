//! Date and time of a meter (IEC 62056-6-2, clause 4.1.6.1).

use std::fmt;

use jiff::civil::DateTime;

/// Bytes of a date-time.
pub(crate) const LEN: usize = 12;
/// Deviation that is not specified.
const UNSPECIFIED: i16 = i16::MIN;
/// Largest deviation of a time zone, in minutes.
const MAX_DEVIATION: i16 = 14 * 60;

/// Time by a meter's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    local: DateTime,
    /// Minutes by which local time is ahead of UTC; `None` where the meter does not say.
    offset: Option<i16>,
}

impl Clock {
    /// Reads a date-time; `None` for one that is not completely specified, or that no calendar has.
    ///
    /// Day of the week, hundredths and clock status are not looked at: meters send them wrong.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[y, yy, month, day, _, hour, minute, second, _, d, dd, _] = bytes else { return None };
        let year = i16::from_be_bytes([y, yy]);
        if !(2000..2100).contains(&year) {
            return None;
        }
        let [month, day, hour, minute, second] =
            [month, day, hour, minute, second].map(|field| i8::try_from(field).ok());
        let local = DateTime::new(year, month?, day?, hour?, minute?, second?, 0).ok()?;
        // The standard counts from local time to UTC.
        let offset = match i16::from_be_bytes([d, dd]) {
            UNSPECIFIED => None,
            deviation if deviation.abs() <= MAX_DEVIATION => Some(-deviation),
            _ => return None,
        };
        Some(Self { local, offset })
    }
}

impl Clock {
    /// Appends it as text, without the detour of a formatter.
    pub(crate) fn write(self, text: &mut String) {
        let (date, time) = (self.local.date(), self.local.time());
        let mut two = |number: i8, after: &str| {
            text.extend([number / 10, number % 10].map(|digit| char::from(b'0' + digit.unsigned_abs())));
            text.push_str(after);
        };
        // Years are those of one century.
        two((date.year() / 100) as i8, "");
        two((date.year() % 100) as i8, "-");
        two(date.month(), "-");
        two(date.day(), "T");
        two(time.hour(), ":");
        two(time.minute(), ":");
        match self.offset {
            None => two(time.second(), ""),
            Some(offset) => {
                two(time.second(), if offset < 0 { "-" } else { "+" });
                two((offset.abs() / 60) as i8, ":");
                two((offset.abs() % 60) as i8, "");
            }
        }
    }
}

/// `2026-07-14T10:15:30+02:00`, without an offset where the meter does not say.
impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_or_left_alone() {
        let time = |hex: &str| {
            let bytes: Vec<_> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            Clock::read(&bytes).map(|clock| clock.to_string())
        };
        for (hex, expected) in [
            ("07e5091b01092f0f00ff8880", Some("2021-09-27T09:47:15+02:00")),
            ("07e602150111251eff800000", Some("2022-02-21T17:37:30")),
            ("07e60b03ff0f2619ffff4cff", Some("2022-11-03T15:38:25+03:00")),
            ("07e4011502100000ff000000", Some("2020-01-21T16:00:00+00:00")),
            ("07ea0d2002183c3cff038400", None),
            ("07ea02020a0f1e00ff038400", None),
            ("ffff0000ff0000000080 00".replace(' ', "00").as_str(), None),
            ("07ea021e020a0f1eff800000", None),
            ("313831323230303030303039", None),
            ("07ea", None),
        ] {
            assert_eq!(time(hex).as_deref(), expected, "{hex}");
        }
    }
}

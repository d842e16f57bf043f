//! Times as programs write them.

use framework::Timestamp;
use jiff::{civil::DateTime, tz::TimeZone};

/// What is expected, for messages.
pub(super) const EXPECTED: &str = "expected a time such as \"2026-01-31T12:00:00Z\", or seconds since 1970";

/// Parses a text: RFC 3339, or without an offset in the time zone of this machine; or seconds since 1970.
pub(super) fn of_text(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    match text.parse::<DateTime>() {
        Ok(local) => local.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp()),
        Err(_) => of_seconds(text),
    }
}

/// Parses seconds since 1970, with any number of decimals.
pub(super) fn of_seconds(text: &str) -> Option<Timestamp> {
    let seconds = super::number::decimal(text)?;
    let nanos = i128::from(seconds.mantissa()) * 10i128.pow(9);
    Timestamp::from_nanosecond(nanos / 10i128.pow(seconds.scale().into())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_programs_write_them() {
        for (text, expected) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
            ("2026-01-31T12:00:00.123456+01:00", "2026-01-31T11:00:00.123456Z"),
            ("2026-01-31 12:00:00+00:00", "2026-01-31T12:00:00Z"),
            ("1769860800", "2026-01-31T12:00:00Z"),
            ("1769860800.25", "2026-01-31T12:00:00.25Z"),
            ("1.7698608e9", "2026-01-31T12:00:00Z"),
        ] {
            assert_eq!(of_text(text).map(|time| time.to_string()).as_deref(), Some(expected), "{text}");
        }
        let local = TimeZone::system().to_timestamp("2026-01-31T12:00:00".parse().unwrap()).unwrap();
        assert_eq!(of_text("2026-01-31 12:00:00"), Some(local));
        for text in ["", "noon", "12:00", "2026-13-01T00:00:00Z", "1769860800000000", "99e99"] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }
}

//! Times as people write them: in `/history?from=…`, and in `smartmeter export --from`.

use jiff::{Span, Timestamp, Zoned, civil};

/// Forms that are understood, for messages.
const EXPECTED: &str = "expected a date (`2026-11-23`), a local time (`2026-11-23T07:30`), RFC 3339 \
                        (`2026-11-23T06:30:00Z`), Unix seconds, `now`, or a time before now (`-90m`, `-24h`, `-7d`, \
                        `-4w`, `-1mo`, `-1y`)";

/// Length of a date; a `T` or a blank follows.
const DATE: usize = "2026-11-23".len();

/// Parses a time. A relative one counts from `now`, whose time zone is that of dates and local times. A date is the
/// moment at which it begins there.
///
/// # Errors
/// Returns a message with the forms that are understood.
pub fn parse_time(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    let wrong = |message: &str| format!("invalid time `{text}`: {message}");
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        // As seconds it would be in 1970.
        return Err(wrong("a date is written with dashes, such as `2026-11-23`"));
    }
    let moment = read(text, now).or_else(|| end_of_calendar(text, now)).ok_or_else(|| wrong(EXPECTED))?;
    if (1..=9999).contains(&moment.to_zoned(now.time_zone().clone()).year()) {
        Ok(moment)
    } else {
        Err(wrong("its year must be 1 to 9999"))
    }
}

/// Parses a time as [`parse_time`] does, but a date is the moment at which it ends.
///
/// # Errors
/// Returns a message with the forms that are understood.
pub fn parse_end(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let begin = parse_time(text, now)?;
    let text = text.trim();
    let date = text.parse::<civil::Date>().ok().filter(|_| text.len() <= DATE);
    let end = date.and_then(|date| date.tomorrow().ok()?.to_zoned(now.time_zone().clone()).ok());
    Ok(end.map_or(begin, |end| end.timestamp()))
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text == "now" {
        return Some(now.timestamp());
    }
    if text.starts_with('-') {
        // Days, months and years are those of the calendar.
        return now.checked_add(text.parse::<Span>().ok()?).ok().map(|moment| moment.timestamp());
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    }
    let zone = now.time_zone().clone();
    // A date alone is its midnight, or the first moment of the day where a change of the clocks skips that.
    if let Ok(date) = text.parse::<civil::Date>()
        && text.len() <= 10
    {
        return date.to_zoned(zone).ok().map(|start| start.timestamp());
    }
    let mut text = text.to_owned();
    if text.as_bytes().get(DATE) == Some(&b' ') {
        text.replace_range(DATE..=DATE, "T");
    }
    // A URL turns `+` into a blank.
    if let Ok(moment) = text.replacen(' ', "+", 1).parse::<Timestamp>() {
        return Some(moment);
    }
    // The parser would ignore an offset or a zone after the time.
    let time = text.get(DATE + 1..)?;
    if !time.bytes().all(|b| b.is_ascii_digit() || b":.,".contains(&b)) {
        return None;
    }
    let local = text.parse::<civil::DateTime>().ok()?;
    local.to_zoned(zone).ok().map(|moment| moment.timestamp())
}

/// Returns the last moment for one that is later, as people write it for "until the end".
fn end_of_calendar(text: &str, now: &Zoned) -> Option<Timestamp> {
    let time = ["9999-12-30", "9999-12-31"].iter().find_map(|day| text.strip_prefix(day))?;
    read(&format!("9999-12-29{time}"), now).map(|_| Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn now() -> Zoned {
        // Central Europe's rule, written out: the test needs no time zone database.
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        "2026-11-23T12:00:00Z".parse::<Timestamp>().unwrap().to_zoned(berlin)
    }

    #[test]
    fn times_are_parsed() {
        for (text, expected) in [
            ("now", "2026-11-23T12:00:00Z"),
            ("2026-11-23", "2026-11-22T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("2026-11-23T07:30", "2026-11-23T06:30:00Z"),
            ("2026-11-23 07:30:15", "2026-11-23T06:30:15Z"),
            ("2026-11-23T07:30:00.25Z", "2026-11-23T07:30:00.25Z"),
            ("2026-11-23T07:30:00+02:00", "2026-11-23T05:30:00Z"),
            ("2026-11-23T07:30:00 02:00", "2026-11-23T05:30:00Z"),
            ("2026-11-23 07:30:15+05:00", "2026-11-23T02:30:15Z"),
            ("2026-11-23 07:30:15 05:00", "2026-11-23T02:30:15Z"),
            ("2026-11-23 07:30:15.5-05:00", "2026-11-23T12:30:15.5Z"),
            ("2026-11-23 07:30:15Z", "2026-11-23T07:30:15Z"),
            ("2026-11-23 07:30+05:00", "2026-11-23T02:30:00Z"),
            ("2026-11-23T07:30 05:00", "2026-11-23T02:30:00Z"),
            ("2026-11-23 07:30:15.25", "2026-11-23T06:30:15.25Z"),
            ("0001-01-01", "0000-12-31T23:00:00Z"),
            ("9999-12-30", "9999-12-29T23:00:00Z"),
            ("9999-12-31", "9999-12-30T22:00:00.999999999Z"),
            ("9999-12-31T23:59:59", "9999-12-30T22:00:00.999999999Z"),
            ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00.999999999Z"),
            ("1700000000", "2023-11-14T22:13:20Z"),
            ("0", "1970-01-01T00:00:00Z"),
            ("-24h", "2026-11-22T12:00:00Z"),
            ("-90m", "2026-11-23T10:30:00Z"),
            ("-1mo", "2026-10-23T11:00:00Z"), // the same hour of the clock, which was summer's
            ("-30d", "2026-10-24T11:00:00Z"),
            ("-2w", "2026-11-09T12:00:00Z"),
            ("-1y", "2025-11-23T12:00:00Z"),
        ] {
            assert_eq!(parse_time(text, &now()), Ok(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_date_ends_at_the_next_midnight() {
        for (text, expected) in [
            ("2026-12-31", "2026-12-31T23:00:00Z"),
            ("2026-10-25", "2026-10-25T23:00:00Z"), // 25 hours
            ("2026-12-31T00:00", "2026-12-30T23:00:00Z"),
            ("now", "2026-11-23T12:00:00Z"),
        ] {
            assert_eq!(parse_end(text, &now()), Ok(expected.parse().unwrap()), "{text}");
        }
        assert!(parse_end("2026-02-30", &now()).is_err());
    }

    #[test]
    fn an_invalid_time_is_refused() {
        for text in [
            "",
            "-",
            "-h",
            "-5",
            "24h",
            "-5x",
            "-99999999999999y",
            "yesterday",
            "2026-13-01",
            "99999999999999999999",
            "2026-11-23T07:30:15[Europe/London]",
            "2026-11-23 07:30:15[America/New_York]",
            "2026-11-23 07:30:15+99:00",
            "2026-11-23 07:30:15 05:00 05:00",
            "2026-11-23 07:30:15 or so",
            "9999-12-31 or so",
        ] {
            let error = parse_time(text, &now()).unwrap_err();
            assert!(error.starts_with(&format!("invalid time `{text}`: expected a date")), "{error}");
        }
    }

    #[test]
    fn a_date_without_dashes_is_refused() {
        for text in ["20261123", "00000000"] {
            let error = parse_time(text, &now()).unwrap_err();
            assert_eq!(
                error,
                format!("invalid time `{text}`: a date is written with dashes, such as `2026-11-23`")
            );
        }
        assert!(parse_time("123456789", &now()).is_ok());
    }

    #[test]
    fn a_year_outside_the_calendar_is_refused() {
        for text in ["0000-12-31", "0000-06-01T00:00:00Z", "-000044-03-15", "-3000y", "-99999999999"] {
            assert!(parse_time(text, &now()).is_err(), "{text}");
        }
        let error = parse_time("-3000y", &now()).unwrap_err();
        assert_eq!(error, "invalid time `-3000y`: its year must be 1 to 9999");
    }
}

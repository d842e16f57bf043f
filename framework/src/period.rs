//! Durations in the configuration.

use std::{fmt, ops::Deref, str::FromStr, time::Duration};

use jiff::{
    Span, SpanRelativeTo, SpanRound, Unit,
    fmt::friendly::{Designator, Spacing, SpanParser, SpanPrinter},
};
use serde::{Deserialize, Deserializer, de};

/// Duration in the configuration: `"5s"`, `"15m"`, `"1h30m"`, `"250ms"`, `"30d"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

/// Nobody means more, and sums of such durations cannot overflow.
const LONGEST: Duration = Duration::from_secs(36_525 * 86_400);

impl Deref for Period {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // jiff also reads signs, fractions, blanks, words, and units from nanoseconds to years. In a file that is
        // written by hand, those are mistakes more often than not.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"dhms".contains(&byte))
            && text
                .split(|c: char| !c.is_ascii_digit())
                .all(|number| number.is_empty() || number.parse::<u32>().is_ok());
        let span = SpanParser::new().parse_span(text).ok().filter(|_| is_plain);
        let duration = span
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok())
            .and_then(|duration| Duration::try_from(duration).ok());
        match duration {
            Some(duration) if duration > LONGEST => {
                Err(format!("`{text}` is not a valid duration: expected at most 100 years, `36525d`"))
            }
            Some(duration) => Ok(Self(duration)),
            None => Err(format!(
                "`{text}` is not a valid duration: expected numbers with the units `d`, `h`, `m`, `s` or `ms`, such as `5s`, `15m`, `1h30m` or `250ms`"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Period;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"5s\", \"15m\" or \"1h30m\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Period, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = SpanPrinter::new().designator(Designator::Compact).spacing(Spacing::None);
        let days = SpanRound::new().largest(Unit::Day).days_are_24_hours();
        let milliseconds = i64::try_from(self.as_millis()).ok();
        match milliseconds.and_then(|count| Span::new().try_milliseconds(count).ok()?.round(days).ok()) {
            Some(span) => f.write_str(&printer.span_to_string(&span)),
            None => write!(f, "{:?}", self.0), // longer than a calendar
        }
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, milliseconds) in [
            ("5s", 5000),
            ("15m", 900_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1d", 86_400_000),
            ("30d", 2_592_000_000),
            ("10000d", 864_000_000_000),
            ("36525d", 3_155_760_000_000),
            ("1d2h3m4s5ms", 93_784_005),
            ("0s", 0),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.as_millis(), milliseconds);
            assert_eq!(period.to_string(), text);
        }
        for (text, shown) in
            [("90m", "1h30m"), ("3600s", "1h"), ("48h", "2d"), ("1000ms", "1s"), ("00s", "0s")]
        {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), shown);
        }
        assert_eq!(Period(Duration::MAX).to_string(), format!("{:?}", Duration::MAX));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            " ",
            "5",
            "s",
            "5 s",
            " 5s",
            "5s ",
            "-5s",
            "+5s",
            "5.5s",
            "5,5s",
            "5x",
            "99999999999s",
            "1h30",
            "P1D",
            "PT5S",
            "1h 30m",
            "1h, 30m",
            "1:30:00",
            "5sec",
            "5 seconds",
            "1hr",
            "5min",
            "5mins",
            "1w",
            "1mo",
            "1y",
            "5us",
            "5ns",
            "5µs",
            "5S",
            "1H",
            "5M",
            "5s ago",
            "4294967296ms",
            "ms",
            "d",
            "5ss",
            "5dd",
            "5hm",
            "999999999d",
            "36525d1ms",
            "4000000000d",
            "876601h",
        ] {
            let error = text.parse::<Period>().unwrap_err();
            assert!(error.starts_with(&format!("`{text}` is not a valid duration: expected ")), "{error}");
        }
    }
}

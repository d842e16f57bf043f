//! Times of day in the configuration.

use std::{fmt, ops::Deref, str::FromStr};

use jiff::civil;
use serde::{Deserialize, Deserializer, de};

/// Local time of day in the configuration: `"06:30"`, `"23:59:30"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(pub civil::Time);

impl Deref for TimeOfDay {
    type Target = civil::Time;

    fn deref(&self) -> &civil::Time {
        &self.0
    }
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = text.parse().map(Self);
        time.map_err(|_| format!("`{text}` is not a valid time of day: expected one such as `03:00`"))
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TimeOfDay;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time of day in quotes, such as `03:00`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TimeOfDay, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

//! The plugin's keys.

use std::fmt;

use framework::{ConfigError, ConfigString, Period};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The values, by name.
    pub(crate) values: Values,
}

/// The values in the order of the file.
#[derive(Debug)]
pub(crate) struct Values(pub(crate) Vec<(String, ValueConfig)>);

/// One value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueConfig {
    /// The value itself.
    pub(crate) expression: Option<ConfigString>,
    /// Its change in an hour: power makes energy.
    pub(crate) integrate: Option<ConfigString>,
    pub(crate) unit: Option<ConfigString>,
    pub(crate) kind: Option<StatedKind>,
    /// Digits after the point.
    pub(crate) decimals: Option<u8>,
    /// Longest time without a reading that an integral bridges.
    pub(crate) max_gap: Option<Period>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StatedKind {
    Counter,
    Net,
    Gauge,
}

impl From<StatedKind> for framework::Kind {
    fn from(kind: StatedKind) -> Self {
        match kind {
            StatedKind::Counter => Self::Counter,
            StatedKind::Net => Self::Net,
            StatedKind::Gauge => Self::Gauge,
        }
    }
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                let mut values = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    values.push(entry);
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Checks the name of a value.
///
/// # Errors
/// Returns an error if it is empty or reserved.
pub(crate) fn check_name(name: &str) -> Result<(), ConfigError> {
    match name {
        "" => Err(ConfigError::key("values", "a value needs a name")),
        "timestampUTC" | "stale" => Err(ConfigError::key(
            "values",
            format!("`{name}` cannot be the name of a value: /data has a member of that name"),
        )),
        _ => Ok(()),
    }
}

//! Configuration keys of the plugin.

use std::{collections::BTreeMap, fmt, time::Duration};

use framework::{Batching, ConfigError, Decimal, Period, Text};
use http_client::Client;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::channel::Channel;

/// A request has few values, so more records would only make a failure longer.
const BATCH_SIZE: usize = 500;
const MAX_BATCH_SIZE: usize = 10_000;

http_client::config! {
    /// Keys of a `[publishers.<name>]` with `plugin = "volkszaehler"`. The README explains each.
    pub struct Config {
        channels: BTreeMap<String, Target>,
        duplicates: Option<Period>,
    }
}

/// Channel as in the configuration: its UUID, or a table.
#[derive(Debug)]
struct Target {
    uuid: String,
    factor: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    uuid: String,
    factor: f64,
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Target;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a channel's UUID, or { uuid = \"…\", factor = 1000.0 }")
            }
            fn visit_str<E>(self, uuid: &str) -> Result<Target, E> {
                Ok(Target { uuid: uuid.to_owned(), factor: 1.0 })
            }
            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Target, A::Error> {
                let Table { uuid, factor } = Table::deserialize(MapAccessDeserializer::new(table))?;
                Ok(Target { uuid, factor })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Config {
    /// Checks the configuration.
    ///
    /// # Errors
    /// Returns every mistake.
    pub(crate) fn settings(
        mut self,
        sources: &[Text],
    ) -> Result<(Client, Vec<Channel>, Batching), ConfigError> {
        let http = self.http().build("Bearer", BATCH_SIZE, MAX_BATCH_SIZE);
        let duplicates = self.duplicates.map_or(Duration::ZERO, |period| *period);
        let mut wrong = Vec::new();
        let mut channels: Vec<Channel> = Vec::new();
        let refused = |message: String, hint: &str| ConfigError::key("channels", message).hint(hint);
        if self.channels.is_empty() {
            wrong.push(refused(
                "`channels` is empty".into(),
                "write `channels = { \"grid/POWER_IMPORT\" = \"<uuid>\" }`",
            ));
        }
        for (series, Target { uuid, factor }) in self.channels {
            let uuid = uuid.to_ascii_lowercase();
            if !is_uuid(&uuid) {
                wrong.push(refused(
                    format!("`{uuid}` is not a valid UUID"),
                    "the frontend shows the UUID of each channel",
                ));
            }
            let number = Decimal::from_f64(factor).filter(|factor| factor.mantissa() != 0);
            if number.is_none() {
                wrong.push(refused(
                    format!("`{series}`: {factor} is not a valid factor"),
                    "write `1000.0` to convert kWh to Wh",
                ));
            }
            let Some((section, name)) =
                series.split_once('/').filter(|(a, b)| !a.is_empty() && !b.is_empty())
            else {
                wrong.push(refused(
                    format!("`{series}` is not a valid reading"),
                    "write source and name: `grid/POWER_IMPORT`",
                ));
                continue;
            };
            // A sample has no sources.
            if !sources.is_empty() && sources.iter().all(|source| source != section) {
                let known = sources.iter().map(Text::as_str);
                wrong.push(ConfigError::unknown("channels", "source", section, known));
            }
            let Some(factor) = number else { continue };
            if let Some(other) = channels.iter().find(|other| other.uuid() == uuid) {
                let message = format!("`{series}` and `{}` go to the same channel", other.series());
                wrong.push(refused(message, "give each a channel of its own"));
            }
            channels.push(Channel::new(section, name, uuid, factor, duplicates));
        }
        ConfigError::all(http.as_ref().err().cloned().into_iter().chain(wrong))?;
        let (client, batching) = http?;
        Ok((client, channels, batching))
    }
}

/// Returns whether `text` looks like `550e8400-e29b-11d4-a716-446655440000`.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use framework::testing::check_publisher;
    use serde_json::{Value, json};

    use super::*;

    const UUID: &str = "01e2f3a4-0000-11ee-8000-0123456789ab";

    #[test]
    fn keeps_the_contract() {
        check_publisher::<crate::Volkszaehler>();
    }

    fn mistakes(channels: Value) -> String {
        let keys = json!({"url": "http://nas/middleware.php", "channels": channels});
        match serde_json::from_value::<Config>(keys) {
            Ok(config) => config.settings(&[]).err().map(|error| format!("{error:?}")).unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_channel_is_a_uuid_or_a_table() {
        assert_eq!(mistakes(json!({"grid/A": UUID, "grid/B/C": UUID.replace("ab", "AC")})), "");
        assert_eq!(mistakes(json!({"grid/A": {"uuid": UUID, "factor": -1000}})), "");
    }

    #[test]
    fn flush_interval_is_limited() {
        for (flush_interval, message) in
            [("1h", ""), ("61m", "`flush_interval` must be at most 1h, not 1h1m")]
        {
            let keys =
                json!({"url": "http://nas", "channels": {"grid/A": UUID}, "flush_interval": flush_interval});
            let error = serde_json::from_value::<Config>(keys).unwrap().settings(&[]).err();
            assert_eq!(error.map(|error| error.to_string()).unwrap_or_default(), message);
        }
    }

    #[test]
    fn a_channel_of_an_unknown_source_is_refused() {
        let keys = json!({"url": "http://nas", "channels": {"gird/A": UUID}});
        let config = serde_json::from_value::<Config>(keys).unwrap();
        let error = config.settings(&["grid".into(), "heat".into()]).unwrap_err();
        assert_eq!(error.to_string(), "unknown source `gird`, expected one of `grid`, `heat`");
        assert_eq!(error.hint.as_deref(), Some("did you mean `grid`?"));
    }

    #[test]
    fn channels_may_be_a_table_of_their_own() {
        let sample = format!(
            "[publishers.vz]\nplugin = \"volkszaehler\"\nurl = \"http://nas\"\n[publishers.vz.channels]\n\
             \"grid/A\" = \"{UUID}\"\n\"grid/B\" = {{ uuid = \"{}\", factor = 1000 }}\n",
            UUID.replace("01", "02")
        );
        framework::testing::publisher::<crate::Volkszaehler>(&sample);
    }

    #[test]
    fn invalid_channels_are_refused() {
        for (channels, message) in [
            (json!({}), "`channels` is empty"),
            (json!({"grid/A": "01e2f3a4"}), "`01e2f3a4` is not a valid UUID"),
            (json!({"grid/A": 7}), "expected a channel's UUID, or {"),
            (json!({"grid/A": {"uuid": UUID}}), "missing field `factor`"),
            (json!({"grid/A": {"uuid": UUID, "factor": 1, "scale": 2}}), "unknown field `scale`"),
            (json!({"grid/A": {"uuid": UUID, "factor": 0}}), "0 is not a valid factor"),
            (json!({"POWER": UUID}), "`POWER` is not a valid reading"),
            (json!({"/POWER": UUID}), "`/POWER` is not a valid reading"),
            (json!({"grid/A": UUID, "grid/B": UUID}), "`grid/B` and `grid/A` go to the same channel"),
        ] {
            let mistakes = mistakes(channels);
            assert!(mistakes.contains(message), "{message} in {mistakes}");
        }
    }
}

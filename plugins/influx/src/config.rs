//! Configuration keys of the plugin.

use std::collections::BTreeMap;

use framework::{ConfigError, Context};
use http_client::{ClientConfig, NamedReadings};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::{
    Database,
    line::{Lines, Names, SECTION},
};

http_client::config! {
    /// Keys of a `[publishers.<name>]` with `plugin = "influx"`. The README explains each.
    pub struct Config {
        version: Option<Version>,
        database: Option<String>,
        retention_policy: Option<String>,
        org: Option<String>,
        bucket: Option<String>,
        preset: Option<Preset>,
        measurement: Option<String>,
        #[serde(default)]
        tags: BTreeMap<String, String>,
        #[serde(default)]
        fields: BTreeMap<String, String>,
    }
}

const BATCH_SIZE: usize = 2000;
/// More than enough: InfluxDB recommends 5,000 to 10,000 lines in a request.
const MAX_BATCH_SIZE: usize = 50_000;

/// Version of the write interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Version {
    V1,
    V2,
    V3,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Preset {
    Original,
}

impl Config {
    /// Checks the configuration, and builds the publisher.
    ///
    /// # Errors
    /// Returns every mistake.
    pub(crate) fn database(mut self, cx: &Context) -> Result<Database, ConfigError> {
        let version = self.version();
        let path = self.path(version);
        let wrong = self.mistakes(version);
        let scheme = if version == Version::V2 { "Token" } else { "Bearer" };
        let original = self.preset == Some(Preset::Original);
        let measurement =
            self.measurement.as_deref().unwrap_or(if original { "power" } else { "smartmeter" }).to_owned();
        let names = if original { Names::Original } else { Names::own(&self.fields) };
        let lines = Lines::new(&measurement, &self.tags, names);
        let config = ClientConfig { gzip: self.gzip.unwrap_or(true), ..self.http() };
        let http = config.build(scheme, BATCH_SIZE, MAX_BATCH_SIZE);
        ConfigError::all(http.as_ref().err().cloned().into_iter().chain(wrong))?;
        let (client, batching) = http?;
        Ok(Database {
            client,
            path,
            named: NamedReadings::new("fields", lines.named()),
            lines,
            batching,
            beyond_retention: cx.counter("beyond_retention"),
        })
    }

    /// Returns the version. Only version 2 has buckets, and only version 3 has databases and tokens.
    fn version(&self) -> Version {
        let token = self.token.is_some() || self.token_file.is_some();
        self.version.unwrap_or(match (&self.bucket, token) {
            (Some(_), _) => Version::V2,
            (None, true) => Version::V3,
            (None, false) => Version::V1,
        })
    }

    /// Returns path and query of the write interface. All versions take nanoseconds, but under different names.
    fn path(&self, version: Version) -> String {
        let (path, precision) = match version {
            Version::V1 => ("/write", "ns"),
            Version::V2 => ("/api/v2/write", "ns"),
            Version::V3 => ("/api/v3/write_lp", "nanosecond"),
        };
        let queries = [
            ("db", &self.database),
            ("rp", &self.retention_policy),
            ("org", &self.org),
            ("bucket", &self.bucket),
        ];
        let mut path = format!("{path}?precision={precision}");
        for (key, value) in queries {
            if let Some(value) = value {
                path.extend(["&", key, "="]);
                path.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
            }
        }
        path
    }

    fn mistakes(&self, version: Version) -> Vec<ConfigError> {
        let mut wrong = Vec::new();
        let places = [
            ("database", &self.database, version != Version::V2, version != Version::V2),
            ("retention_policy", &self.retention_policy, version == Version::V1, false),
            ("org", &self.org, version == Version::V2, version == Version::V2),
            ("bucket", &self.bucket, version == Version::V2, version == Version::V2),
        ];
        let name = format!("{version:?}").to_lowercase();
        for (key, value, known, needed) in places {
            match value.as_deref() {
                Some("") => wrong.push(ConfigError::key(key, format!("`{key}` is empty"))),
                Some(_) if !known => {
                    let message = format!("`{key}` does not belong to version `{name}`");
                    wrong.push(
                        ConfigError::key(key, message).hint("`version` chooses the version of InfluxDB"),
                    );
                }
                None if needed => {
                    let message = format!("missing key `{key}`, which version `{name}` needs");
                    let hint = "`database` for InfluxDB 1 and 3, `org` and `bucket` for InfluxDB 2; `version` chooses one";
                    wrong.push(ConfigError::section(message).hint(hint));
                }
                _ => {}
            }
        }
        let may_write = [self.token.is_some(), self.token_file.is_some(), self.username.is_some()];
        if version == Version::V2 && !may_write.contains(&true) {
            let hint = "InfluxDB 2 shows one at \"API Tokens\": write it into a file, and that file's name as `token_file`; \
                        `username` and `password`, or another `version`, do without";
            wrong.push(ConfigError::section("missing key `token`, which version `v2` needs").hint(hint));
        }
        if self.preset.is_some() && !self.fields.is_empty() {
            wrong.push(ConfigError::key("fields", "`fields` and `preset` exclude each other"));
        }
        if self.preset.is_none() && self.tags.contains_key(SECTION) {
            wrong.push(ConfigError::key("tags", "the tag `section` is already the name of the source"));
        }
        if self.measurement.as_deref() == Some("") {
            wrong.push(ConfigError::key("measurement", "`measurement` is empty"));
        }
        let names = self.tags.iter().chain(&self.fields);
        for (key, value) in names.filter(|(key, value)| key.is_empty() || value.is_empty()) {
            let list = if self.tags.contains_key(key) { "tags" } else { "fields" };
            wrong.push(ConfigError::key(list, format!("`{key}` = `{value}`: a name is empty")));
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use framework::testing::check_publisher;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn keeps_the_contract() {
        check_publisher::<crate::Influx>();
    }

    fn database(mut keys: Value) -> Result<Database, String> {
        keys["url"] = json!("http://nas:8086");
        let config: Config = serde_json::from_value(keys).map_err(|error| error.to_string())?;
        config.database(&Context::new("test", "")).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn the_keys_determine_the_version() {
        for (keys, path) in [
            (json!({"database": "house"}), "/write?precision=ns&db=house"),
            (json!({"database": "a b", "retention_policy": "&"}), "/write?precision=ns&db=a%20b&rp=%26"),
            (
                json!({"org": "us", "bucket": "ä", "token": "t"}),
                "/api/v2/write?precision=ns&org=us&bucket=%C3%A4",
            ),
            (json!({"database": "house", "token": "t"}), "/api/v3/write_lp?precision=nanosecond&db=house"),
            (json!({"database": "house", "token": "t", "version": "v1"}), "/write?precision=ns&db=house"),
        ] {
            assert_eq!(database(keys).unwrap().path, path);
        }
    }

    #[test]
    fn a_key_of_a_wrong_type_hides_no_key_that_is_missing() {
        for (keys, missing, guessed) in [
            ("bucket = \"b\"\ngzip = 5\n", &["`org`", "`token`"][..], &["`database`"][..]),
            ("gzip = 5\n", &["`database`"], &["`org`", "`token`"]),
            // What a wrong value would have said is not guessed.
            ("bucket = 5\n", &[], &["`database`", "`org`", "`token`"]),
            ("bucket = \"b\"\norg = \"o\"\ntoken_file = 5\n", &[], &["`token`"]),
            ("version = \"v9\"\n", &[], &["`database`", "`org`", "`token`"]),
        ] {
            let text = format!("[publishers.x]\nplugin = \"influx\"\nurl = \"http://nas\"\n{keys}");
            let shown = framework::Config::parse("config.toml", &text, &[]).err().unwrap().to_string();
            let is_said = |key: &&str| shown.contains(&format!("missing key {key}"));
            assert!(missing.iter().all(is_said) && !guessed.iter().any(is_said), "{keys}{shown}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for (keys, message) in [
            (json!({}), "missing key `database`, which version `v1` needs"),
            (json!({"bucket": "b"}), "missing key `org`, which version `v2` needs"),
            (json!({"bucket": "b", "org": "o"}), "missing key `token`, which version `v2` needs"),
            (
                json!({"database": "d", "bucket": "b", "org": "o"}),
                "`database` does not belong to version `v2`",
            ),
            (json!({"database": "d", "org": "o"}), "`org` does not belong to version `v1`"),
            (json!({"database": ""}), "`database` is empty"),
            (json!({"database": "d", "batch_size": 0}), "`batch_size` must be 1 to 50000 records, not 0"),
            (json!({"database": "d", "measurement": ""}), "`measurement` is empty"),
            (json!({"database": "d", "tags": {"section": "x"}}), "the tag `section` is already the name"),
            (json!({"database": "d", "tags": {"place": ""}}), "a name is empty"),
            (json!({"database": "d", "preset": "original", "fields": {"A": "a"}}), "exclude each other"),
            (json!({"database": "d", "version": "v4"}), "unknown variant `v4`"),
            (json!({"database": "d", "flush_interval": "2h"}), "`flush_interval` must be at most 1h, not 2h"),
        ] {
            let mistakes = database(keys).err().unwrap();
            assert!(mistakes.contains(message), "{message} in {mistakes}");
        }
    }
}

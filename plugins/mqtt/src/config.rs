//! Configuration keys of the plugin, and their checked values.

use std::{path::PathBuf, sync::Arc};

use framework::{ConfigError, Context, Secret};
use http::Uri;
use rumqttc::tokio_rustls::rustls::ClientConfig;
use serde::Deserialize;

use crate::{tls, topics::Topics};

/// Keys of a `[publishers.<name>]` with `plugin = "mqtt"`. The README explains each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: String,
    pub(crate) username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    client_cert: Option<PathBuf>,
    client_key: Option<PathBuf>,
    client_id: Option<String>,
    #[serde(default = "topic")]
    topic: String,
    #[serde(default = "yes")]
    pub(crate) retain: bool,
    #[serde(default)]
    pub(crate) late: Late,
    #[serde(default)]
    pub(crate) discovery: Discovery,
    #[serde(default = "discovery_prefix")]
    discovery_prefix: String,
    #[serde(default)]
    pub(crate) allow_commands: bool,
}

fn topic() -> String {
    "smartmeter".to_owned()
}

fn discovery_prefix() -> String {
    "homeassistant".to_owned()
}

fn yes() -> bool {
    true
}

/// Destination of records that are late, after an outage.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Late {
    /// A topic of their own.
    #[default]
    History,
    /// The topic of all other records.
    State,
    /// None: they are not sent.
    Skip,
}

/// Form of the messages for Home Assistant.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Discovery {
    /// One message for each source.
    #[default]
    Device,
    /// One message for each reading.
    Entity,
    /// No messages.
    Off,
}

/// Checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) broker: Broker,
    pub(crate) password: Option<Secret>,
    pub(crate) client_id: String,
    pub(crate) topics: Topics,
    /// The other keys, of which any value is right.
    pub(crate) keys: Config,
}

/// Address of the broker.
#[derive(Debug, Clone)]
pub(crate) struct Broker {
    /// URL as configured, for messages.
    pub(crate) url: String,
    /// Name or address; an IPv6 address has no brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Config {
    pub(crate) fn settings(self, cx: &Context) -> Result<Settings, ConfigError> {
        let broker = self.broker();
        let password = self.password();
        let topics = [("topic", &self.topic), ("discovery_prefix", &self.discovery_prefix)];
        let wrong_topics = topics.into_iter().filter_map(|(key, topic)| check_topic(key, topic).err());
        let wrong_topics = wrong_topics.chain((self.topic == self.discovery_prefix).then(|| {
            // `<topic>/status` would be Home Assistant's own topic.
            ConfigError::key("topic", "`topic` and `discovery_prefix` must differ")
        }));
        let client_id = self.client_id.clone().unwrap_or_else(|| format!("smartmeter-{}", cx.name()));
        let no_id = client_id.is_empty().then(|| ConfigError::key("client_id", "`client_id` is empty"));
        let found = [broker.as_ref().err(), password.as_ref().err(), no_id.as_ref()];
        ConfigError::all(found.into_iter().flatten().cloned().chain(wrong_topics))?;
        let topics = Topics { prefix: self.topic.clone(), discovery: self.discovery_prefix.clone() };
        Ok(Settings { broker: broker?, password: password?, client_id, topics, keys: self })
    }

    fn broker(&self) -> Result<Broker, ConfigError> {
        let url = parse_url(&self.url).map_err(|what| {
            ConfigError::key("url", format!("`url` {what}"))
                .hint("write `mqtt://host` or `mqtts://host`, with a port unless it is 1883 or 8883")
        });
        let files = [
            ("ca_file", &self.ca_file),
            ("client_cert", &self.client_cert),
            ("client_key", &self.client_key),
        ];
        // Of a wrong URL nothing is known: then files that are given are checked, whatever they are for.
        let tls = match &url {
            Ok((false, ..)) => {
                let useless = files.iter().filter(|(_, file)| file.is_some()).map(|(key, _)| {
                    ConfigError::key(*key, format!("`{key}` is for `mqtts://`, and `url` is `mqtt://`"))
                });
                ConfigError::all(useless).map(|()| None)
            }
            Err(_) if files.iter().all(|(_, file)| file.is_none()) => Ok(None),
            _ => {
                let [ca_file, cert, key] = files.map(|(_, file)| file.as_deref());
                tls::client(ca_file, cert, key).map(Some)
            }
        };
        let found = [url.as_ref().err(), tls.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned())?;
        let ((_, host, port), tls) = (url?, tls?);
        Ok(Broker { url: self.url.clone(), host, port, tls })
    }

    fn password(&self) -> Result<Option<Secret>, ConfigError> {
        let given = Secret::given(
            ["password", "password_file"],
            self.password.clone(),
            self.password_file.as_deref(),
        );
        let key = if self.password.is_some() { "password" } else { "password_file" };
        let nameless = (!matches!(given, Ok(None)) && self.username.is_none())
            .then(|| ConfigError::key(key, format!("`{key}` needs a `username`")));
        ConfigError::all(given.as_ref().err().cloned().into_iter().chain(nameless))?;
        given
    }
}

/// Parses a URL into TLS or not, host and port. The error does not repeat the URL, which may contain a password.
fn parse_url(url: &str) -> Result<(bool, String, u16), &'static str> {
    let uri: Uri = url.parse().map_err(|_| "is not a valid URL")?;
    let tls = match uri.scheme_str() {
        Some("mqtt") => false,
        Some("mqtts") => true,
        _ => return Err("must begin with `mqtt://` or `mqtts://`"),
    };
    let authority = uri.authority().ok_or("must have a host")?;
    if authority.as_str().contains('@') {
        return Err("must not contain a user name: write `username` and `password`");
    }
    if authority.host().is_empty() || uri.path() != "/" || uri.query().is_some() {
        return Err("must have a host and no path");
    }
    let default = if tls { 8883 } else { 1883 };
    let port = match authority.port_u16() {
        None if authority.as_str() == authority.host() => default,
        None | Some(0) => return Err("must have a port from 1 to 65535, or none"),
        Some(port) => port,
    };
    Ok((tls, authority.host().trim_matches(['[', ']']).to_owned(), port))
}

/// Checks a topic from which others are built (MQTT 3.1.1, 4.7).
fn check_topic(key: &'static str, topic: &str) -> Result<(), ConfigError> {
    let wrong = topic.is_empty()
        || topic.len() > 1000
        || topic.starts_with(['$', '/'])
        || topic.ends_with('/')
        || topic.contains(['+', '#'])
        || topic.contains(char::is_control);
    if !wrong {
        return Ok(());
    }
    Err(ConfigError::key(key, format!("`{topic}` is not a valid beginning of a topic"))
        .hint("write words with `/` between them, without `+`, `#` and `$`"))
}

#[cfg(test)]
mod tests {

    use super::*;

    fn settings(keys: &str) -> Result<Settings, String> {
        let cx = Context::new("home", "");
        config(keys).settings(&cx).map_err(|error| match error.key {
            Some(key) => format!("{key}: {error}"),
            None => error.to_string(),
        })
    }

    /// Reads the keys from JSON, as that needs no further crate.
    fn config(keys: &str) -> Config {
        serde_json::from_str(keys).unwrap()
    }

    #[test]
    fn a_url_is_a_host_and_a_port() {
        for (url, expected) in [
            ("mqtt://broker", Ok((false, "broker", 1883))),
            ("mqtts://broker.home/", Ok((true, "broker.home", 8883))),
            ("mqtt://192.168.1.2:1884", Ok((false, "192.168.1.2", 1884))),
            ("mqtt://[::1]:1884", Ok((false, "::1", 1884))),
            ("mqtts://[fd00::2]", Ok((true, "fd00::2", 8883))),
            ("broker", Err("must begin with `mqtt://` or `mqtts://`")),
            ("", Err("is not a valid URL")),
            ("http://broker", Err("must begin with `mqtt://` or `mqtts://`")),
            ("mqtt://", Err("is not a valid URL")),
            ("mqtt:///", Err("is not a valid URL")),
            ("mqtt://:1883", Err("must have a host and no path")),
            ("mqtt://broker?topic", Err("must have a host and no path")),
            ("mqtt://bro ker", Err("is not a valid URL")),
            ("mqtt://broker/topic", Err("must have a host and no path")),
            ("mqtt://me:secret@broker", Err("must not contain a user name: write `username` and `password`")),
            ("mqtt://broker:0", Err("must have a port from 1 to 65535, or none")),
            ("mqtt://broker:x", Err("must have a port from 1 to 65535, or none")),
            ("mqtt://broker:70000", Err("must have a port from 1 to 65535, or none")),
            ("mqtt://[::1", Err("is not a valid URL")),
        ] {
            let expected = expected.map(|(tls, host, port)| (tls, host.to_owned(), port));
            assert_eq!(parse_url(url), expected, "{url}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for (keys, expected) in [
            (r#"{"url": "mqtt://h", "password": "x"}"#, "password: `password` needs a `username`"),
            (
                r#"{"url": "mqtt://h", "username": "u", "password": "x", "password_file": "y"}"#,
                "password_file: `password` and `password_file` exclude each other",
            ),
            (
                r#"{"url": "mqtt://h", "ca_file": "ca.pem"}"#,
                "ca_file: `ca_file` is for `mqtts://`, and `url` is `mqtt://`",
            ),
            (
                r#"{"url": "mqtts://h", "client_cert": "c.pem"}"#,
                "client_cert: `client_cert` needs its `client_key`",
            ),
            (r#"{"url": "mqtt://h", "topic": "a/+"}"#, "topic: `a/+` is not a valid beginning of a topic"),
            (r#"{"url": "mqtt://h", "topic": ""}"#, "topic: `` is not a valid beginning of a topic"),
            (
                r#"{"url": "mqtt://h", "discovery_prefix": "/ha"}"#,
                "discovery_prefix: `/ha` is not a valid beginning of a topic",
            ),
            (
                r#"{"url": "mqtt://h", "topic": "homeassistant"}"#,
                "topic: `topic` and `discovery_prefix` must differ",
            ),
            (r#"{"url": "mqtt://h", "client_id": ""}"#, "client_id: `client_id` is empty"),
        ] {
            assert_eq!(settings(keys).map(|_| ()).unwrap_err(), expected, "{keys}");
        }
    }

    #[test]
    fn no_mistake_hides_another() {
        let keys = "url = \"broker\"\npassword = \"x\"\npassword_file = \"/no/such\"\nca_file = \"/no/ca\"\n\
            client_cert = \"/no/cert\"\ntopic = \"/a\"\ndiscovery_prefix = \"b/\"\nclient_id = \"\"\nlate = \"no\"\n";
        for (keys, expected) in [
            (
                keys.to_owned(),
                &[
                    "`url` must begin with",
                    "`password` and `password_file` exclude",
                    "could not read `/no/such`",
                    "`password` needs a `username`",
                    "could not read `/no/ca`",
                    "could not read `/no/cert`",
                    "`client_cert` needs its `client_key`",
                    "`/a` is not a valid beginning",
                    "`b/` is not a valid beginning",
                    "`client_id` is empty",
                ][..],
            ),
            (
                "url = \"mqtt://h\"\nca_file = \"/a\"\nclient_key = \"/b\"\n".to_owned(),
                &["`ca_file` is for `mqtts://`", "`client_key` is for `mqtts://`"],
            ),
        ] {
            let text = format!("[publishers.home]\nplugin = \"mqtt\"\n{keys}");
            let shown = framework::Config::parse("config.toml", &text, &[]).err().unwrap().to_string();
            for message in expected {
                assert_eq!(shown.matches(message).count(), 1, "{message} in:\n{shown}");
            }
        }
    }

    #[test]
    fn defaults_are_those_of_the_readme() {
        let settings = settings(r#"{"url": "mqtt://h"}"#).unwrap();
        assert_eq!(settings.client_id, "smartmeter-home");
        assert_eq!(settings.topics.prefix, "smartmeter");
        assert_eq!(settings.topics.discovery, "homeassistant");
        let keys = settings.keys;
        assert!(keys.retain && !keys.allow_commands);
        assert_eq!((keys.late, keys.discovery), (Late::History, Discovery::Device));
    }

    #[test]
    fn a_password_is_not_printed() {
        let keys = r#"{"url": "mqtt://h", "username": "u", "password": "hunter2"}"#;
        assert!(!format!("{:?}", config(keys)).contains("hunter2"));
        assert!(!format!("{:?}", settings(keys).unwrap()).contains("hunter2"));
    }
}

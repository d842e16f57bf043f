//! `[vzlogger]`: a second port, for clients of vzlogger.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::Deserialize;
use uuid::Uuid;

use super::{Section, ServerConfig, section::did_you_mean};
use crate::{ConfigError, error::quoted};

/// `[vzlogger]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VzloggerConfig {
    /// Where it is served.
    pub listen: SocketAddr,
    /// Whether `GET /` shows all channels.
    pub index: bool,
    /// The UUIDs that are not made from the names of their series, `section/NAME`, by these names.
    pub uuids: BTreeMap<String, Uuid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    listen: Option<String>,
    #[serde(default = "default_index")]
    index: bool,
    #[serde(default)]
    uuids: BTreeMap<String, String>,
}

fn default_index() -> bool {
    true
}

impl VzloggerConfig {
    /// `sources`: the names of all that there are.
    pub(super) fn read(
        mut section: Section<'_>,
        server: Option<&ServerConfig>,
        sources: &[&str],
    ) -> Option<Self> {
        let keys: Keys = section.parse()?;
        match Self::check(keys, server, sources) {
            Ok(vzlogger) => Some(vzlogger),
            Err(error) => {
                section.refuse(&error);
                None
            }
        }
    }

    fn check(keys: Keys, server: Option<&ServerConfig>, sources: &[&str]) -> Result<Self, ConfigError> {
        let listen = address(keys.listen.as_deref(), server);
        let mut uuids = BTreeMap::new();
        let mut wrong = Vec::new();
        for (series, written) in keys.uuids {
            match channel(&series, &written, sources, &uuids) {
                Ok(uuid) => {
                    uuids.insert(series, uuid);
                }
                Err(error) => wrong.push(error),
            }
        }
        ConfigError::all(listen.as_ref().err().into_iter().cloned().chain(wrong))?;
        Ok(Self { listen: listen?, index: keys.index, uuids })
    }
}

fn address(listen: Option<&str>, server: Option<&ServerConfig>) -> Result<SocketAddr, ConfigError> {
    const HINT: &str = "write an IP address and a port: `127.0.0.1:8081` for this machine, `0.0.0.0:8081` for the whole house";
    let Some(listen) = listen else {
        return Err(ConfigError::key("listen", "missing field `listen`").hint(HINT));
    };
    let address = listen.parse::<SocketAddr>().map_err(|_| {
        ConfigError::key("listen", format!("`{listen}` is no address to listen on")).hint(HINT)
    })?;
    if let Some(server) = server.filter(|server| clash(server.listen, address)) {
        let message = format!("`[server]` listens on {} already", server.listen);
        return Err(ConfigError::key("listen", message).hint("choose another port, such as 8081"));
    }
    Ok(address)
}

/// Whether not both can be listened on. An unspecified address is all of the machine's.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (all || one.ip() == other.ip())
}

/// The UUID that was written for a series.
fn channel(
    series: &str,
    written: &str,
    sources: &[&str],
    others: &BTreeMap<String, Uuid>,
) -> Result<Uuid, ConfigError> {
    let refused = |message: String| ConfigError::key("uuids", message);
    let Some((source, _)) = series.split_once('/').filter(|(_, name)| !name.is_empty()) else {
        let message = format!("`{series}` is no series: write a source and a reading, `source/READING`");
        return Err(refused(message));
    };
    if !sources.contains(&source) {
        let there = sources.iter().copied();
        let message = format!("`{series}` is of no source, there are {}", quoted(there.clone()));
        let error = refused(message);
        return Err(match did_you_mean(source, there) {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
    // The usual form only: a client compares text.
    let uuid = Uuid::try_parse(written).ok().filter(|_| written.len() == 36).ok_or_else(|| {
        refused(format!("`{written}` is no UUID"))
            .hint("one looks like `7ccc2b59-f55b-5d1d-a200-dcde964734ba`")
    })?;
    match others.iter().find(|(_, other)| **other == uuid) {
        Some((other, _)) => Err(refused(format!("`{other}` and `{series}` have the same UUID"))),
        None => Ok(uuid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn parse(text: &str) -> Result<Option<VzloggerConfig>, String> {
        let text = format!("[vzlogger]\n{text}");
        Config::parse("config.toml", &text, &[])
            .map(|config| config.vzlogger)
            .map_err(|mistakes| mistakes.to_string())
    }

    const SOURCE: &str = "[sources.grid]\nplugin = \"fake\"\nport = \"/dev/a\"\n";

    #[test]
    fn it_is_served_where_its_table_stands() {
        assert_eq!(Config::parse("", "", &[]).unwrap().vzlogger, None);
        let listen = "127.0.0.1:8081".parse().unwrap();
        let config = parse("listen = \"127.0.0.1:8081\"").unwrap();
        assert_eq!(config, Some(VzloggerConfig { listen, index: true, uuids: BTreeMap::new() }));
        let text = format!(
            "listen = \"127.0.0.1:8081\"\nindex = false\n\
             uuids = {{ \"grid/a/b\" = \"0958752E-8DD1-4b0a-9eed-e6d57bf78e8a\" }}\n{SOURCE}"
        );
        let config = parse(&text).unwrap().unwrap();
        assert!(!config.index);
        assert_eq!(config.uuids["grid/a/b"].to_string(), "0958752e-8dd1-4b0a-9eed-e6d57bf78e8a");
    }

    #[test]
    fn two_servers_need_two_ports_where_one_has_all_addresses() {
        for (server, vzlogger, fit) in [
            ("127.0.0.1:8080", "127.0.0.1:8080", false),
            ("0.0.0.0:8080", "127.0.0.1:8080", false),
            ("127.0.0.1:8080", "[::]:8080", false),
            ("0.0.0.0:8080", "0.0.0.0:8081", true),
            ("127.0.0.1:8080", "127.0.0.2:8080", true),
            ("0.0.0.0:0", "0.0.0.0:0", true),
        ] {
            let shown = parse(&format!("listen = \"{vzlogger}\"\n[server]\nlisten = \"{server}\""));
            let clash = format!("`[server]` listens on {server} already");
            assert_eq!(shown.is_ok(), fit, "{server} {vzlogger}");
            assert!(shown.err().is_none_or(|shown| shown.contains(&clash)), "{server} {vzlogger}");
        }
    }

    #[test]
    fn every_mistake_is_shown() {
        for (text, expected) in [
            ("", "config.toml:1:2: missing field `listen`"),
            ("listen = \"8081\"", "config.toml:2:10: `8081` is no address to listen on"),
            ("listen = \"127.0.0.1:8080\"", "`[server]` listens on 127.0.0.1:8080 already"),
            ("listn = 1", "unknown field `listn`, expected one of `listen`, `index`, `uuids`"),
            ("listen = \"127.0.0.1:0\"\nindex = 1", "expected a boolean"),
        ] {
            let shown = parse(text).unwrap_err();
            assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
        }
        let shown = parse(&format!(
            "listen = \"x\"\n[vzlogger.uuids]\n\"grid/A\" = \"0958752e-8dd1-4b0a-9eed-e6d57bf78e8a\"\n\
             \"grid/B\" = \"0958752E-8DD1-4B0A-9EED-E6D57BF78E8A\"\n\
             \"grid/C\" = \"0958752e8dd14b0a9eede6d57bf78e8a\"\n\"gird/A\" = \"\"\ngrid = \"\"\n{SOURCE}"
        ))
        .unwrap_err();
        for expected in [
            "`x` is no address",
            "`grid/A` and `grid/B` have the same UUID",
            "`0958752e8dd14b0a9eede6d57bf78e8a` is no UUID",
            "`gird/A` is of no source, there are `grid`\n",
            "did you mean `grid`?",
            "`grid` is no series: write a source and a reading",
        ] {
            assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
        }
    }
}

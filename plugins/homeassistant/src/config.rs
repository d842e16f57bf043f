//! Configuration keys of the plugin.

use std::{env, fs, path::Path, path::PathBuf, sync::Arc};

use framework::{ConfigError, Secret};
use http::Uri;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde::Deserialize;

use crate::statistics::slug;

/// Set by the supervisor in an add-on that may use Home Assistant's API.
const SUPERVISOR_TOKEN: &str = "SUPERVISOR_TOKEN";
/// Home Assistant, as an add-on reaches it.
const SUPERVISOR_URL: &str = "http://supervisor/core";
/// Port of Home Assistant.
const PORT: u16 = 8123;
/// Longest `prefix`.
const MAX_PREFIX: usize = 40;

/// Keys of a `[publishers.<name>]` with `plugin = "homeassistant"`. The README explains each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    url: Option<String>,
    token: Option<Secret>,
    token_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    prefix: Option<String>,
}

/// Checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `None`: it is looked for in the LAN.
    pub(crate) address: Option<Address>,
    pub(crate) token: Secret,
    pub(crate) tls: Arc<ClientConfig>,
    /// Beginning of each id after `smartmeter:`; may be empty.
    pub(crate) prefix: String,
}

/// Address of Home Assistant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) is_tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Path of its WebSocket.
    pub(crate) path: String,
}

impl Address {
    /// Parses the address of Home Assistant's page.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "not a valid URL")?;
        let is_tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err("the URL does not begin with `http://` or `https://`"),
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or("the URL has no host")?;
        if authority.as_str().contains('@') {
            return Err("the URL must not contain a user name or password");
        }
        let port = match authority.port_u16() {
            Some(0) => return Err("the port of the URL is not a number from 1 to 65535"),
            Some(port) => Some(port),
            None if authority.as_str() == authority.host() => None,
            None => return Err("the port of the URL is not a number from 1 to 65535"),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let path = uri.path().trim_end_matches('/');
        // The supervisor has a way of its own to the WebSocket.
        let is_supervisor = host == "supervisor";
        let path = match path {
            path if path.ends_with("/websocket") => path.to_owned(),
            path if is_supervisor => format!("{path}/websocket"),
            path => format!("{path}/api/websocket"),
        };
        let usual = if is_tls { 443 } else { 80 };
        Ok(Self { is_tls, port: port.unwrap_or(usual), host, path })
    }

    /// Returns scheme, host and port, for messages.
    pub(crate) fn origin(&self) -> String {
        let (scheme, usual) = if self.is_tls { ("https", 443) } else { ("http", 80) };
        let host = self.bracketed();
        match self.port {
            port if port == usual => format!("{scheme}://{host}"),
            port => format!("{scheme}://{host}:{port}"),
        }
    }

    /// Returns the URL of its WebSocket.
    pub(crate) fn websocket(&self) -> String {
        let scheme = if self.is_tls { "wss" } else { "ws" };
        format!("{scheme}://{}:{}{}", self.bracketed(), self.port, self.path)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl Config {
    /// Checks the configuration.
    ///
    /// # Errors
    /// Returns every mistake.
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let given = Secret::given(["token", "token_file"], self.token, self.token_file.as_deref());
        let supervisor = env::var(SUPERVISOR_TOKEN).ok().filter(|token| !token.trim().is_empty());
        let is_given = !matches!(given, Ok(None));
        let url = match self.url {
            None if supervisor.is_some() && !is_given => Some(SUPERVISOR_URL.to_owned()),
            url => url,
        };
        let address = url.map(|url| {
            Address::parse(&url).map_err(|message| {
                let hint = format!(
                    "write the address of Home Assistant's page: `http://homeassistant.local:{PORT}`"
                );
                ConfigError::key("url", message).hint(hint)
            })
        });
        let address = address.transpose();
        let is_supervisor = matches!(&address, Ok(Some(address)) if address.host == "supervisor");
        let token = match (&given, supervisor) {
            (Ok(None), Some(token)) if is_supervisor => Ok(Secret::from(token)),
            (Ok(None), _) if is_supervisor => Err(ConfigError::section(
                "the supervisor gives this add-on no token",
            )
            .hint("`homeassistant_api: true` in the `config.yaml` of the add-on lets it use Home Assistant")),
            (Ok(None), _) => {
                Err(ConfigError::section("`token` or `token_file` is missing").hint(HOW_TO_MAKE_A_TOKEN))
            }
            (Ok(Some(token)), _) => Ok(token.clone()),
            (Err(error), _) => Err(error.clone()),
        };
        let tls = tls(self.ca_file.as_deref());
        let prefix = self.prefix.unwrap_or_default();
        let wrong_prefix = (!prefix.is_empty() && (slug(&prefix) != prefix || prefix.len() > MAX_PREFIX)).then(|| {
            let message = format!("`{prefix}` is not a valid prefix");
            let hint = format!(
                "expected at most {MAX_PREFIX} lower-case letters, digits and single `_`, such as `garage`"
            );
            ConfigError::key("prefix", message).hint(hint)
        });
        let found = [address.as_ref().err(), token.as_ref().err(), tls.as_ref().err(), wrong_prefix.as_ref()];
        ConfigError::all(found.into_iter().flatten().cloned())?;
        Ok(Settings { address: address?, token: token?, tls: Arc::new(tls?), prefix })
    }
}

/// Hint for a token that is missing or wrong.
pub(crate) const HOW_TO_MAKE_A_TOKEN: &str = "make one in Home Assistant, as an administrator: your name at the bottom \
     left, Security, Long-lived access tokens";

/// Returns TLS settings that trust the certificates in `ca_file`, or else the public authorities.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, ConfigError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let shown = path.display();
            let wrong = |message: String| ConfigError::key("ca_file", message);
            let pem = fs::read(path).map_err(|error| wrong(format!("could not read `{shown}`: {error}")))?;
            let found: Vec<_> =
                CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().unwrap_or_default();
            if found.is_empty() {
                return Err(wrong(format!("`{shown}` contains no certificate"))
                    .hint("expected a PEM file, with `-----BEGIN CERTIFICATE-----`"));
            }
            for certificate in found {
                roots.add(certificate).map_err(|error| {
                    wrong(format!("`{shown}` contains a certificate that cannot be used: {error}"))
                })?;
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::section(format!("could not set up TLS: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_the_page_of_the_websocket_or_of_the_supervisor() {
        for (text, websocket, origin) in [
            (
                "http://homeassistant.local:8123",
                "ws://homeassistant.local:8123/api/websocket",
                "http://homeassistant.local:8123",
            ),
            ("https://home.example/ha/", "wss://home.example:443/ha/api/websocket", "https://home.example"),
            ("ws://10.0.0.2:8123/api/websocket", "ws://10.0.0.2:8123/api/websocket", "http://10.0.0.2:8123"),
            ("http://[fd00::2]:8123", "ws://[fd00::2]:8123/api/websocket", "http://[fd00::2]:8123"),
            ("http://supervisor/core", "ws://supervisor:80/core/websocket", "http://supervisor"),
            ("ws://supervisor/core/websocket", "ws://supervisor:80/core/websocket", "http://supervisor"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (address.websocket().as_str(), address.origin().as_str()),
                (websocket, origin),
                "{text}"
            );
        }
        for (text, message) in [
            ("homeassistant.local:8123", "does not begin with"),
            ("mqtt://broker", "does not begin with"),
            ("http://", "not a valid URL"),
            ("http://user:secret@ha", "user name or password"),
            ("http://ha:0", "1 to 65535"),
            ("http://ha:99999", "1 to 65535"),
        ] {
            let wrong = Address::parse(text).unwrap_err();
            assert!(wrong.contains(message), "{text}: {wrong}");
        }
    }

    fn mistakes(keys: serde_json::Value) -> String {
        let config: Config = serde_json::from_value(keys).unwrap();
        config.settings().err().map(|error| format!("{error:?}")).unwrap_or_default()
    }

    #[test]
    fn a_missing_token_says_where_to_make_one() {
        let mistakes = mistakes(serde_json::json!({"url": "http://ha:8123"}));
        assert!(mistakes.contains("`token` or `token_file` is missing"), "{mistakes}");
        assert!(mistakes.contains("Long-lived access tokens"), "{mistakes}");
    }

    #[test]
    fn wrong_keys_are_refused_all_at_once() {
        let mistakes = mistakes(serde_json::json!({
            "url": "ha", "token": "x", "prefix": "Garage__1", "ca_file": "/nowhere.pem",
        }));
        for part in [
            "the URL does not begin with",
            "`Garage__1` is not a valid prefix",
            "could not read `/nowhere.pem`",
        ] {
            assert!(mistakes.contains(part), "{part} in {mistakes}");
        }
    }
}

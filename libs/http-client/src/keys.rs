//! The keys that every plugin has that speaks HTTP.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use framework::{ConfigError, Period, Secret};
use serde::{Deserialize, Deserializer, de::Error as _};
use ureq::{
    http::Uri,
    tls::{Certificate, PemItem, parse_pem},
};

use crate::endpoint::{Endpoint, LIMIT};

/// A user who looks whether readings arrive waits no longer, and no more of them come at once than can be sent.
const MAX_FLUSH_INTERVAL: Period = Period(Duration::from_secs(3600));

/// `flush_interval` as it is written: `#[serde(deserialize_with = "http_client::flush_interval")]`.
///
/// # Errors
/// Where it is no duration, or longer than an hour.
pub fn flush_interval<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Period, D::Error> {
    let period = Period::deserialize(deserializer)?;
    if *period > *MAX_FLUSH_INTERVAL {
        let message = format!("`flush_interval` must be at most {MAX_FLUSH_INTERVAL}, not {period}");
        return Err(D::Error::custom(message));
    }
    Ok(period)
}

/// `flush_interval` where the configuration does not say it.
pub fn default_flush_interval() -> Period {
    Period(Duration::from_secs(1))
}

/// Where requests go, and what they show there, as it is written.
#[derive(Debug, Default)]
pub struct Keys {
    /// `http://` or `https://`, the host, and what comes before a message's own path.
    pub url: String,
    /// For HTTP's Basic scheme.
    pub username: Option<String>,
    /// The password of `username`.
    pub password: Option<Secret>,
    /// A file with it.
    pub password_file: Option<PathBuf>,
    /// What is shown instead of a name and a password.
    pub token: Option<Secret>,
    /// A file with it.
    pub token_file: Option<PathBuf>,
    /// A PEM file: certificates that are trusted instead of those of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether bodies are compressed.
    pub gzip: bool,
}

impl Keys {
    /// The far end of these keys. A token is shown in this `scheme`: `Bearer`, mostly.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn endpoint(self, scheme: &str) -> Result<Endpoint, ConfigError> {
        self.endpoint_within(scheme, LIMIT)
    }

    /// One that gives up a request after `limit`.
    pub(crate) fn endpoint_within(self, scheme: &str, limit: Duration) -> Result<Endpoint, ConfigError> {
        let uri = url(&self.url);
        let password =
            Secret::given(["password", "password_file"], self.password, self.password_file.as_deref());
        let token = Secret::given(["token", "token_file"], self.token, self.token_file.as_deref());
        let roots = self.ca_file.as_deref().map(certificates).transpose();
        let (user, password_given, token_given) =
            (self.username.is_some(), !matches!(password, Ok(None)), !matches!(token, Ok(None)));
        let mut wrong = Vec::new();
        if user && token_given {
            wrong.push(ConfigError::key("username", "`username` and `token` exclude each other"));
        }
        if password_given && !user {
            let message = "a password is of no use without `username`";
            wrong.push(ConfigError::section(message).hint("write both, or `token`"));
        }
        if self.username.as_ref().is_some_and(|name| name.contains(':')) {
            wrong.push(ConfigError::key("username", "`username` must have no `:`, HTTP ends it there"));
        }
        let found = [uri.as_ref().err(), password.as_ref().err(), token.as_ref().err(), roots.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned().chain(wrong))?;
        let authorization = match (self.username, token?) {
            (Some(name), _) => {
                let password = password?;
                let password = password.as_ref().map_or("", Secret::reveal);
                Some(format!("Basic {}", base64(format!("{name}:{password}").as_bytes())))
            }
            (None, Some(token)) => Some(format!("{scheme} {}", token.reveal())),
            (None, None) => None,
        };
        Ok(Endpoint::new(&uri?, authorization.map(Secret::from), roots?, self.gzip, limit))
    }
}

fn url(text: &str) -> Result<Uri, ConfigError> {
    let wrong = |message| {
        let hint =
            "write `http://` or `https://`, the host and, if it is another, the port: `http://nas:8086`";
        Err(ConfigError::key("url", message).hint(hint))
    };
    // It is not quoted: its path may be a secret.
    let Ok(uri) = text.parse::<Uri>() else { return wrong("this is no URL") };
    let Some(authority) = uri.authority() else { return wrong("this URL has no host") };
    match uri.scheme_str() {
        // It would stand in every message.
        _ if authority.as_str().contains('@') => {
            Err(ConfigError::key("url", "a name and a password do not belong in the URL")
                .hint("write `username` and `password`"))
        }
        Some("http" | "https") if !authority.host().is_empty() => Ok(uri),
        Some("http" | "https") => wrong("this URL has no host"),
        _ => wrong("this is no URL of HTTP"),
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ConfigError> {
    let wrong = |error| ConfigError::key("ca_file", format!("could not read `{}`: {error}", path.display()));
    let pem = fs::read_to_string(path).map_err(wrong)?;
    let items = parse_pem(pem.as_bytes()).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    match items.collect::<Vec<_>>() {
        none if none.is_empty() => {
            let message = format!("`{}` has no certificate", path.display());
            Err(ConfigError::key("ca_file", message).hint("a PEM file: `-----BEGIN CERTIFICATE-----`"))
        }
        some => Ok(some),
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xFB, 0xFF]), "+/8=");
    }

    fn mistakes(keys: Keys) -> String {
        format!("{:?}", keys.endpoint("Bearer").unwrap_err())
    }

    fn keys(url: &str) -> Keys {
        Keys { url: url.into(), ..Keys::default() }
    }

    #[test]
    fn only_a_url_of_http_is_one() {
        for url in ["http://nas:8086", "https://nas", "http://[::1]:8086/a/b/", "http://nas/hook?key=1"] {
            assert!(keys(url).endpoint("Bearer").is_ok(), "{url}");
        }
        for (url, message) in [
            ("", "this is no URL"),
            ("nas:8086", "is no URL"),
            ("/write", "has no host"),
            ("ftp://nas/geheim", "is no URL of HTTP"),
            ("http://a b/geheim", "is no URL"),
            ("nas/geheim", "is no URL"),
            ("/geheim", "has no host"),
            ("http://user:geheim@nas", "do not belong in the URL"),
        ] {
            let mistakes = mistakes(keys(url));
            assert!(mistakes.contains(message) && !mistakes.contains("geheim"), "{url}: {mistakes}");
        }
    }

    #[test]
    fn every_mistake_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, " \n").unwrap();
        let wrong = Keys {
            username: Some("a:b".into()),
            password: Some("x".to_owned().into()),
            password_file: Some(empty.clone()),
            token_file: Some(empty.clone()),
            ca_file: Some(empty),
            ..keys("nas")
        };
        let mistakes = mistakes(wrong);
        for message in [
            "is no URL",
            "`password` and `password_file` exclude each other",
            "`token_file` is empty",
            "has no certificate",
            "`username` and `token` exclude each other",
            "`username` must have no `:`",
        ] {
            assert!(mistakes.contains(message), "{message} in {mistakes}");
        }
        let alone = Keys { password: Some("x".to_owned().into()), ..keys("http://nas") };
        assert!(alone.endpoint("Bearer").unwrap_err().message.contains("no use without `username`"));
        let lines = Keys { token: Some("x\r\ny".to_owned().into()), ..keys("http://nas") };
        assert!(lines.endpoint("Bearer").unwrap_err().message.contains("control character"));
        let gone = Keys { ca_file: Some("/nonexistent".into()), ..keys("http://nas") };
        assert!(gone.endpoint("Bearer").unwrap_err().message.contains("could not read"));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let keys = Keys { token: Some("geheim".to_owned().into()), ..keys("http://nas/hook?key=geheim") };
        assert!(!format!("{:?}", keys.token).contains("geheim"));
        let endpoint = keys.endpoint("Bearer").unwrap();
        assert!(!format!("{endpoint:?}").contains("geheim"), "{endpoint:?}");
    }
}

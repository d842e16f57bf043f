//! Configuration keys that all plugins with HTTP share.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use framework::{Batching, ConfigError, Period, Secret};
use ureq::{
    http::Uri,
    tls::{Certificate, PemItem, parse_pem},
};

use crate::client::{Client, TIMEOUT};

/// Longer, a user who looks for new readings would think that none arrive.
const MAX_FLUSH_INTERVAL: Period = Period(Duration::from_secs(3600));

/// Declares a plugin's `Config`: its own keys, and those of [`ClientConfig`], which its method `http` takes out.
///
/// A macro, as serde hides the keys of a flattened struct from the framework, which lists them in its hints.
#[macro_export]
macro_rules! config {
    ($(#[$about:meta])* pub struct Config { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, ::serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Config {
            $($own)*
            url: ::framework::Secret,
            username: Option<String>,
            password: Option<::framework::Secret>,
            password_file: Option<::std::path::PathBuf>,
            token: Option<::framework::Secret>,
            token_file: Option<::std::path::PathBuf>,
            ca_file: Option<::std::path::PathBuf>,
            gzip: Option<bool>,
            flush_interval: Option<::framework::Period>,
            batch_size: Option<usize>,
        }

        impl Config {
            fn http(&mut self) -> $crate::ClientConfig {
                $crate::ClientConfig {
                    url: self.url.reveal().to_owned(),
                    username: self.username.take(),
                    password: self.password.take(),
                    password_file: self.password_file.take(),
                    token: self.token.take(),
                    token_file: self.token_file.take(),
                    ca_file: self.ca_file.take(),
                    gzip: self.gzip.unwrap_or_default(),
                    flush_interval: self.flush_interval,
                    batch_size: self.batch_size,
                }
            }
        }
    };
}

/// Configuration of a client, as in the file.
#[derive(Debug, Default)]
pub struct ClientConfig {
    /// `http://` or `https://`, the host, and the path before that of a request.
    pub url: String,
    /// User name for HTTP's Basic scheme.
    pub username: Option<String>,
    /// Password of `username`.
    pub password: Option<Secret>,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// Token instead of a name and a password.
    pub token: Option<Secret>,
    /// File with the token.
    pub token_file: Option<PathBuf>,
    /// PEM file with certificates to trust instead of the public authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether to compress bodies.
    pub gzip: bool,
    /// Maximum time that a record waits for others.
    pub flush_interval: Option<Period>,
    /// Maximum number of records in one request.
    pub batch_size: Option<usize>,
}

impl ClientConfig {
    /// Builds the client, and the size and delay of its batches: by default `size`, and a second. A token is sent in
    /// this `scheme` of authorization, mostly `Bearer`.
    ///
    /// # Errors
    /// Returns every mistake in the keys, and a `batch_size` above `most`.
    pub fn build(self, scheme: &str, size: usize, most: usize) -> Result<(Client, Batching), ConfigError> {
        let linger = self.flush_interval.unwrap_or(Period(Duration::from_secs(1)));
        let records = self.batch_size.unwrap_or(size);
        let client = self.client(scheme);
        let slow = (*linger > *MAX_FLUSH_INTERVAL).then(|| {
            let message = format!("`flush_interval` must be at most {MAX_FLUSH_INTERVAL}, not {linger}");
            ConfigError::key("flush_interval", message)
        });
        let wrong = (!(1..=most).contains(&records)).then(|| {
            let message = format!("`batch_size` must be 1 to {most} records, not {records}");
            ConfigError::key("batch_size", message)
        });
        ConfigError::all(client.as_ref().err().cloned().into_iter().chain(slow).chain(wrong))?;
        Ok((client?, Batching { records, linger: *linger }))
    }

    /// Builds the client. A token is sent in this `scheme` of authorization, mostly `Bearer`.
    ///
    /// # Errors
    /// Returns every mistake in the keys.
    pub fn client(self, scheme: &str) -> Result<Client, ConfigError> {
        self.client_with_timeout(scheme, TIMEOUT)
    }

    pub(crate) fn client_with_timeout(self, scheme: &str, timeout: Duration) -> Result<Client, ConfigError> {
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
            let message = "a password needs a `username`";
            wrong.push(ConfigError::section(message).hint("write both, or `token`"));
        }
        if self.username.as_ref().is_some_and(|name| name.contains(':')) {
            wrong
                .push(ConfigError::key("username", "`username` must not contain `:`, which ends it in HTTP"));
        }
        let found = [uri.as_ref().err(), password.as_ref().err(), token.as_ref().err(), roots.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned().chain(wrong))?;
        let authorization = match (self.username, token?) {
            (Some(name), _) => {
                let password = password?;
                let password = password.as_ref().map_or("", Secret::reveal);
                Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}"))))
            }
            (None, Some(token)) => Some(format!("{scheme} {}", token.reveal())),
            (None, None) => None,
        };
        Ok(Client::new(&uri?, authorization.map(Secret::from), roots?, self.gzip, timeout))
    }
}

fn url(text: &str) -> Result<Uri, ConfigError> {
    let wrong = |message| {
        let hint = "write `http://` or `https://`, the host and the port: `http://nas:8086`";
        Err(ConfigError::key("url", message).hint(hint))
    };
    // The messages do not quote the URL, as its path may be a secret.
    let Ok(uri) = text.parse::<Uri>() else { return wrong("not a valid HTTP URL") };
    let Some(authority) = uri.authority() else { return wrong("the URL has no host") };
    match uri.scheme_str() {
        // Every message would show it.
        _ if authority.as_str().contains('@') => {
            Err(ConfigError::key("url", "the URL must not contain a user name or password")
                .hint("write `username` and `password`"))
        }
        Some("http" | "https") if authority.host().is_empty() => wrong("the URL has no host"),
        Some("http" | "https") => match authority.port_u16() {
            None if authority.as_str() == authority.host() => Ok(uri),
            None | Some(0) => wrong("the port of the URL is not a number from 1 to 65535"),
            Some(_) => Ok(uri),
        },
        _ => wrong("not a valid HTTP URL"),
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
            let message = format!("`{}` contains no certificate", path.display());
            Err(ConfigError::key("ca_file", message)
                .hint("expected a PEM file, with `-----BEGIN CERTIFICATE-----`"))
        }
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(config: ClientConfig) -> String {
        format!("{:?}", config.client("Bearer").unwrap_err())
    }

    fn config(url: &str) -> ClientConfig {
        ClientConfig { url: url.into(), ..ClientConfig::default() }
    }

    #[test]
    fn only_urls_of_http_are_accepted() {
        for url in ["http://nas:8086", "https://nas", "http://[::1]:8086/a/b/", "http://nas/hook?key=1"] {
            assert!(config(url).client("Bearer").is_ok(), "{url}");
        }
        for (url, message) in [
            ("", "not a valid HTTP URL"),
            ("nas:8086", "not a valid HTTP URL"),
            ("/write", "has no host"),
            ("ftp://nas/geheim", "not a valid HTTP URL"),
            ("http://a b/geheim", "not a valid HTTP URL"),
            ("nas/geheim", "not a valid HTTP URL"),
            ("/geheim", "has no host"),
            ("http://user:geheim@nas", "must not contain a user name"),
            ("http://nas:65536", "the port of the URL is not a number from 1 to 65535"),
            ("http://nas:0", "the port of the URL is not a number from 1 to 65535"),
            ("https://[::1]:99999/geheim", "the port of the URL is not a number from 1 to 65535"),
        ] {
            let mistakes = mistakes(config(url));
            assert!(mistakes.contains(message) && !mistakes.contains("geheim"), "{url}: {mistakes}");
        }
    }

    #[test]
    fn every_mistake_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty");
        fs::write(&empty, " \n").unwrap();
        let wrong = ClientConfig {
            username: Some("a:b".into()),
            password: Some("x".to_owned().into()),
            password_file: Some(empty.clone()),
            token_file: Some(empty.clone()),
            ca_file: Some(empty),
            ..config("nas")
        };
        let mistakes = mistakes(wrong);
        for message in [
            "not a valid HTTP URL",
            "`password` and `password_file` exclude each other",
            "`token_file` is empty",
            "contains no certificate",
            "`username` and `token` exclude each other",
            "`username` must not contain `:`",
        ] {
            assert!(mistakes.contains(message), "{message} in {mistakes}");
        }
        let alone = ClientConfig { password: Some("x".to_owned().into()), ..config("http://nas") };
        assert!(alone.client("Bearer").unwrap_err().message.contains("needs a `username`"));
        let lines = ClientConfig { token: Some("x\r\ny".to_owned().into()), ..config("http://nas") };
        assert!(lines.client("Bearer").unwrap_err().message.contains("control character"));
        let gone = ClientConfig { ca_file: Some("/nonexistent".into()), ..config("http://nas") };
        assert!(gone.client("Bearer").unwrap_err().message.contains("could not read"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let config =
            ClientConfig { token: Some("geheim".to_owned().into()), ..config("http://nas/hook?key=geheim") };
        assert!(!format!("{:?}", config.token).contains("geheim"));
        let client = config.client("Bearer").unwrap();
        assert!(!format!("{client:?}").contains("geheim"), "{client:?}");
    }
}

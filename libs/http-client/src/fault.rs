//! Connection errors, with advice.

use std::{io, time::Duration};

use framework::{Period, PublishError};
use rustls::{CertificateError, OtherError};
use ureq::{Error, Timeout};

/// Characters of another library's message that are shown.
const MAX_REASON: usize = 200;

/// Explains why there is no response from `origin`.
pub(crate) fn explain(error: &Error, origin: &str, timeout: Duration) -> PublishError {
    let no_response = |reason: String| {
        PublishError::unavailable(format!("no response from `{origin}`: {}", shortened(&reason)))
    };
    match error {
        Error::Timeout(Timeout::Resolve) | Error::HostNotFound => {
            PublishError::unavailable(format!("the host of `{origin}` was not found"))
        }
        Error::Timeout(_) => {
            PublishError::unavailable(format!("no response from `{origin}` within {}", Period(timeout)))
        }
        Error::BadUri(_) | Error::Http(_) => {
            let reason = shortened(&error.to_string());
            PublishError::misconfigured(format!("the request to `{origin}` is invalid: {reason}"))
        }
        Error::Tls(reason) => not_trusted(origin, reason),
        Error::Rustls(error) => tls(error, origin).unwrap_or_else(|| no_response(error.to_string())),
        Error::Io(error) => error
            .get_ref()
            .and_then(|inner| tls(inner.downcast_ref()?, origin))
            .unwrap_or_else(|| no_response(io_reason(error))),
        error => no_response(error.to_string()),
    }
}

/// Explains a fault of TLS that stays until somebody does something about it.
fn tls(error: &rustls::Error, origin: &str) -> Option<PublishError> {
    Some(match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))
            if matches!(inner.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            PublishError::misconfigured(format!(
                "the certificate of `{origin}` is that of an authority, as made by `openssl req -x509`: make a server \
                 certificate, with `-addext basicConstraints=critical,CA:FALSE`"
            ))
        }
        rustls::Error::InvalidCertificate(_) => not_trusted(origin, &error.to_string()),
        rustls::Error::InvalidMessage(_) => {
            PublishError::misconfigured(format!("`{origin}` does not speak TLS: write `http://` in `url`"))
        }
        _ => return None,
    })
}

fn not_trusted(origin: &str, reason: &str) -> PublishError {
    PublishError::misconfigured(format!(
        "the certificate of `{origin}` is not trusted: {}; if it is your own, name its authority in `ca_file`",
        shortened(reason)
    ))
}

/// Words the fault as the system does, but without the system's number of it.
fn io_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
        Some(code) => text.trim_end_matches(&format!(" (os error {code})")).to_lowercase(),
        None => text,
    }
}

fn shortened(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

//! Faults of the connection and rejections, with advice.

use std::io;

use framework::PublishError;
use rustls::{CertificateError, OtherError};
use tokio_tungstenite::tungstenite::{Error, error::CapacityError};

use crate::config::HOW_TO_MAKE_A_TOKEN;

/// Characters of a foreign message that are shown.
const MAX_REASON: usize = 200;

/// Cuts a foreign text.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}

/// Explains that the connection has ended.
pub(super) fn closed(origin: &str) -> PublishError {
    PublishError::unavailable(format!("`{origin}` has closed the connection"))
}

/// Explains a fault of the WebSocket.
pub(super) fn explain(error: &Error, origin: &str) -> PublishError {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => closed(origin),
        Error::Io(error) => io_fault(error, origin),
        Error::Http(response) => status(response.status().as_u16(), origin),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            PublishError::refused(format!("`{origin}` sends more than an answer may have: {error}"))
        }
        error => PublishError::unavailable(format!("`{origin}`: {}", shortened(&error.to_string()))),
    }
}

/// Explains a status other than that of a new WebSocket.
fn status(status: u16, origin: &str) -> PublishError {
    match status {
        401 => PublishError::misconfigured(format!(
            "the supervisor rejects the token of the add-on (HTTP 401): its `config.yaml` needs `homeassistant_api: true`; \
             elsewhere {HOW_TO_MAKE_A_TOKEN}"
        )),
        403 => PublishError::misconfigured(format!(
            "`{origin}` has banned this machine (HTTP 403), as after several wrong tokens: remove its address from \
             `ip_bans.yaml` of Home Assistant and restart it"
        )),
        301 | 302 | 307 | 308 => PublishError::misconfigured(format!(
            "`{origin}` is elsewhere (HTTP {status}): write the address that a browser shows in the end"
        )),
        // The supervisor, or a proxy, while Home Assistant starts.
        500..=599 | 429 => PublishError::unavailable(format!("`{origin}` is not ready (HTTP {status})")),
        _ => PublishError::misconfigured(format!(
            "there is no Home Assistant at `{origin}` (HTTP {status}): write the address of its page in `url`"
        )),
    }
}

/// Explains a fault of the connection below the WebSocket.
pub(super) fn io_fault(error: &io::Error, origin: &str) -> PublishError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))))
            if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            PublishError::misconfigured(format!(
                "the certificate of `{origin}` is that of an authority, as made by `openssl req -x509`: make a server \
                 certificate, with `-addext basicConstraints=critical,CA:FALSE`"
            ))
        }
        Some(rustls::Error::InvalidCertificate(reason)) => PublishError::misconfigured(format!(
            "the certificate of `{origin}` is not trusted: {}; if it is your own, name its authority in `ca_file`",
            shortened(&reason.to_string())
        )),
        Some(rustls::Error::InvalidMessage(_)) => {
            PublishError::misconfigured(format!("`{origin}` does not speak TLS: write `http://` in `url`"))
        }
        _ if error.kind() == io::ErrorKind::UnexpectedEof => closed(origin),
        _ => {
            let text = error.to_string();
            let reason = match error.raw_os_error() {
                Some(code) => text.trim_end_matches(&format!(" (os error {code})")).to_lowercase(),
                None => text,
            };
            PublishError::unavailable(format!("no connection to `{origin}`: {}", shortened(&reason)))
        }
    }
}

/// Explains that Home Assistant refuses a question.
pub(super) fn rejected(origin: &str, kind: &str, code: &str, message: &str) -> PublishError {
    let message = shortened(message);
    match code {
        "unauthorized" => PublishError::misconfigured(format!(
            "the token is not of an administrator, so `{origin}` refuses `{kind}`: {HOW_TO_MAKE_A_TOKEN}"
        )),
        // Its recorder comes some seconds after its WebSocket.
        "unknown_command" => PublishError::unavailable(format!(
            "`{origin}` does not know `{kind}`: it is starting, or its `recorder` is turned off"
        )),
        "unknown_error" | "home_assistant_error" | "timeout" => {
            PublishError::unavailable(format!("`{origin}` cannot answer `{kind}`: {message}"))
        }
        code => {
            PublishError::refused(format!("`{origin}` refuses `{kind}` ({}): {message}", shortened(code)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_to_do() {
        for (code, part) in [
            (401, "homeassistant_api: true"),
            (403, "ip_bans.yaml"),
            (302, "the address that a browser shows"),
            (502, "is not ready"),
            (404, "there is no Home Assistant at `http://ha`"),
        ] {
            let error = status(code, "http://ha");
            assert!(error.to_string().contains(part), "{code}: {error}");
            assert_eq!(matches!(error, PublishError::Unavailable { .. }), code == 502, "{code}");
        }
    }

    #[test]
    fn a_code_of_home_assistant_says_whether_to_wait() {
        let of = |code| rejected("http://ha", "recorder/import_statistics", code, "words");
        assert!(matches!(of("unauthorized"), PublishError::Misconfigured { .. }));
        assert!(matches!(of("unknown_command"), PublishError::Unavailable { .. }));
        assert!(matches!(of("home_assistant_error"), PublishError::Unavailable { .. }));
        assert!(matches!(of("invalid_format"), PublishError::Refused { .. }));
    }
}

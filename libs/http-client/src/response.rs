//! Meaning of a response for the records of its request.

use std::time::Duration;

use framework::{PublishError, Timestamp};
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

/// Characters of the server's own message that are shown.
const MAX_MESSAGE: usize = 300;

/// Places of the message in a JSON body (RFC 6901): of InfluxDB, Volkszähler and most others.
const MESSAGES: [&str; 5] = ["/exception/message", "/error/message", "/message", "/error", "/detail"];

/// HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Scheme and host of the server.
    pub(crate) origin: String,
    /// HTTP status.
    pub status: u16,
    /// Pause that the server asks for in `Retry-After`.
    pub retry_after: Option<Duration>,
    /// Up to 64 KiB of the body.
    pub body: String,
}

impl Response {
    /// Returns whether the status is one of success.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Judges the response by its status alone.
    ///
    /// # Errors
    /// 429 and 5xx will pass (RFC 9110, section 15.6; RFC 6585, section 4). A wrong address or wrong credentials stay
    /// until the user does something. Everything else is about these records.
    pub fn check(&self) -> Result<(), PublishError> {
        match self.status {
            200..=299 => Ok(()),
            300..=399 => {
                Err(self.misconfigured("it redirects: set `url` to the address that it redirects to"))
            }
            401 | 407 => Err(self.misconfigured("check `username` and `password`, or `token`")),
            403 => Err(self.misconfigured("the user or the token needs permission to write there")),
            404 | 405 | 410 => Err(self.misconfigured("nothing accepts readings there: check `url`")),
            415 => Err(self.misconfigured("it does not accept this format: try `gzip = false`")),
            408 | 425 | 429 | 500.. => Err(self.unavailable()),
            _ => Err(PublishError::refused(self.summary())),
        }
    }

    /// Builds the error of a server that is overloaded or has a fault of its own.
    pub fn unavailable(&self) -> PublishError {
        PublishError::Unavailable { reason: self.summary(), retry_after: self.retry_after }
    }

    /// Builds the error of a server that accepts nothing until the user follows the `advice`.
    pub fn misconfigured(&self, advice: &str) -> PublishError {
        PublishError::misconfigured(format!("{}; {advice}", self.summary()))
    }

    /// Describes the response: server, status, first line of the message.
    pub fn summary(&self) -> String {
        let Self { origin, status, .. } = self;
        match self.message() {
            message if message.is_empty() => format!("`{origin}` answered {status}"),
            message => format!("`{origin}` answered {status}: {message}"),
        }
    }

    /// Returns the error message of the body, from its JSON or its first line; empty for a page for browsers.
    fn message(&self) -> String {
        let json = serde_json::from_str::<Value>(&self.body).unwrap_or_default();
        let in_json = MESSAGES.iter().find_map(|place| json.pointer(place)?.as_str());
        let text = in_json.unwrap_or(&self.body);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        if line.starts_with('<') {
            return String::new();
        }
        let readable = line.chars().map(|c| if c.is_control() { ' ' } else { c });
        readable.take(MAX_MESSAGE).collect()
    }
}

/// Parses `Retry-After` (RFC 9110, section 10.2.3): seconds or a date.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    // A moment that is past means now.
    Some(Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { origin: "http://nas".into(), status, retry_after: None, body: body.into() }
    }

    #[test]
    fn the_status_decides_the_error() {
        assert_eq!(response(204, "").check(), Ok(()));
        assert_eq!(response(299, "").check(), Ok(()));
        for (status, advice) in [
            (301, "it redirects: set `url` to the address that it redirects to"),
            (308, "it redirects: set `url` to the address that it redirects to"),
            (401, "check `username` and `password`, or `token`"),
            (403, "the user or the token needs permission to write there"),
            (404, "nothing accepts readings there: check `url`"),
            (415, "it does not accept this format: try `gzip = false`"),
        ] {
            let reason = format!("`http://nas` answered {status}: no; {advice}");
            assert_eq!(response(status, "no").check(), Err(PublishError::misconfigured(reason)));
        }
        for status in [400, 413, 422, 199] {
            let reason = format!("`http://nas` answered {status}: no");
            assert_eq!(response(status, "no").check(), Err(PublishError::refused(reason)));
        }
        for status in [408, 429, 500, 502, 503, 599] {
            let reason = format!("`http://nas` answered {status}: busy");
            let retry_after = Some(Duration::from_secs(7));
            let busy = Response { retry_after, ..response(status, "busy") };
            assert_eq!(busy.check(), Err(PublishError::Unavailable { reason, retry_after }));
        }
    }

    #[test]
    fn the_summary_has_the_first_line_of_the_message() {
        assert_eq!(
            response(500, "\n\n  one\u{7}two\r\nthree").summary(),
            "`http://nas` answered 500: one two"
        );
        assert_eq!(response(500, "<!DOCTYPE html>\n<html>").summary(), "`http://nas` answered 500");
        assert_eq!(
            response(404, r#"{"error":"no \"x\""}"#).summary(),
            r#"`http://nas` answered 404: no "x""#
        );
        assert_eq!(
            response(400, r#"{"exception":{"message":"no"}}"#).summary(),
            "`http://nas` answered 400: no"
        );
        assert!(response(500, &"ä".repeat(10_000)).summary().chars().count() < 400);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |value| retry_after(value).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds(" 86400 "), Some(86_400));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert!(seconds("Fri, 01 Jan 2100 00:00:00 GMT").unwrap() > 1_000_000_000);
        for none in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}

//! What an answer means for the records that it is about.

use std::time::Duration;

use framework::{PublishError, Timestamp};
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

/// Nobody has to be asked less often than this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// So much of the far end's own words is passed on.
const MAX_MESSAGE: usize = 300;

/// Where a body of JSON has its message, by RFC 6901: InfluxDB, Volkszähler and most others.
const MESSAGES: [&str; 5] = ["/exception/message", "/error/message", "/message", "/error", "/detail"];

/// What the far end said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Scheme and host of who said it.
    pub(crate) place: String,
    /// HTTP's status.
    pub status: u16,
    /// How long it wants to be left alone: HTTP's `Retry-After`, at most an hour.
    pub retry_after: Option<Duration>,
    /// At most 64 KiB of its text.
    pub body: String,
}

impl Answer {
    /// Whether it took what it was sent.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What follows from the status alone.
    ///
    /// # Errors
    /// As the status says: 429 and 5xx (RFC 9110, section 15.6; RFC 6585, section 4) go by, what is wrong with the address or
    /// with the credentials stays until a user does something, and everything else is about these records.
    pub fn check(&self) -> Result<(), PublishError> {
        match self.status {
            200..=299 => Ok(()),
            300..=399 => Err(self.misconfigured("it wants another URL: write that one in `url`")),
            401 | 407 => Err(self.misconfigured("check `username` and `password`, or `token`")),
            403 => Err(self.misconfigured("the user or the token must be allowed to write there")),
            404 | 405 | 410 => Err(self.misconfigured("nothing takes readings there: check `url`")),
            415 => Err(self.misconfigured("it does not take this form: try `gzip = false`")),
            408 | 425 | 429 | 500.. => Err(self.unavailable()),
            _ => Err(PublishError::refused(self.said())),
        }
    }

    /// It has no time, or a trouble of its own.
    pub fn unavailable(&self) -> PublishError {
        PublishError::Unavailable { reason: self.said(), retry_after: self.retry_after }
    }

    /// It takes nothing until somebody does what `advice` says.
    pub fn misconfigured(&self, advice: &str) -> PublishError {
        PublishError::misconfigured(format!("{}; {advice}", self.said()))
    }

    /// Who answers, with which status, and the first line of the message.
    pub fn said(&self) -> String {
        let Self { place, status, .. } = self;
        match self.message() {
            message if message.is_empty() => format!("`{place}` answers {status}"),
            message => format!("`{place}` answers {status}: {message}"),
        }
    }

    /// What the body says of an error, in JSON or in its first line. A page for a browser says nothing.
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

/// The value of `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
pub(crate) fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(value).ok()?;
            // What is past is now.
            Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { place: "http://nas".into(), status, retry_after: None, body: body.into() }
    }

    #[test]
    fn the_status_says_what_follows() {
        assert_eq!(answer(204, "").check(), Ok(()));
        assert_eq!(answer(299, "").check(), Ok(()));
        for (status, advice) in [
            (301, "it wants another URL: write that one in `url`"),
            (308, "it wants another URL: write that one in `url`"),
            (401, "check `username` and `password`, or `token`"),
            (403, "the user or the token must be allowed to write there"),
            (404, "nothing takes readings there: check `url`"),
            (415, "it does not take this form: try `gzip = false`"),
        ] {
            let reason = format!("`http://nas` answers {status}: no; {advice}");
            assert_eq!(answer(status, "no").check(), Err(PublishError::misconfigured(reason)));
        }
        for status in [400, 413, 422, 199] {
            let reason = format!("`http://nas` answers {status}: no");
            assert_eq!(answer(status, "no").check(), Err(PublishError::refused(reason)));
        }
        for status in [408, 429, 500, 502, 503, 599] {
            let reason = format!("`http://nas` answers {status}: busy");
            let retry_after = Some(Duration::from_secs(7));
            let busy = Answer { retry_after, ..answer(status, "busy") };
            assert_eq!(busy.check(), Err(PublishError::Unavailable { reason, retry_after }));
        }
    }

    #[test]
    fn of_a_message_the_first_line_is_passed_on() {
        assert_eq!(answer(500, "\n\n  one\u{7}two\r\nthree").said(), "`http://nas` answers 500: one two");
        assert_eq!(answer(500, "<!DOCTYPE html>\n<html>").said(), "`http://nas` answers 500");
        assert_eq!(answer(404, r#"{"error":"no \"x\""}"#).said(), r#"`http://nas` answers 404: no "x""#);
        assert_eq!(answer(400, r#"{"exception":{"message":"no"}}"#).said(), "`http://nas` answers 400: no");
        assert!(answer(500, &"ä".repeat(10_000)).said().chars().count() < 400);
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_and_has_an_end() {
        let seconds = |value| retry_after(value).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds("0"), Some(0));
        assert_eq!(seconds(" 86400 "), Some(3600));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        assert_eq!(seconds("Fri, 01 Jan 2100 00:00:00 GMT"), Some(3600));
        for none in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}

//! Requests to the middleware, and the meaning of its responses.
//!
//! It responds with 400 to every fault, also to those of its own database. The text of the exception is its only hint
//! at the cause, and part of its API in practice.

use framework::{Decimal, PublishError, json};
use http_client::{Client, Request, Response};

/// Value with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple {
    /// Milliseconds since 1970 UTC.
    pub(crate) ms: i64,
    pub(crate) value: Decimal,
}

pub(crate) struct Middleware {
    client: Client,
}

/// Meaning of a response.
enum Outcome {
    Stored,
    NoChannel(String),
    /// The middleware has one of the values already, so it stored none.
    Duplicate,
    Error(PublishError),
}

impl Middleware {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks whether the middleware is there. Only a value shows whether it knows a channel, and none is sent.
    pub(crate) async fn test(&self, channels: usize) -> Result<String, PublishError> {
        let response = self.client.reach().await?;
        match response.status {
            404 => return Err(response.misconfigured("check `url`: it ends with `/middleware.php`")),
            401 | 403 | 500.. => response.check()?,
            _ => {}
        }
        let (origin, status) = (self.client.origin(), response.status);
        Ok(format!(
            "{origin} answers (status {status}); whether it knows the {channels} channels shows when the first values are sent"
        ))
    }

    /// Stores values in a channel, in the order of their times. `series` is its name in messages. Returns the
    /// middleware's response if it does not know the channel, and has stored nothing.
    pub(crate) async fn add(
        &self,
        uuid: &str,
        series: &str,
        tuples: &[Tuple],
    ) -> Result<Option<String>, PublishError> {
        let mut waiting = vec![tuples];
        while let Some(tuples) = waiting.pop() {
            let json = || "application/json".to_owned();
            let headers = vec![("Content-Type".to_owned(), json()), ("Accept".to_owned(), json())];
            let path = format!("/data/{uuid}.json");
            let request = Request { path, headers, body: body(tuples), ..Request::default() };
            match outcome(&self.client.send(request).await?, uuid, series) {
                Outcome::Stored => {}
                Outcome::NoChannel(reason) => return Ok(Some(reason)),
                Outcome::Error(error) => return Err(error),
                // Not every database tells which one, so it is found by halving. Nothing is to be done about it then.
                Outcome::Duplicate if tuples.len() > 1 => {
                    let (first, second) = tuples.split_at(tuples.len() / 2);
                    waiting.extend([second, first]);
                }
                Outcome::Duplicate => {}
            }
        }
        Ok(None)
    }
}

/// Returns `[[1700000000000,312.5],[1700000001000,313.0]]`.
fn body(tuples: &[Tuple]) -> Vec<u8> {
    let mut body = Vec::new();
    let tuples: Vec<_> = tuples.iter().map(|Tuple { ms, value }| (ms, value)).collect();
    json::write(&mut body, &tuples);
    body
}

fn outcome(response: &Response, uuid: &str, series: &str) -> Outcome {
    // Its JSON has its version. A page for browsers, at a wrong URL, has status 200 too.
    if response.status == 200 && response.body.contains("\"version\"") {
        return Outcome::Stored;
    }
    let exception = serde_json::from_str::<serde_json::Value>(&response.body).unwrap_or_default();
    let exception = exception.get("exception");
    let text = |key| exception.and_then(|exception| exception.get(key)?.as_str()).unwrap_or_default();
    let has = |words: &str| text("type").contains(words) || text("message").contains(words);
    Outcome::Error(if has("UniqueConstraintViolation") || has("Duplicate entry") {
        return Outcome::Duplicate;
    } else if has("No entity") || has("Invalid UUID") {
        let advice = format!("check the UUID `{uuid}` of `{series}` in `channels`");
        return Outcome::NoChannel(format!("{}; {advice}", response.summary()));
    } else if has("Access denied") || has("firewall") || has("authorization") || has("Authorization") {
        response.misconfigured("the middleware's `firewall` must allow POST from this machine")
    } else if has("Unknown context") || has("PATH_INFO") {
        response.misconfigured("`url` must end with `middleware.php`, or as the web server has it")
    } else if has("Out of range") || has("Incorrect") {
        PublishError::refused(format!("{}; it is a value of `{series}`", response.summary()))
    } else {
        match response.check() {
            // Its database may be down, for which no record must be lost.
            Err(PublishError::Refused { .. }) if response.status == 400 => response.unavailable(),
            Err(error) => error,
            Ok(()) => response.misconfigured("a middleware responds with 200 and JSON: check `url`"),
        }
    })
}

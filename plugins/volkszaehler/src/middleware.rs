//! The middleware's answers. It says 400 to everything that went wrong, to its own database's faults too: what it means
//! stands in the exception's text.

use framework::{Decimal, PublishError, json};
use http_client::{Client, Request, Response};

/// A value at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple {
    /// Since 1970, UTC.
    pub(crate) ms: i64,
    pub(crate) value: Decimal,
}

pub(crate) struct Middleware {
    client: Client,
}

/// What became of tuples.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    All,
    /// None of them: the middleware has no such channel, it said so.
    NoChannel(String),
}

/// What an answer means.
enum Meaning {
    Stored,
    NoChannel(String),
    /// One of the tuples is there already, so none was stored.
    Duplicate,
    Error(PublishError),
}

impl Middleware {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Stores tuples, in the order of their times, in a channel. `series` is what it is called in messages.
    pub(crate) async fn add(
        &self,
        uuid: &str,
        series: &str,
        tuples: &[Tuple],
    ) -> Result<Added, PublishError> {
        let mut waiting = vec![tuples];
        while let Some(tuples) = waiting.pop() {
            let json = || "application/json".to_owned();
            let headers = vec![("Content-Type".to_owned(), json()), ("Accept".to_owned(), json())];
            let path = format!("/data/{uuid}.json");
            let request = Request { path, headers, body: body(tuples), ..Request::default() };
            match meaning(&self.client.send(request).await?, uuid, series) {
                Meaning::Stored => {}
                Meaning::NoChannel(reason) => return Ok(Added::NoChannel(reason)),
                Meaning::Error(error) => return Err(error),
                // Which one is not said by every database: it is found by halving, and it is there already.
                Meaning::Duplicate if tuples.len() > 1 => {
                    let (first, second) = tuples.split_at(tuples.len() / 2);
                    waiting.extend([second, first]);
                }
                Meaning::Duplicate => {}
            }
        }
        Ok(Added::All)
    }
}

/// Returns `[[1700000000000,312.5],[1700000001000,313.0]]`.
fn body(tuples: &[Tuple]) -> Vec<u8> {
    let mut body = Vec::new();
    let tuples: Vec<_> = tuples.iter().map(|Tuple { ms, value }| (ms, value)).collect();
    json::write(&mut body, &tuples);
    body
}

fn meaning(answer: &Response, uuid: &str, series: &str) -> Meaning {
    // Its JSON says its version. A page for a browser, at a wrong URL, has a 200 too.
    if answer.status == 200 && answer.body.contains("\"version\"") {
        return Meaning::Stored;
    }
    let exception = serde_json::from_str::<serde_json::Value>(&answer.body).unwrap_or_default();
    let exception = exception.get("exception");
    let text = |key| exception.and_then(|exception| exception.get(key)?.as_str()).unwrap_or_default();
    let says = |words: &str| text("type").contains(words) || text("message").contains(words);
    Meaning::Error(if says("UniqueConstraintViolation") || says("Duplicate entry") {
        return Meaning::Duplicate;
    } else if says("No entity") || says("Invalid UUID") {
        let advice = format!("check the UUID `{uuid}` of `{series}` in `channels`");
        return Meaning::NoChannel(format!("{}; {advice}", answer.summary()));
    } else if says("Access denied") || says("firewall") || says("authorization") || says("Authorization") {
        answer.misconfigured("the middleware's `firewall` must allow POST from this machine")
    } else if says("Unknown context") || says("PATH_INFO") {
        answer.misconfigured("`url` must end with `middleware.php`, or as the web server has it")
    } else if says("Out of range") || says("Incorrect") {
        PublishError::refused(format!("{}; it is a value of `{series}`", answer.summary()))
    } else {
        match answer.check() {
            // Its database may be away: the records must not be lost for that.
            Err(PublishError::Refused { .. }) if answer.status == 400 => answer.unavailable(),
            Err(error) => error,
            Ok(()) => answer.misconfigured("a middleware answers 200, with JSON: check `url`"),
        }
    })
}

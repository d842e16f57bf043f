//! Requests: one at a time, off the runtime's own threads.

use std::{
    fmt,
    io::{Read as _, Write as _},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use framework::{PublishError, Secret};
use ureq::{
    Agent, Body, Timeout,
    http::{Response, Uri, header},
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::answer::{Answer, retry_after};

/// How long a request and its answer may take together.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// How much of an answer is read: its message stands at the beginning.
const MAX_ANSWER: u64 = 64 * 1024;

/// A server to which messages go. Its connection is kept for the next message.
pub struct Endpoint {
    agent: Agent,
    /// The URL's path, before a message's own.
    path: String,
    /// What the URL has behind a `?`.
    query: Option<String>,
    authorization: Option<Secret>,
    gzip: bool,
    limit: Duration,
    /// Scheme and host: what is said of the URL, whose path may be a secret.
    place: String,
}

/// What a message asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// HTTP's POST.
    #[default]
    Post,
    /// HTTP's PUT.
    Put,
}

/// One request.
#[derive(Debug, Default)]
pub struct Message {
    /// What it asks for.
    pub method: Method,
    /// Behind the endpoint's URL: `/write?db=house`, percent-encoded.
    pub path: String,
    /// What else is said of it, `Content-Type` for one.
    pub headers: Vec<(String, String)>,
    /// What is sent, not yet compressed.
    pub body: Vec<u8>,
}

impl Endpoint {
    pub(crate) fn new(
        uri: &Uri,
        authorization: Option<Secret>,
        roots: Option<Vec<Certificate<'static>>>,
        gzip: bool,
        limit: Duration,
    ) -> Self {
        let roots = roots.map_or(RootCerts::WebPki, RootCerts::from);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A POST that is repeated elsewhere would be a GET there, or would carry the token to strangers.
            .max_redirects(0)
            .timeout_global(Some(limit))
            .proxy(None)
            .user_agent(concat!("smartmeter/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .new_agent();
        let place = format!(
            "{}://{}",
            uri.scheme_str().unwrap_or("http"),
            uri.authority().map_or("", |a| a.as_str())
        );
        let (path, query) = (uri.path().to_owned(), uri.query().map(str::to_owned));
        Self { agent, path, query, authorization, gzip, limit, place }
    }

    /// Scheme, host and port, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Sends it. What the far end says of it is in the answer, whatever its status.
    ///
    /// # Errors
    /// Where there is no answer, and where the far end must not be spoken to: a certificate that is not trusted.
    ///
    /// # Cancel safety
    /// Dropped, it returns at once; the request may still arrive.
    pub async fn send(&self, message: Message) -> Result<Answer, PublishError> {
        let (agent, url, place, limit) =
            (self.agent.clone(), self.url(&message.path), self.place.clone(), self.limit);
        let (authorization, gzip) = (self.authorization.clone(), self.gzip);
        let asked = tokio::task::spawn_blocking(move || {
            let mut request = match message.method {
                Method::Post => agent.post(url),
                Method::Put => agent.put(url),
            };
            for (name, value) in message.headers {
                request = request.header(name, value);
            }
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization.reveal());
            }
            let asked = if gzip {
                request.header(header::CONTENT_ENCODING, "gzip").send(compressed(&message.body).as_slice())
            } else {
                request.send(message.body.as_slice())
            };
            match asked {
                Ok(response) => Ok(answer(response, place)),
                Err(error) => Err(unanswered(&error, &place, limit)),
            }
        });
        let lost = || PublishError::unavailable(format!("the request to `{}` could not be made", self.place));
        asked.await.unwrap_or_else(|_| Err(lost()))
    }

    fn url(&self, path: &str) -> String {
        // Without a path of its own the message goes to this very URL, with or without a `/` at its end.
        let front = if path.is_empty() { &*self.path } else { self.path.trim_end_matches('/') };
        let sign = if path.contains('?') { "&" } else { "?" };
        let (sign, query) = self.query.as_deref().map_or(("", ""), |query| (sign, query));
        format!("{}{front}{path}{sign}{query}", self.place)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("place", &self.place).finish_non_exhaustive()
    }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    let _ = gzip.write_all(body);
    gzip.finish().unwrap_or_default()
}

fn answer(mut response: Response<Body>, place: String) -> Answer {
    let after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(retry_after);
    let mut body = Vec::new();
    // The status is what counts: a message that was cut off is still a message.
    let _ = response.body_mut().as_reader().take(MAX_ANSWER).read_to_end(&mut body);
    let body = String::from_utf8_lossy(&body).into_owned();
    Answer { place, status: response.status().as_u16(), retry_after: after, body }
}

/// What it means that there is no answer.
fn unanswered(error: &ureq::Error, place: &str, limit: Duration) -> PublishError {
    // ureq's words, or rustls's within an input or output error, without the system's number at the end.
    let text = match error {
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    let text = text.split(" (os error").next().unwrap_or_default();
    let text = text.chars().take(200).collect::<String>();
    match error {
        ureq::Error::Timeout(Timeout::Resolve) | ureq::Error::HostNotFound => {
            PublishError::unavailable(format!("the host of `{place}` is not found"))
        }
        ureq::Error::Timeout(_) => {
            PublishError::unavailable(format!("no answer from `{place}` within {}", framework::Period(limit)))
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            PublishError::misconfigured(format!("this cannot be sent to `{place}`: {text}"))
        }
        _ if text.contains("CaUsedAsEndEntity") => PublishError::misconfigured(format!(
            "the certificate of `{place}` is that of an authority, as `openssl req -x509` makes it: make one that is \
             not, with `-addext basicConstraints=critical,CA:FALSE`"
        )),
        _ if text.contains("peer certificate") || matches!(error, ureq::Error::Tls(_)) => {
            PublishError::misconfigured(format!(
                "the certificate of `{place}` is not trusted: {text}; if it is your own, name its authority in `ca_file`"
            ))
        }
        _ if text.contains("corrupt message") => {
            PublishError::misconfigured(format!("`{place}` speaks no TLS: write `http://` in `url`"))
        }
        _ => PublishError::unavailable(format!("no answer from `{place}`: {}", lower_case(&text))),
    }
}

fn lower_case(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;

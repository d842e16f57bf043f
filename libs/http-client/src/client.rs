//! HTTP requests, one at a time, on a thread apart from the runtime.

use std::{
    fmt,
    io::{Read as _, Write as _},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use framework::{PublishError, Secret};
use serde::Deserialize;
use ureq::{
    Agent, Body,
    http::{self, Uri, header},
    tls::{Certificate, RootCerts, TlsConfig},
};

use crate::{
    fault::explain,
    response::{Response, retry_after},
};

/// Limit of a request together with its response.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a response that are read: its message stands at the beginning.
const MAX_RESPONSE: u64 = 64 * 1024;

/// Client of one server, whose connection it keeps for the next request.
pub struct Client {
    agent: Agent,
    /// Path of the configured URL, before a request's own.
    path: String,
    /// Query of the configured URL.
    query: Option<String>,
    authorization: Option<Secret>,
    gzip: bool,
    timeout: Duration,
    /// Scheme and host. Messages show nothing else of the URL, whose path may be a secret.
    origin: String,
}

/// HTTP method of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// HTTP's POST.
    #[default]
    Post,
    /// HTTP's PUT.
    Put,
}

/// HTTP request.
#[derive(Debug, Default)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// Path after the configured URL, percent-encoded: `/write?db=house`.
    pub path: String,
    /// Names and values of headers such as `Content-Type`.
    pub headers: Vec<(String, String)>,
    /// Body, not yet compressed.
    pub body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(
        uri: &Uri,
        authorization: Option<Secret>,
        roots: Option<Vec<Certificate<'static>>>,
        gzip: bool,
        timeout: Duration,
    ) -> Self {
        let roots = roots.map_or(RootCerts::WebPki, RootCerts::from);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected POST would become a GET, or show the token to strangers.
            .max_redirects(0)
            .timeout_global(Some(timeout))
            .proxy(None)
            .user_agent(concat!("smartmeter/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build()
            .new_agent();
        let (scheme, authority) =
            (uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |a| a.as_str()));
        let (path, query) = (uri.path().to_owned(), uri.query().map(str::to_owned));
        Self { agent, path, query, authorization, gzip, timeout, origin: format!("{scheme}://{authority}") }
    }

    /// Sends a request. Returns the response, whatever its status.
    ///
    /// # Errors
    /// Fails if there is no response, or if the server's certificate is not trusted.
    ///
    /// # Cancel safety
    /// Returns at once when dropped; the server may still receive the request.
    pub async fn send(&self, request: Request) -> Result<Response, PublishError> {
        let (agent, url, origin) = (self.agent.clone(), self.url(&request.path), self.origin.clone());
        let (authorization, gzip, timeout) = (self.authorization.clone(), self.gzip, self.timeout);
        let sent = tokio::task::spawn_blocking(move || {
            let mut builder = match request.method {
                Method::Post => agent.post(url),
                Method::Put => agent.put(url),
            };
            for (name, value) in request.headers {
                builder = builder.header(name, value);
            }
            if let Some(authorization) = authorization {
                builder = builder.header(header::AUTHORIZATION, authorization.reveal());
            }
            let sent = if gzip {
                builder.header(header::CONTENT_ENCODING, "gzip").send(compressed(&request.body).as_slice())
            } else {
                builder.send(request.body.as_slice())
            };
            sent.map_err(|error| explain(&error, &origin, timeout)).map(|found| response(found, origin))
        });
        let lost = || PublishError::unavailable(format!("the request to `{}` was interrupted", self.origin));
        sent.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Asks for the head of the configured URL, for a test of the connection: nothing is delivered. Returns the response,
    /// whatever its status.
    ///
    /// # Errors
    /// Fails if there is no response, or if the server's certificate is not trusted.
    pub async fn reach(&self) -> Result<Response, PublishError> {
        let (agent, url, origin) = (self.agent.clone(), self.url(""), self.origin.clone());
        let (authorization, timeout) = (self.authorization.clone(), self.timeout);
        let asked = tokio::task::spawn_blocking(move || {
            let mut builder = agent.head(url);
            if let Some(authorization) = authorization {
                builder = builder.header(header::AUTHORIZATION, authorization.reveal());
            }
            let found = builder.call();
            found.map_err(|error| explain(&error, &origin, timeout)).map(|found| response(found, origin))
        });
        let lost = || PublishError::unavailable(format!("the request to `{}` was interrupted", self.origin));
        asked.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Returns scheme and host of the server.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn url(&self, path: &str) -> String {
        // A request without a path goes to the URL as configured, with or without a `/` at its end.
        let front = if path.is_empty() { &*self.path } else { self.path.trim_end_matches('/') };
        let sign = if path.contains('?') { "&" } else { "?" };
        let (sign, query) = self.query.as_deref().map_or(("", ""), |query| (sign, query));
        format!("{}{front}{path}{sign}{query}", self.origin)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origin", &self.origin).finish_non_exhaustive()
    }
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    let _ = gzip.write_all(body);
    gzip.finish().unwrap_or_default()
}

fn response(mut found: http::Response<Body>, origin: String) -> Response {
    let after = found.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = after.and_then(retry_after);
    let mut body = Vec::new();
    // The status decides; a body that was cut off is still worth showing.
    let _ = found.body_mut().as_reader().take(MAX_RESPONSE).read_to_end(&mut body);
    let body = String::from_utf8_lossy(&body).into_owned();
    Response { origin, status: found.status().as_u16(), retry_after, body }
}

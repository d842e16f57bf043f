//! Access of clients to commands.
//!
//! This machine has it, and any client with the token. "This machine" includes its web browser, which loads untrusted
//! web pages: hence the checks of `Host` (a foreign name that was made to point here) and `Origin` (a foreign page).

use std::{net::IpAddr, sync::Mutex};

use warp::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{ApiError, Peer, guesses::Guesses, proxies::Proxies, visitors::is_address};
use crate::{Secret, ServerConfig};

/// Rules for access to commands.
pub(super) struct Access {
    token: Option<Secret>,
    origins: Vec<String>,
    proxies: Proxies,
    guesses: Mutex<Guesses>,
}

impl Access {
    pub(super) fn new(server: &ServerConfig) -> Self {
        Self {
            token: server.token.clone(),
            origins: server.command_origins.clone(),
            proxies: Proxies::new(server),
            guesses: Mutex::default(),
        }
    }

    /// Checks that a request may send commands. An unknown client counts as another machine.
    ///
    /// # Errors
    /// Returns 401, 403 or 429 with the reason.
    pub(super) fn check(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        let client = peer.and_then(|Peer(ip)| self.proxies.client(ip, headers));
        let here = client.is_some_and(|ip| ip.to_canonical().is_loopback());
        match (&self.token, headers.get(header::AUTHORIZATION)) {
            (Some(token), Some(shown)) => {
                // Whoever it forwards for, the guesses of a proxy without trust are its own.
                self.check_token(client.or(peer.map(|Peer(ip)| ip)), bears(shown, token))
            }
            (None, _) if !here => Err(forbidden(
                "commands are taken from this machine only, because `[server]` configures no `token`",
            )),
            (None, Some(_)) => Err(unauthorized("no token is right, because `[server]` configures none")),
            (Some(_), None) if !here => Err(unauthorized("a command from another machine needs the token")),
            (_, None) => self.check_page(headers),
        }
    }

    /// Checks a token, unless the client has to wait after wrong ones: then a right one would tell it so.
    fn check_token(&self, client: Option<IpAddr>, is_right: bool) -> Result<(), ApiError> {
        let Some(client) = client else {
            return if is_right { Ok(()) } else { Err(unauthorized("the token is wrong")) };
        };
        // Plain numbers are never half written, so poison means nothing.
        let mut guesses = self.guesses.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(wait) = guesses.wait(client) {
            let seconds = wait.as_secs() + 1;
            let message = format!("too many wrong tokens came from {client}: wait for {seconds} s");
            let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_guesses", message);
            return Err(error.retry_after(seconds));
        }
        if is_right {
            guesses.right(client);
            return Ok(());
        }
        guesses.wrong(client);
        Err(unauthorized("the token is wrong"))
    }

    /// Refuses the requests of a browser on this machine for pages of strangers.
    fn check_page(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        if !host.is_some_and(is_address) {
            return Err(forbidden(
                "without a token, `Host` must be `localhost` or an IP address for a command",
            ));
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            // A link or a picture of a foreign page has no origin, but the browser says where it is.
            let is_foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
            let message = "a page of another site must not send commands by a link";
            return if is_foreign { Err(forbidden(message)) } else { Ok(()) };
        };
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        let own = host.zip(authority).is_some_and(|(host, origin)| host.eq_ignore_ascii_case(origin));
        if own || self.allows(origin) {
            return Ok(());
        }
        Err(forbidden("this page's origin is not in `command_origins` in `[server]`"))
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    }

    /// Lets web pages that may send commands read the answer.
    pub(super) fn readable_by_allowed(&self, request: &HeaderMap, response: &mut Response) {
        if let Some(origin) = request.get(header::ORIGIN).filter(|origin| self.allows(origin)) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Returns whether an `Authorization` is `Bearer` with the token.
fn bears(shown: &HeaderValue, token: &Secret) -> bool {
    // The scheme's case does not matter (RFC 9110, 11.1).
    let bearer = |scheme: &[u8; 7]| scheme.eq_ignore_ascii_case(b"bearer ");
    let given = shown.as_bytes().split_first_chunk().filter(|(scheme, _)| bearer(scheme));
    given.is_some_and(|(_, given)| token.matches(given.trim_ascii()))
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

//! Access of clients to commands.
//!
//! This machine has it, and any client with the token. "This machine" includes its web browser, which loads untrusted
//! web pages: hence the checks of `Host` (a foreign name that was made to point here) and `Origin` (a foreign page).

use std::net::IpAddr;

use warp::{
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{self, HeaderName},
        uri::Authority,
    },
    reply::Response,
};

use super::{ApiError, Peer};
use crate::{Secret, ServerConfig};

/// Headers of a proxy that forwards another client's request.
const FORWARDED: [HeaderName; 2] = [header::FORWARDED, HeaderName::from_static("x-forwarded-for")];

/// Rules for access to commands.
pub(super) struct Access {
    token: Option<Secret>,
    origins: Vec<String>,
}

impl Access {
    pub(super) fn new(server: &ServerConfig) -> Self {
        Self { token: server.token.clone(), origins: server.command_origins.clone() }
    }

    /// Checks that a request may send commands. An unknown peer counts as another machine.
    ///
    /// # Errors
    /// Returns 401 or 403 with the reason.
    pub(super) fn check(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        let here = peer.is_some_and(|Peer(ip)| ip.to_canonical().is_loopback())
            && FORWARDED.iter().all(|name| !headers.contains_key(name));
        match (&self.token, headers.get(header::AUTHORIZATION)) {
            (Some(token), Some(shown)) if bears(shown, token) => Ok(()),
            (Some(_), Some(_)) => Err(unauthorized("the token is wrong")),
            (None, _) if !here => Err(forbidden(
                "commands are taken from this machine only, because `[server]` configures no `token`",
            )),
            (None, Some(_)) => Err(unauthorized("no token is right, because `[server]` configures none")),
            (Some(_), None) if !here => Err(unauthorized("a command from another machine needs the token")),
            (_, None) => self.check_page(headers),
        }
    }

    /// Refuses the requests of a browser on this machine for pages of strangers.
    fn check_page(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        if !host.is_some_and(is_address) {
            return Err(forbidden(
                "without a token, `Host` must be `localhost` or an IP address for a command",
            ));
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
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

/// Returns whether a `Host` is an address or `localhost`, with any port: no name server can redirect those.
fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn forbidden(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_safe_hosts() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "192.168.1.7:80", "[::1]:8080", "[::1]"] {
            assert!(is_address(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "@", "a b"] {
            assert!(!is_address(host), "{host}");
        }
    }
}

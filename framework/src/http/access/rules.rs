//! Rules of one configuration. They are made anew whenever it changes, and keep nothing of a client.

use std::net::{IpAddr, SocketAddr};

use warp::http::{HeaderMap, HeaderValue, header};

use super::{
    forbidden,
    proxies::Proxies,
    visitors::{Visitors, is_address},
};
use crate::{
    Secret, ServerConfig,
    http::{ApiError, Peer},
};

/// Policy of the page: scripts, styles, pictures and data of this program only, and nothing inline. The pages that may
/// show it in a frame follow.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Policy of the login page, whose form is sent to this program only.
const LOGIN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// Rules for access.
pub(super) struct Rules {
    pub(super) token: Option<Secret>,
    pub(super) read_token: Option<Secret>,
    pub(super) scheme: &'static str,
    pub(super) listen: SocketAddr,
    pub(super) allow_get_commands: bool,
    pub(super) visitors: Visitors,
    pub(super) page_policy: HeaderValue,
    pub(super) login_policy: HeaderValue,
    command_origins: Vec<String>,
    /// Proxies whose word on the client counts, with those of `authenticating`.
    trusted: Proxies,
    authenticating: Proxies,
}

impl Rules {
    pub(super) fn new(server: &ServerConfig) -> Self {
        let ancestors: String = server.frame_origins.iter().map(|origin| format!(" {origin}")).collect();
        // The configuration accepts no origin that a header cannot have.
        let policy = |text: &'static str| {
            HeaderValue::try_from(text.to_owned() + &ancestors).unwrap_or(HeaderValue::from_static(text))
        };
        Self {
            token: server.token.clone(),
            read_token: server.read_token.clone(),
            scheme: server.scheme(),
            listen: server.listen,
            allow_get_commands: server.allow_get_commands,
            visitors: Visitors::new(server),
            page_policy: policy(PAGE),
            login_policy: policy(LOGIN),
            command_origins: server.command_origins.clone(),
            trusted: Proxies::new([&server.trusted_proxies[..], &server.authenticating_proxies].concat()),
            authenticating: Proxies::new(server.authenticating_proxies.clone()),
        }
    }

    /// Returns the client of a request; `None` if it is unknown.
    pub(super) fn client(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
        peer.and_then(|Peer(ip)| self.trusted.client(ip, headers))
    }

    /// Returns whether a proxy forwards the request that has checked who sends it.
    pub(super) fn is_authenticated(&self, peer: Option<Peer>, headers: &HeaderMap) -> bool {
        peer.is_some_and(|Peer(ip)| self.authenticating.forwards(ip, headers))
    }

    /// Returns the tokens; the one that allows more is the first.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &Secret> {
        self.token.iter().chain(&self.read_token)
    }

    /// Returns whether a trusted proxy says that it was asked over TLS.
    pub(super) fn is_encrypted(&self, peer: Option<Peer>, headers: &HeaderMap) -> bool {
        let is_trusted = peer.is_some_and(|Peer(ip)| self.trusted.forwards(ip, headers));
        is_trusted && proxies_word(headers, "x-forwarded-proto").is_some_and(|it| it == "https")
    }

    /// Returns whether a token allows reading.
    pub(super) fn may_read(&self, given: &[u8]) -> bool {
        // Both are compared in any case, so that the time tells nothing.
        let is_right = |token: &Option<Secret>| token.as_ref().is_some_and(|token| token.matches(given));
        is_right(&self.read_token) | is_right(&self.token)
    }

    /// Checks that a request is meant for this machine: under the name in `Host`, and under the one that a trusted proxy
    /// was called by. A proxy that authenticates its users is not called by a page that made its own name point there,
    /// as a browser would not show that page who the user is.
    pub(super) fn check_host(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.is_authenticated(peer, headers) {
            return Ok(());
        }
        self.visitors.check(headers.get(header::HOST))?;
        self.visitors.check(self.forwarded_host(peer, headers).as_ref())
    }

    /// Returns the name under which a trusted proxy was called.
    fn forwarded_host(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<HeaderValue> {
        peer.filter(|Peer(ip)| self.trusted.forwards(*ip, headers))?;
        proxies_word(headers, "x-forwarded-host")
    }

    /// Refuses the requests of a browser on this machine for pages of strangers.
    pub(super) fn check_page(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        if !host.is_some_and(is_address) {
            return Err(forbidden(
                "foreign_host",
                "without a token, `Host` must be `localhost` or an IP address for a command",
            ));
        }
        let Some(origin) = headers.get(header::ORIGIN) else {
            // A link or a picture of a foreign page has no origin, but the browser says where it is.
            let is_foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
            let message = "a page of another site must not send commands by a link";
            return if is_foreign { Err(forbidden("foreign_page", message)) } else { Ok(()) };
        };
        if is_of(origin, headers.get(header::HOST)) || self.allows(origin) {
            return Ok(());
        }
        Err(forbidden("foreign_page", "this page's origin is not in `command_origins` in `[server]`"))
    }

    /// Refuses the requests of pages of strangers in a browser that says by itself who its user is, with a cookie or
    /// with the password that a proxy asked for.
    pub(super) fn check_own_page(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        let Some(origin) = headers.get(header::ORIGIN) else {
            let is_own = matches!(site, None | Some(b"same-origin" | b"none"));
            let message = "a page of another site must not send commands by a link";
            return if is_own { Ok(()) } else { Err(forbidden("foreign_page", message)) };
        };
        // The browser knows the page's own address, which a proxy may not have passed on.
        let is_own = site == Some(b"same-origin")
            || is_of(origin, headers.get(header::HOST))
            || is_of(origin, self.forwarded_host(peer, headers).as_ref());
        if is_own || self.allows(origin) {
            return Ok(());
        }
        Err(forbidden(
            "foreign_page",
            "this page's origin is neither that of `Host` nor in `command_origins` in `[server]`: \
             a proxy must pass `Host` on",
        ))
    }

    /// Returns whether pages of this origin may send commands.
    pub(super) fn allows(&self, origin: &HeaderValue) -> bool {
        self.command_origins.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    }
}

/// Returns whether an origin is that of a host.
fn is_of(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    authority
        .zip(host)
        .is_some_and(|((_, authority), host)| authority.as_bytes().eq_ignore_ascii_case(host.as_bytes()))
}

/// Returns the last word of a list that each proxy adds to.
fn proxies_word(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    HeaderValue::from_str(line.rsplit(',').next().unwrap_or(line).trim()).ok()
}

//! Access of clients: who may read, who may send commands, and which web pages may do so in a browser.
//!
//! This machine may do both, and any client with the token. "This machine" includes its web browser, which loads
//! untrusted web pages: hence the checks of `Host` (a foreign name that was made to point here) and `Origin` (a foreign
//! page). Readers of other machines need a token only if `read_token` is configured.

mod guesses;
mod lan;
mod proxies;
mod rules;
mod sessions;
mod visitors;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use warp::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    reply::Response,
};

pub(super) use self::visitors::{Reading, settle_host};
use self::{guesses::Guesses, lan::Lan, rules::Rules, sessions::Sessions};
use super::{ApiError, Peer};
use crate::{ServerConfig, tls::Tls};

/// Access of clients, by rules that the configuration may change while the program runs.
pub(crate) struct Access {
    /// The rules in force. Every request takes a copy of the pointer; `apply` replaces it.
    rules: RwLock<Arc<Rules>>,
    /// Wrong tokens, which a new configuration does not forgive. Every check of a token holds the lock for a moment.
    guesses: Mutex<Guesses>,
    sessions: Sessions,
    /// The certificate in use. Every connection takes a copy of the pointer; `apply` replaces it.
    tls: RwLock<Option<Arc<Tls>>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

impl Access {
    /// Rules of a configuration.
    pub(crate) fn new(server: &ServerConfig) -> Self {
        Self {
            rules: RwLock::new(Arc::new(Rules::new(server))),
            guesses: Mutex::default(),
            sessions: Sessions::new(&server.state_dir, server.listen.port()),
            tls: RwLock::new(server.tls.clone().map(|files| Arc::new(Tls::new(files)))),
        }
    }

    /// Puts the rules of another configuration in force, for every request from now on.
    pub(crate) fn apply(&self, server: &ServerConfig) {
        let rules = Arc::new(Rules::new(server));
        // A pointer is never half written, so poison means nothing.
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        let mut tls = self.tls.write().unwrap_or_else(PoisonError::into_inner);
        match tls.as_ref().filter(|tls| Some(tls.files()) == server.tls.as_ref()) {
            Some(same) => same.look_again(),
            None => *tls = server.tls.clone().map(|files| Arc::new(Tls::new(files))),
        }
    }

    /// Returns the certificate for connections; `None` for plain HTTP.
    pub(super) fn tls(&self) -> Option<Arc<Tls>> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks that a request may send commands. An unknown client counts as another machine.
    ///
    /// # Errors
    /// Returns 401, 403 or 429 with the reason.
    pub(super) fn check(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        let rules = self.rules();
        if rules.is_authenticated(peer, headers) || self.sessions.has(headers, rules.token.as_ref()) {
            return rules.check_own_page(peer, headers);
        }
        let client = rules.client(peer, headers);
        let here = client.is_some_and(is_this_machine);
        match (&rules.token, headers.get(header::AUTHORIZATION)) {
            (Some(token), Some(shown)) => {
                let is_right = bearer(shown).is_some_and(|given| token.matches(given));
                // Whoever it forwards for, the guesses of a proxy without trust are its own.
                self.check_token(client.or(peer.map(|Peer(ip)| ip)), is_right)
            }
            (None, _) if !here => Err(forbidden(
                "no_token",
                "commands are taken from this machine only, because `[server]` configures no `token`",
            )),
            (None, Some(_)) => Err(unauthorized("no token is right, because `[server]` configures none")),
            (Some(_), None) if !here => Err(unauthorized("a command from another machine needs the token")),
            (_, None) => rules.check_page(headers),
        }
    }

    /// Checks that a request may read. An unknown client counts as another machine.
    ///
    /// # Errors
    /// Returns 401 or 429 with the reason.
    pub(super) fn check_reader(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        let rules = self.rules();
        if rules.read_token.is_none()
            || rules.is_authenticated(peer, headers)
            || self.has_session_by(&rules, headers)
        {
            return Ok(());
        }
        let client = rules.client(peer, headers);
        match headers.get(header::AUTHORIZATION).and_then(bearer) {
            Some(given) => self.check_token(client.or(peer.map(|Peer(ip)| ip)), rules.may_read(given)),
            None if client.is_some_and(is_this_machine) => Ok(()),
            None => Err(unauthorized(
                "another machine needs a token to read: send `Authorization: Bearer …`, or log in at /login",
            )),
        }
    }

    /// Returns where other machines reach the page, and whether they may read there.
    pub(super) fn lan(&self) -> Lan {
        Lan::of(&self.rules())
    }

    /// Returns whether a browser has logged in.
    pub(super) fn has_session(&self, headers: &HeaderMap) -> bool {
        self.has_session_by(&self.rules(), headers)
    }

    fn has_session_by(&self, rules: &Rules, headers: &HeaderMap) -> bool {
        rules.tokens().any(|token| self.sessions.has(headers, Some(token)))
    }

    /// Returns whether there is a token to log in with.
    pub(super) fn has_login(&self) -> bool {
        self.rules().tokens().next().is_some()
    }

    /// Opens a session for who has a token, and returns the `Set-Cookie`.
    ///
    /// # Errors
    /// Returns 401, 403 or 429 with the reason.
    pub(super) fn log_in(
        &self,
        peer: Option<Peer>,
        is_encrypted: bool,
        headers: &HeaderMap,
        given: &str,
    ) -> Result<HeaderValue, ApiError> {
        let rules = self.rules();
        if rules.tokens().next().is_none() {
            return Err(forbidden(
                "no_token",
                "there is nothing to log in to, because `[server]` configures no token",
            ));
        }
        let client = rules.client(peer, headers).or(peer.map(|Peer(ip)| ip));
        self.check_token(client, rules.may_read(given.as_bytes()))?;
        let token = rules.tokens().find(|token| token.matches(given.as_bytes()));
        let value = token.and_then(|token| self.sessions.open(token).ok());
        let value = value.ok_or_else(|| ApiError::busy("the system has no random numbers: try again"))?;
        self.cookie(&value, sessions::LIFETIME, is_encrypted || rules.is_encrypted(peer, headers))
    }

    /// Ends the session of a browser, and returns the `Set-Cookie` that removes the cookie.
    ///
    /// # Errors
    /// Returns 403 if another page asks for it.
    pub(super) fn log_out(
        &self,
        peer: Option<Peer>,
        is_encrypted: bool,
        headers: &HeaderMap,
    ) -> Result<HeaderValue, ApiError> {
        let rules = self.rules();
        rules.check_own_page(peer, headers)?;
        self.sessions.end(headers);
        self.cookie("", 0, is_encrypted || rules.is_encrypted(peer, headers))
    }

    fn cookie(&self, value: &str, lifetime: i64, is_encrypted: bool) -> Result<HeaderValue, ApiError> {
        let text = self.sessions.set_cookie(value, lifetime, is_encrypted);
        HeaderValue::try_from(text).map_err(|_| ApiError::bad_request("the cookie is not valid"))
    }

    /// Writes the sessions to their file. It blocks.
    pub(super) fn save_sessions(&self) {
        self.sessions.save();
    }

    /// Refuses the requests that a page of another site makes a browser send.
    ///
    /// # Errors
    /// Returns 403 with the reason.
    pub(super) fn check_own_page(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        self.rules().check_own_page(peer, headers)
    }

    /// Checks that a request is meant for this machine.
    ///
    /// # Errors
    /// Returns 421 if its name is that of another machine.
    pub(super) fn check_host(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), ApiError> {
        self.rules().check_host(peer, headers)
    }

    /// Checks a token, unless the client has to wait after wrong ones: then a right one would tell it so.
    fn check_token(&self, client: Option<IpAddr>, is_right: bool) -> Result<(), ApiError> {
        let Some(client) = client else {
            return if is_right { Ok(()) } else { Err(unauthorized("the token is wrong")) };
        };
        // Plain numbers are never half written, so poison means nothing.
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Returns what a web page of another host may read of the answer.
    pub(super) fn grant(&self, headers: &HeaderMap) -> Reading {
        self.rules().visitors.grant(headers)
    }

    /// Lets web pages that may send commands read the answer.
    pub(super) fn readable_by_allowed(&self, request: &HeaderMap, response: &mut Response) {
        let rules = self.rules();
        if let Some(origin) = request.get(header::ORIGIN).filter(|origin| rules.allows(origin)) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
    }

    /// Returns whether a link may run commands.
    pub(super) fn allows_get_commands(&self) -> bool {
        self.rules().allow_get_commands
    }

    /// Returns the `Content-Security-Policy` of the login page.
    pub(super) fn login_policy(&self) -> HeaderValue {
        self.rules().login_policy.clone()
    }

    /// Returns the `Content-Security-Policy` of the page.
    pub(super) fn page_policy(&self) -> HeaderValue {
        self.rules().page_policy.clone()
    }
}

/// Returns whether a client is this machine.
fn is_this_machine(client: IpAddr) -> bool {
    client.to_canonical().is_loopback()
}

/// Returns the token that an `Authorization` shows, if it is `Bearer`.
fn bearer(shown: &HeaderValue) -> Option<&[u8]> {
    // The scheme's case does not matter (RFC 9110, 11.1).
    let is_bearer = |scheme: &[u8; 7]| scheme.eq_ignore_ascii_case(b"bearer ");
    let (_, given) = shown.as_bytes().split_first_chunk().filter(|(scheme, _)| is_bearer(scheme))?;
    Some(given.trim_ascii())
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn forbidden(cause: &'static str, message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).because(cause)
}

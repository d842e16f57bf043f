//! Names of this machine, and web pages of other hosts that may read.
//!
//! A web page that somebody at home opens can send requests here. It cannot read the answers, unless it is listed, or
//! its own name was made to point here: so the name in `Host` must be one of this machine.

use std::{fs, net::IpAddr};

use warp::{
    http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header},
    reply::Response,
};

use crate::{ServerConfig, http::ApiError};

/// Value that allows all.
const ALL: &str = "*";

/// Rules for readers.
#[derive(Debug)]
pub(super) struct Visitors {
    /// Names of this machine; `None` if any is one.
    hosts: Option<Vec<String>>,
    origins: Vec<String>,
}

impl Visitors {
    /// Rules of the configuration, with the names that the system has for this machine.
    pub(super) fn new(server: &ServerConfig) -> Self {
        let hosts = server.allowed_hosts.iter().cloned().chain(own_names());
        let any = server.allowed_hosts.iter().any(|host| host == ALL);
        Self { hosts: (!any).then(|| hosts.collect()), origins: server.cors_origins.clone() }
    }

    /// Checks that a request for `host` is meant for this machine. Only browsers can be misled, and they send `Host`; a client of
    /// HTTP/1.0 without one is none.
    ///
    /// # Errors
    /// Returns 421 if the name in `Host` is that of another machine.
    pub(super) fn check(&self, host: Option<&HeaderValue>) -> Result<(), ApiError> {
        let (Some(hosts), Some(host)) = (&self.hosts, host) else { return Ok(()) };
        let text = host.to_str().unwrap_or_default();
        if is_address(text) || hosts.iter().any(|own| own.eq_ignore_ascii_case(name(text))) {
            return Ok(());
        }
        let host = String::from_utf8_lossy(host.as_bytes());
        let message = format!(
            "this machine is not known as `{}`: list it in `allowed_hosts` in `[server]`",
            host.chars().take(100).collect::<String>()
        );
        Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message))
    }

    /// Returns what a web page of another host may read of the answer.
    pub(super) fn grant(&self, headers: &HeaderMap) -> Reading {
        if self.origins.iter().any(|origin| origin == ALL) {
            return Reading { origin: Some(HeaderValue::from_static(ALL)), varies: false };
        }
        let is_listed = |origin: &&HeaderValue| {
            self.origins.iter().any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
        };
        let origin = headers.get(header::ORIGIN).filter(is_listed).cloned();
        Reading { origin, varies: !self.origins.is_empty() }
    }
}

/// Makes `Host` the only place that says which host a request is for: an absolute target replaces it, as RFC 9112,
/// 3.2.2 demands. All rules look there.
///
/// # Errors
/// Returns 400 if there are several, or none where HTTP/1.1 needs one (RFC 9112, 3.2).
pub(in crate::http) fn settle_host<B>(request: &mut Request<B>) -> Result<(), ApiError> {
    let count = request.headers().get_all(header::HOST).iter().count();
    if count > 1 {
        return Err(ApiError::bad_request("the request has several `Host` headers, expected one"));
    }
    if count == 0 && request.version() == Version::HTTP_11 {
        return Err(ApiError::bad_request("the request has no `Host` header, which HTTP/1.1 needs"));
    }
    // A text that was parsed as a URL is always a valid header.
    let named = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    if let Some(host) = named {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// Permission of a web page to read an answer.
#[derive(Debug, Default)]
pub(in crate::http) struct Reading {
    origin: Option<HeaderValue>,
    /// Whether other pages get other answers, which a cache must know.
    varies: bool,
}

impl Reading {
    /// Lets the page read the answer.
    pub(in crate::http) fn open(self, response: &mut Response) {
        if let Some(origin) = self.origin {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        if self.varies {
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("Origin"));
        }
    }
}

/// Returns whether a `Host` is an address or `localhost`, with any port: no name server can redirect those.
pub(super) fn is_address(host: &str) -> bool {
    let host = name(host);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Returns the name in a `Host`, without the port.
fn name(host: &str) -> &str {
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => host,
    };
    name.strip_suffix('.').unwrap_or(name)
}

/// Returns the names of this machine: its host name, alone, in multicast DNS, and in the domains of the network. A host
/// name in any other domain may be somebody else's.
fn own_names() -> Vec<String> {
    let read = |path| fs::read_to_string(path).unwrap_or_default().to_ascii_lowercase();
    let own = read("/proc/sys/kernel/hostname");
    let own = own.trim();
    let Some(short) = own.split('.').next().filter(|short| !short.is_empty()) else { return Vec::new() };
    let resolver = read("/etc/resolv.conf");
    let domains = resolver.lines().flat_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let names = matches!(words.next(), Some("search" | "domain"));
        words.filter(move |_| names)
    });
    let in_domains = domains.chain(["local"]).map(|domain| format!("{short}.{}", domain.trim_matches('.')));
    [own.to_owned(), short.to_owned()].into_iter().chain(in_domains).collect()
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

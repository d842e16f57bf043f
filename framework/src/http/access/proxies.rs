//! Requests that a proxy forwards, and the clients that it forwards for.

use std::net::IpAddr;

use warp::http::HeaderMap;

use crate::Network;

/// Headers that proxies add, besides those that begin with one of [`BEGINNINGS`].
const NAMES: [&str; 12] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "client-ip",
    "x-remote-addr",
    "x-remote-ip",
    "cdn-loop",
    "x-scheme",
];
const BEGINNINGS: [&str; 9] = [
    "x-forwarded",
    "x-original-",
    "x-proxy",
    "x-envoy-",
    "x-ingress-",
    "x-hass-",
    "x-arr-",
    "cf-",
    "tailscale-",
];
/// Headers with the address of the client alone, or a list whose last one the proxy added.
const CLIENTS: [&str; 7] = [
    "x-forwarded-for",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "cf-connecting-ip",
];

/// Proxies that are trusted.
pub(super) struct Proxies(Vec<Network>);

impl Proxies {
    pub(super) fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Returns whether one of them has passed the request on.
    pub(super) fn forwards(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        is_forwarded(headers) && self.trusts(peer)
    }

    /// Returns the client of a request; `None` where a proxy forwards it that is not trusted, or does not say for whom.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !is_forwarded(headers) {
            return Some(peer);
        }
        if !self.trusts(peer) {
            return None;
        }
        let listed = CLIENTS.iter().filter_map(|name| self.last(headers, name, |hop| Some(hop)));
        let described = self.last(headers, "forwarded", |hop| {
            let pairs = hop.split(';').filter_map(|pair| pair.trim().split_once('='));
            pairs.filter(|(key, _)| key.eq_ignore_ascii_case("for")).map(|(_, value)| value).next()
        });
        let mut clients: Vec<_> = listed.chain(described).collect::<Option<_>>()?;
        // A client may write a header that its proxy does not: the address farthest from here counts.
        clients.sort_by_key(|ip| ip.is_loopback());
        clients.first().copied()
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address.to_canonical()))
    }

    /// Returns the last address of a list that is not that of a trusted proxy, else the first; `None` if there is no
    /// such header, `Some(None)` if it has something else.
    fn last(
        &self,
        headers: &HeaderMap,
        name: &str,
        address: impl Fn(&str) -> Option<&str>,
    ) -> Option<Option<IpAddr>> {
        let lines: Vec<_> =
            headers.get_all(name).iter().map(|line| line.to_str().unwrap_or_default()).collect();
        let hops: Vec<_> = lines.iter().flat_map(|line| line.split(',')).collect();
        let mut found = None;
        for hop in hops.into_iter().rev() {
            let parsed = address(hop.trim()).and_then(parse);
            found = Some(parsed);
            if parsed.is_none_or(|ip| !self.trusts(ip)) {
                break;
            }
        }
        found
    }
}

/// Returns whether a proxy has passed the request on, by any sign of it.
fn is_forwarded(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .map(|name| name.as_str())
        .any(|name| NAMES.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)))
}

/// Parses an address that may have quotes, brackets and a port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.rsplit_once(':') {
            Some((address, _)) if !address.contains(':') => address,
            _ => text,
        },
    };
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

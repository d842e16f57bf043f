//! Addresses at which other machines of the LAN reach the page.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

/// Addresses for documentation (RFC 5737, RFC 3849): nothing is sent there, the system only looks up the route.
const AWAY: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
];

/// Returns the addresses of the page of a program that listens at `listen`, for other machines: the one that always
/// works first, then the one with this machine's name in multicast DNS. There is none if it listens for this machine
/// only, or if this machine has no network.
pub fn page_addresses(scheme: &str, listen: SocketAddr) -> Vec<String> {
    let ip = match listen.ip() {
        ip if ip.is_loopback() => None,
        ip if ip.is_unspecified() => own_address(),
        ip => Some(ip),
    };
    let Some(ip) = ip else { return Vec::new() };
    let by_ip = format!("{scheme}://{}/", SocketAddr::new(ip, listen.port()));
    let by_name = host_name().map(|name| format!("{scheme}://{name}.local:{}/", listen.port()));
    [by_ip].into_iter().chain(by_name).collect()
}

/// Returns the address from which this machine reaches others.
fn own_address() -> Option<IpAddr> {
    let reaches = |(own, away): (IpAddr, IpAddr)| -> io::Result<IpAddr> {
        let socket = UdpSocket::bind((own, 0))?;
        socket.connect((away, 9))?;
        Ok(socket.local_addr()?.ip())
    };
    let mut found = AWAY.into_iter().filter_map(|pair| reaches(pair).ok());
    found.find(|ip| !ip.is_unspecified() && !ip.is_loopback())
}

/// Returns the name of this machine, without its domain.
pub(crate) fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim().split('.').next()?.to_owned();
    Some(name).filter(|name| !name.is_empty() && name != "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_addresses_only_where_others_can_reach_it() {
        assert!(page_addresses("http", "127.0.0.1:8080".parse().unwrap()).is_empty());
        assert!(page_addresses("http", "[::1]:8080".parse().unwrap()).is_empty());
        let all = page_addresses("https", "192.0.2.7:8443".parse().unwrap());
        assert_eq!(all[0], "https://192.0.2.7:8443/");
        assert!(all.len() <= 2 && all.iter().skip(1).all(|it| it.ends_with(".local:8443/")), "{all:?}");
        let all = page_addresses("http", "[2001:db8::7]:80".parse().unwrap());
        assert_eq!(all[0], "http://[2001:db8::7]:80/");
        for address in page_addresses("http", "0.0.0.0:8080".parse().unwrap()) {
            assert!(!address.contains("0.0.0.0") && !address.contains("127.0.0.1"), "{address}");
        }
    }
}

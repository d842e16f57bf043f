//! Search for Home Assistant in the LAN: one question by multicast DNS (RFC 6762, RFC 6763), from a port of our own, so
//! that each Home Assistant answers there.

mod message;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

pub(crate) use self::message::answer;

/// Group and port of multicast DNS.
const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), 5353);
/// Time for answers. The question is sent again in its middle, as a datagram may be lost.
const WAIT: Duration = Duration::from_millis(1500);
/// Datagrams that are read.
const MAX_DATAGRAMS: usize = 200;
/// Home Assistants that are told apart.
const MAX_FOUND: usize = 16;
/// Longest datagram of multicast DNS.
const MAX_DATAGRAM: usize = 9000;

/// Home Assistant in the LAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// What people call it.
    pub(crate) name: String,
    /// Address of its page.
    pub(crate) url: String,
    /// What tells it from another one.
    pub(crate) uuid: Option<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at `{}`", self.name, self.url)
    }
}

/// Returns every Home Assistant that answers, by address.
///
/// # Errors
/// Fails where the question cannot be sent.
pub(crate) async fn search() -> io::Result<Vec<Found>> {
    search_at(GROUP, WAIT).await
}

async fn search_at(group: SocketAddr, wait: Duration) -> io::Result<Vec<Found>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.set_multicast_ttl_v4(255)?;
    let question = message::question();
    let mut found = BTreeMap::new();
    let mut datagram = vec![0; MAX_DATAGRAM];
    let mut read = 0;
    for _ in 0..2 {
        socket.send_to(&question, group).await?;
        let end = Instant::now() + wait / 2;
        while let Ok(received) = timeout_at(end, socket.recv_from(&mut datagram)).await {
            read += 1;
            if read > MAX_DATAGRAMS || found.len() >= MAX_FOUND {
                break;
            }
            // An error of an earlier datagram, such as that nobody listens there.
            let Ok((length, from)) = received else { continue };
            for announced in answer(&datagram[..length]) {
                let url = url(&announced, from.ip());
                let (name, uuid) = (announced.name, announced.uuid);
                found.insert(url.clone(), Found { name, url, uuid });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Returns the address of the page: that of the answer, unless only its own name is in its certificate. Few systems look
/// up names that end in `.local`.
fn url(announced: &message::Announced, from: IpAddr) -> String {
    match &announced.internal_url {
        Some(url) if url.starts_with("https://") => url.trim_end_matches('/').to_owned(),
        _ => {
            format!("http://{}", SocketAddr::new(announced.address.map_or(from, IpAddr::V4), announced.port))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::{message::tests::announcement, *};

    /// Answers one question with these datagrams, from loopback.
    async fn responder(datagrams: Vec<Vec<u8>>) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                assert_eq!(&question[..length], message::question());
                for datagram in &datagrams {
                    socket.send_to(datagram, from).await.unwrap();
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn each_home_assistant_in_the_lan_is_found_once() {
        let garbage = vec![0xFF; 300];
        let first = announcement("Home", 8123, Some([192, 0, 2, 5]), "http://homeassistant.local:8123");
        let second = announcement("Garage", 8124, None, "");
        let third = announcement("Attic", 443, Some([192, 0, 2, 7]), "https://attic.example/");
        let group = responder(vec![garbage, first, second, third]).await;
        let found = search_at(group, Duration::from_millis(600)).await.unwrap();
        let shown: Vec<_> = found.iter().map(ToString::to_string).collect();
        let expected = [
            "`Garage` at `http://127.0.0.1:8124`",
            "`Home` at `http://192.0.2.5:8123`",
            "`Attic` at `https://attic.example`",
        ];
        assert_eq!(shown, expected);
    }

    #[tokio::test]
    async fn nobody_in_the_lan_is_no_error() {
        let group = responder(Vec::new()).await;
        assert_eq!(search_at(group, Duration::from_millis(100)).await.unwrap(), []);
    }
}

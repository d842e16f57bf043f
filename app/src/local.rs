//! Client of the program that runs on this machine.
//!
//! Its requests are written by hand, because the only client in the program belongs to publishers, which a small build
//! leaves out.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value as Json;

/// Limit for connecting.
const CONNECT: Duration = Duration::from_secs(5);
/// Limit for each part of an answer. A change may take as long as a test of a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const LONGEST: u64 = 4 << 20;

/// The program that runs on this machine.
pub(crate) struct Local {
    address: SocketAddr,
}

impl Local {
    /// The program that listens on this address.
    pub(crate) fn new(listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self { address: SocketAddr::new(ip, listen.port()) }
    }

    /// Returns the address at which the program is reached.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns status and body of an answer.
    pub(crate) fn get(&self, path: &str) -> io::Result<(u16, Json)> {
        self.json(self.request("GET", path, "")?)
    }

    /// Sends JSON. Returns status and body of the answer.
    pub(crate) fn post(&self, path: &str, body: &Json) -> io::Result<(u16, Json)> {
        self.json(self.request("POST", path, &body.to_string())?)
    }

    /// Sends JSON, and passes each event of the answer: its name, and its data. Returns the answer, if it is no stream.
    pub(crate) fn events(
        &self,
        path: &str,
        body: &Json,
        mut event: impl FnMut(&str, &Json),
    ) -> io::Result<Option<(u16, Json)>> {
        let mut answer = BufReader::new(self.request("POST", path, &body.to_string())?.take(LONGEST));
        let mut status = String::new();
        answer.read_line(&mut status)?;
        if !status.contains(" 200") {
            let mut rest = status.into_bytes();
            answer.read_to_end(&mut rest)?;
            return parsed(&rest).map(Some);
        }
        let mut name = String::new();
        for line in answer.lines() {
            let line = line?;
            if let Some(word) = line.strip_prefix("event:") {
                word.trim().clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data:") {
                event(&name, &serde_json::from_str(data.trim()).unwrap_or_default());
            }
        }
        Ok(None)
    }

    /// The end of an answer of HTTP/1.0 is that of the connection.
    fn request(&self, method: &str, path: &str, body: &str) -> io::Result<TcpStream> {
        let mut server = TcpStream::connect_timeout(&self.address, CONNECT)?;
        server.set_read_timeout(Some(PATIENCE))?;
        server.set_write_timeout(Some(PATIENCE))?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        server.write_all((head + body).as_bytes())?;
        Ok(server)
    }

    fn json(&self, server: TcpStream) -> io::Result<(u16, Json)> {
        let mut answer = Vec::new();
        server.take(LONGEST).read_to_end(&mut answer)?;
        parsed(&answer)
    }
}

/// Returns status and body of a whole answer.
fn parsed(answer: &[u8]) -> io::Result<(u16, Json)> {
    let foreign = || io::Error::other("the answer is not that of a smartmeter");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(foreign)? + 4;
    let status = answer.split(|byte| *byte == b' ').nth(1).ok_or_else(foreign)?;
    let status =
        std::str::from_utf8(status).ok().and_then(|status| status.parse().ok()).ok_or_else(foreign)?;
    let body = serde_json::from_slice(&answer[end..]).map_err(|_| foreign())?;
    Ok((status, body))
}

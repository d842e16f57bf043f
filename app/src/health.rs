//! `health`: what the program that runs on this machine says in `/health`, as an exit status.
//!
//! A container has no other client to look with. The request is written by hand, because the only client in the program
//! belongs to publishers, which a small build leaves out.

use std::{
    io::{self, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use clap::Args;
use serde_json::Value as Json;

use crate::{config_file::ConfigFile, failure::Failure};

/// Limit for connecting, and for each part of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const LONGEST: u64 = 4 << 20;

/// Options of `health`.
#[derive(Args)]
pub(crate) struct Health {
    #[command(flatten)]
    file: ConfigFile,
    /// Succeed as soon as the program answers, even if a source or publisher does not work
    #[arg(long)]
    alive: bool,
}

/// Prints the status, and succeeds if it is `ok`.
pub(crate) fn run(health: &Health) -> Result<(), Failure> {
    let config = health.file.load()?;
    let address = reachable(config.server.listen);
    let body = ask(address).map_err(|error| {
        Failure::fault(format!(
            "no smartmeter answers on {address}: {error}\nhint: is it running, and with this configuration?\n"
        ))
    })?;
    let status = body["status"].as_str().unwrap_or_default();
    let mut text = format!("{status}\n");
    for role in ["sources", "publishers", "endpoints"] {
        for (name, plugin) in body[role].as_object().into_iter().flatten() {
            let state = plugin["state"].as_str().unwrap_or_default();
            let reason = plugin["problem"].as_str().or_else(|| plugin["last_error"]["message"].as_str());
            let reason =
                reason.filter(|_| status != "ok").map_or_else(String::new, |reason| format!(": {reason}"));
            text += &format!("  {name}: {state}{reason}\n");
        }
    }
    if let Some(problem) = body["journal"]["problem"].as_str() {
        text += &format!("  journal: {problem}\n");
    }
    if status == "ok" || health.alive {
        return Ok(io::stdout().lock().write_all(text.as_bytes())?);
    }
    Err(Failure::fault(text))
}

/// Returns the address at which this machine reaches a server that listens on `listen`.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Asks for `/health`. The end of an answer of HTTP/1.0 is that of the connection.
fn ask(address: SocketAddr) -> io::Result<Json> {
    let mut server = TcpStream::connect_timeout(&address, PATIENCE)?;
    server.set_read_timeout(Some(PATIENCE))?;
    server.set_write_timeout(Some(PATIENCE))?;
    server.write_all(format!("GET /health?code=200 HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    server.take(LONGEST).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |end| end + 4);
    let body = answer.get(end..).unwrap_or_default();
    let body = serde_json::from_slice::<Json>(body).ok().filter(|body| body["status"].is_string());
    body.ok_or_else(|| io::Error::other("the answer is not that of a smartmeter"))
}

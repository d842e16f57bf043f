//! Watchdog: tells systemd that the program is alive, as long as it really is.
//!
//! It runs in the scheduler's own loop. So the first sign of life is that this loop turns, on a thread of the scheduler.
//! The others are an answer of the journal's keeper and one of HTTP, to a request like any client's. Without all three
//! there is no message, and systemd restarts the service after `WatchdogSec=`.
//!
//! A source, publisher or endpoint that hangs is not a reason: the others would end with it. Nor is a disk that hangs, or an
//! address that the machine has lost: a restart would change neither.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tracing::{error, info};

use super::notify;
use crate::{journal::KeeperWatch, latest::Latest};

/// Longest wait for a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Watchdog of the program.
pub(super) struct Watchdog {
    /// Time from one question to the next.
    interval: Duration,
    journal: KeeperWatch,
    http: Http,
    /// When both are asked next.
    next: Instant,
    asked: Option<Asked>,
}

/// Question that not everybody has answered yet.
struct Asked {
    at: Instant,
    has_journal_answered: bool,
    is_reported: bool,
}

impl Watchdog {
    /// The watchdog that gives a sign of life within `limit`.
    pub(super) fn new(limit: Duration, journal: KeeperWatch, http: Http) -> Self {
        Self { interval: limit / 3, journal, http, next: Instant::now(), asked: None }
    }

    /// Returns the longest time from one look to the next.
    pub(super) fn pause(&self) -> Duration {
        self.interval / 2
    }

    /// Looks for answers, and asks when it is time.
    pub(super) fn look(&mut self) {
        let now = Instant::now();
        let Some(asked) = &mut self.asked else {
            if now >= self.next {
                self.next = now + self.interval;
                self.journal.ask();
                self.http.ask();
                self.asked = Some(Asked { at: now, has_journal_answered: false, is_reported: false });
            }
            return;
        };
        asked.has_journal_answered |= self.journal.makes_progress();
        let silent = match (asked.has_journal_answered, self.http.has_answered()) {
            (true, true) => {
                if asked.is_reported {
                    info!("the program answers again");
                }
                self.asked = None;
                return notify::alive();
            }
            (false, true) => "the journal has",
            (true, false) => "HTTP has",
            (false, false) => "the journal and HTTP have",
        };
        let waited = now - asked.at;
        if waited >= self.interval && !std::mem::replace(&mut asked.is_reported, true) {
            error!("{silent} not answered for {} s: systemd restarts the service soon", waited.as_secs());
        }
    }
}

/// Requests to the program's own port.
pub(super) struct Http {
    address: Arc<Latest<SocketAddr>>,
    /// Runtime that serves.
    front: Handle,
    request: Option<JoinHandle<()>>,
    has_answered: Arc<AtomicBool>,
}

impl Http {
    /// Requests to the newest `address`, which tasks on `front` serve.
    pub(super) fn new(address: Arc<Latest<SocketAddr>>, front: Handle) -> Self {
        Self { address, front, request: None, has_answered: Arc::default() }
    }

    /// Begins a request.
    fn ask(&mut self) {
        self.has_answered = Arc::default();
        self.request();
    }

    /// Returns whether there was an answer. A request that failed is repeated.
    fn has_answered(&mut self) -> bool {
        let has_answered = self.has_answered.load(Relaxed);
        if !has_answered && self.request.as_ref().is_none_or(JoinHandle::is_finished) {
            self.request();
        }
        has_answered
    }

    fn request(&mut self) {
        let Some(address) = self.address.get().map(|address| reachable(*address)) else { return };
        let (front, sign) = (self.front.clone(), Arc::clone(&self.has_answered));
        let task = tokio::spawn(async move {
            if answers(address, &front).await {
                sign.store(true, Relaxed);
            }
        });
        if let Some(earlier) = self.request.replace(task) {
            earlier.abort();
        }
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        if let Some(request) = &self.request {
            request.abort();
        }
    }
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

/// Returns whether HTTP answers. Where it cannot be reached from here, because the machine has lost the address, a
/// firewall is in between or there are no more files, a task on its thread answers in its place.
async fn answers(address: SocketAddr, front: &Handle) -> bool {
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => ask(stream, address).await.unwrap_or(false),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused && is_own(address) => false,
        // The system connects without the program's help, so this says nothing about it.
        Ok(Err(_)) | Err(_) => front.spawn(async {}).await.is_ok(),
    }
}

/// Returns whether the first byte of an answer came. It passes all rules and routes, and costs nearly nothing.
async fn ask(mut stream: TcpStream, address: SocketAddr) -> io::Result<bool> {
    let request = format!("OPTIONS * HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    // With TLS the answer is an alert, and that of a proxy's protocol something else.
    Ok(stream.read(&mut [0; 64]).await? > 0)
}

/// Returns whether the machine still has an address.
fn is_own(address: SocketAddr) -> bool {
    TcpListener::bind((address.ip(), 0)).is_ok()
}

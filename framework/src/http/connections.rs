//! Open connections, and the one that must end where a new client finds no room.
//!
//! A connection may wait for its client as long as there is room: for a request, the rest of a body, or until an answer
//! is read. Once all are open, the one that has waited longest makes room for the next client.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    task::{AbortHandle, Id},
    time::Instant,
};

/// State of a connection: whether it waits for its client.
#[derive(Debug)]
pub(super) struct Progress {
    opened: Instant,
    /// Milliseconds from `opened` to the moment since when it waits; [`ANSWERING`] while the client waits.
    waits_since: AtomicU64,
    /// Whether its last answer was large.
    is_large: AtomicBool,
}

const ANSWERING: u64 = u64::MAX;

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        let (waits_since, is_large) = (AtomicU64::new(0), AtomicBool::new(false));
        Arc::new(Self { opened: Instant::now(), waits_since, is_large })
    }

    /// Notes that the client waits for an answer, or for more of it.
    pub(super) fn answering(&self) {
        self.waits_since.store(ANSWERING, Relaxed);
    }

    /// Notes that from now on the client has to do something: to read, or to send.
    pub(super) fn wait(&self) {
        self.waits_since.store(self.opened.elapsed().as_millis() as u64, Relaxed);
    }

    pub(super) fn set_large(&self, is_large: bool) {
        self.is_large.store(is_large, Relaxed);
    }

    /// Returns how long it has waited for the client; `None` while the client waits.
    fn waited(&self) -> Option<Duration> {
        let since = self.waits_since.load(Relaxed);
        (since != ANSWERING).then(|| self.opened.elapsed().saturating_sub(Duration::from_millis(since)))
    }
}

/// Connection that is open.
struct Open {
    client: IpAddr,
    progress: Arc<Progress>,
    task: AbortHandle,
}

/// All connections that are open.
pub(super) struct Connections {
    open: HashMap<Id, Open>,
    limit: usize,
    hold: Duration,
    /// Connection that is about to end.
    ending: Option<Id>,
}

impl Connections {
    /// Connections of which at most `limit` are open, and which may wait for `hold` at least.
    pub(super) fn new(limit: usize, hold: Duration) -> Self {
        Self { open: HashMap::new(), limit, hold, ending: None }
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= self.limit
    }

    pub(super) fn add(&mut self, client: IpAddr, progress: Arc<Progress>, task: AbortHandle) {
        self.open.insert(task.id(), Open { client: network(client), progress, task });
    }

    pub(super) fn remove(&mut self, id: Id) {
        self.open.remove(&id);
        self.ending.take_if(|ending| *ending == id);
    }

    /// Ends the connection that has waited longest, of the client with most connections, but of none with fewer than the
    /// newcomer's client has. A few connections of this machine come last. A client with half of all may be a hoarder
    /// and others at the same address, behind a proxy perhaps: those get room soon.
    pub(super) fn make_room(&mut self, newcomer: IpAddr) {
        let (newcomer, half, hold) = (network(newcomer), self.limit / 2, self.hold);
        self.end_one(Some(newcomer), |open, count| {
            let hold = match (count > half, open.client == newcomer) {
                (true, false) => Duration::ZERO,
                (true, true) => hold / 20,
                (false, _) => hold,
            };
            open.progress.waited().filter(|waited| *waited >= hold)
        });
    }

    /// Ends the connection with a large answer that has waited longest.
    pub(super) fn free_memory(&mut self) {
        let hold = self.hold;
        self.end_one(None, |open, _| {
            let is_large = open.progress.is_large.load(Relaxed);
            open.progress.waited().filter(|waited| is_large && *waited >= hold)
        });
    }

    fn end_one(&mut self, newcomer: Option<IpAddr>, waited: impl Fn(&Open, usize) -> Option<Duration>) {
        if self.ending.is_some() {
            return;
        }
        let mut counts = HashMap::<IpAddr, usize>::new();
        self.open.values().for_each(|open| *counts.entry(open.client).or_default() += 1);
        let reserved = self.limit / 4;
        let count = |client| counts.get(&client).copied().unwrap_or(0);
        let rank =
            |client: IpAddr| count(client).saturating_sub(if client.is_loopback() { reserved } else { 0 });
        let least = newcomer.map_or(0, rank);
        let candidates = self.open.values().filter(|open| rank(open.client) >= least);
        let candidates = candidates
            .filter_map(|open| Some(((rank(open.client), waited(open, count(open.client))?), &open.task)));
        if let Some((_, task)) = candidates.max_by_key(|(key, _)| *key) {
            task.abort();
            self.ending = Some(task.id());
        }
    }
}

/// Returns what stands for a client: its address, or the network of an IPv6 address, of which it has as many as it
/// likes.
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
        IpAddr::V6(_) => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        address => address,
    }
}

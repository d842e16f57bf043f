//! Readings and commands over HTTP.
//!
//! | route | answer | module |
//! |---|---|---|
//! | `GET /`, `/page/<file>` | the live page | `page` |
//! | `GET /data`, `/data/<source>[/<name>[/<member>]]` | the newest readings | `data` |
//! | `GET /readings` | kind, quantity and unit of the newest readings | `readings` |
//! | `GET /cmds`, `POST /cmd`, `GET /cmd?name=…`, `POST /` | the commands and their results | `cmd`, after `access` |
//! | `GET /health` | status of sources, publishers, endpoints and the journal | `health` |
//! | `GET /metrics` | readings and status, for Prometheus | `metrics` |
//! | `GET /events` | server-sent events, one for each batch | `events` |
//! | `GET /setup`, `POST /setup/<action>` | drop-ins, devices, the search for meters | `setup`, after `access` |
//! | `GET /qr` | the page's address as a QR code | `qr` |
//! | `GET /login`, `POST /login`, `POST /logout` | a session in place of the token | `login`, after `access` |
//! | `GET /series`, `/history/<source>/<name>` | recorded readings | `history`, `columns` |
//! | `GET /balance` | consumption, self-consumption and self-sufficiency of the household | `balance` |
//! | `GET /insights` | standby power, peaks, heat pump, voltage | `insights` |
//! | `GET /registers` | what the counters showed at a moment | `registers` |
//! | `GET /tariffs`, `/bill`, `/forecast` | what energy costs, and what it will cost | `costs` |
//!
//! warp's filters route and parse the requests. `server` drives them over hyper, because warp's own server has neither
//! timeouts nor a limit of connections. A request that is not HTTP gets hyper's own answer: 400 or 431 without a body.
//!
//! Each route matches the path first, then the method, and ends with `reply::other_method`: so an unknown path is 404 and
//! a wrong method 405. Handlers return a [`Response`] also for errors; a rejection only means "not my route".

mod access;
mod balance;
mod chunks;
mod cmd;
mod columns;
mod compact;
mod connections;
mod costs;
mod data;
mod error;
mod events;
mod health;
mod history;
mod insights;
mod linger;
mod login;
mod memory;
mod metrics;
mod page;
mod parameters;
mod qr;
mod readings;
mod registers;
mod reply;
mod server;
mod setup;
#[cfg(test)]
mod tests;
mod turns;

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use warp::{Filter, filters::BoxedFilter, http::Method, path::FullPath, reply::Response};

use self::{error::ApiError, reply::Members};
use crate::{
    Commands, Costs, ServerConfig, Setup, Store, Tariffs, journal::Journal, publish::Delivery,
    roster::Roster, serving::EndpointStatus,
};

/// Returns `/health` of sources in a test of a plugin.
#[cfg(feature = "testing")]
pub(crate) fn health(store: &Arc<Store>, now: std::time::Instant) -> serde_json::Value {
    let report = health::Report::new(Arc::clone(store), Journal::off(), Arc::default(), false);
    serde_json::to_value(report.body(now)).unwrap_or_default()
}

pub use self::server::serve;
pub(crate) use self::{
    access::Access,
    health::{is_delivering, is_healthy, is_well, state},
    server::{serve_at, serve_routes},
};

/// Everything that is served.
pub struct Api {
    store: Arc<Store>,
    data: Arc<data::Data>,
    commands: Arc<cmd::Cmd>,
    access: Arc<Access>,
    setup: Option<Arc<Setup>>,
    report: Arc<health::Report>,
    roster: Arc<Roster>,
    history: Arc<history::History>,
    memory: memory::Memory,
    limits: Limits,
}

/// Limits of a client's time and resources.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Time for the head of a request, and for idling between two requests.
    head: Duration,
    /// Time from the head of a request to its answer; it ends a body that trickles in.
    request: Duration,
    /// Time that a connection may wait for its client, once there is no room for another one.
    hold: Duration,
    /// Time for the client to acknowledge bytes; it ends the connection of a client that has gone.
    unread: Duration,
    /// Time for bytes that a client still sends after its answer, see `linger.rs`.
    linger: Duration,
    /// Time for open requests when the program ends.
    grace: Duration,
    /// Silence after which an event stream sends a comment.
    keep_alive: Duration,
    /// Most open connections. For a further client the one ends that has waited longest; else it waits in the system's
    /// queue.
    connections: usize,
    /// Most event streams among them; further ones are refused, so that `/data` stays reachable.
    streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            request: Duration::from_secs(20),
            hold: Duration::from_millis(500),
            unread: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            grace: Duration::from_millis(400),
            keep_alive: Duration::from_secs(15),
            connections: 256,
            streams: 64,
        }
    }
}

/// Address of the client, if it is known. The server adds it to each request.
#[derive(Debug, Clone, Copy)]
struct Peer(IpAddr);

/// Mark of a request that came over TLS. The server adds it.
#[derive(Debug, Clone, Copy)]
struct Encrypted;

impl Api {
    /// Returns the API over these readings, commands and publishers.
    pub fn new(
        store: Arc<Store>,
        commands: Commands,
        journal: Journal,
        publishers: Vec<Arc<Delivery>>,
        endpoints: Vec<Arc<EndpointStatus>>,
        server: &ServerConfig,
        simulated: bool,
    ) -> Self {
        let memory = memory::Memory::default();
        let access = Arc::new(Access::new(server));
        let (of_report, of_journal) = (Arc::clone(&store), journal.clone());
        let costs = Arc::new(Costs::new(journal, Arc::default()));
        let roster = Arc::<Roster>::default();
        roster.replace(publishers, endpoints);
        roster.set_household(server.name.clone());
        Self {
            data: Arc::new(data::Data::new(Arc::clone(&store), memory.clone())),
            memory,
            commands: Arc::new(cmd::Cmd::new(commands, Arc::clone(&access))),
            access,
            setup: None,
            report: Arc::new(health::Report::new(of_report, of_journal, Arc::clone(&roster), simulated)),
            history: Arc::new(history::History::new(costs, Arc::clone(&store))),
            roster,
            store,
            limits: Limits::default(),
        }
    }

    /// Returns it with the routes of the setup.
    pub(crate) fn with_setup(self, setup: Option<Arc<Setup>>) -> Self {
        Self { setup, ..self }
    }

    /// Returns it with prices of energy.
    #[must_use]
    pub fn with_tariffs(self, tariffs: Arc<Tariffs>) -> Self {
        self.costs().replace(tariffs);
        self
    }

    /// Returns the list of publishers and endpoints that is reported.
    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster)
    }

    /// Returns the costs that are served.
    pub(crate) fn costs(&self) -> Arc<Costs> {
        Arc::clone(self.history.costs())
    }

    /// Returns the rules for clients, part of which hold for endpoints, too.
    pub(crate) fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access)
    }

    /// Returns it with other limits: tests cannot wait for the real ones.
    #[cfg(test)]
    fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Returns all routes. Event streams end with `stop`. The last route accepts everything.
    fn routes(&self, stop: CancellationToken) -> BoxedFilter<(Response,)> {
        let nothing_there = warp::path::full().and(warp::method()).map(no_such_path);
        let setup = self.setup.as_ref().map(|setup| setup::routes(setup, &self.access, stop.clone()));
        let routes = [
            history::routes(&self.history),
            registers::routes(&self.history),
            balance::routes(&self.history),
            insights::routes(&self.history),
            costs::routes(&self.history),
            events::routes(Arc::clone(&self.store), &self.limits, stop),
            metrics::routes(&self.report),
            health::routes(&self.report, &self.access),
            readings::routes(&self.store),
            cmd::routes(&self.commands),
            login::routes(&self.access),
            page::routes(&self.access, &self.roster),
            qr::routes(),
            data::routes(&self.data),
        ];
        let last = nothing_there.boxed();
        routes.into_iter().chain(setup).fold(last, |others, route| route.or(others).unify().boxed())
    }
}

fn no_such_path(path: FullPath, method: Method) -> Response {
    if method == Method::OPTIONS && path.as_str() == "*" {
        return reply::options("GET, HEAD, POST, OPTIONS");
    }
    ApiError::no_such_path().into()
}

//! The readings and commands over HTTP: the only place that knows HTTP.
//!
//! | route | answer | who |
//! |---|---|---|
//! | `GET /`, `/page/<file>` | the live page | `page` |
//! | `GET /data`, `/data/<section>[/<name>[/<member>]]` | the newest readings | `data` |
//! | `GET /readings` | kind, quantity and unit of the newest readings | `readings` |
//! | `GET /cmds`, `POST /cmd`, `GET /cmd?name=…`, `POST /` | the commands, and what they say | `cmd`, after `guard` |
//! | `GET /health` | how each instance fares | `health` |
//! | `GET /metrics` | readings and how everything fares, for Prometheus | `metrics` |
//! | `GET /events` | server-sent events, one for each batch | `events` |
//! | `GET /series`, `/history/<section>/<name>` | what the journal has recorded | `history`, `columns` |
//!
//! warp's filters find the route and take the request apart; `server` drives them over hyper,
//! because warp's own server knows neither timeouts nor a limit of connections. What is no HTTP at all
//! gets hyper's own answer: 400 or 431 without a body.
//!
//! Each route is path first, then method, and ends with `reply::other_methods`: so an unknown path
//! is 404 and a wrong method 405. Handlers answer with a [`Response`], errors included; a rejection
//! only ever means "not my route".

mod cmd;
mod columns;
mod data;
mod error;
mod events;
mod guard;
mod health;
mod history;
mod linger;
mod metrics;
mod page;
mod readings;
mod reply;
mod server;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use warp::{Filter, http::Method, path::FullPath, reply::Response};

use self::{error::ApiError, reply::Members};
use crate::{Commands, ServerConfig, Store, journal::Journal, publish::Delivery, serving::EndpointStatus};

pub use self::server::serve;
pub(crate) use self::server::serve_routes;

/// What is served.
pub struct Api {
    store: Arc<Store>,
    data: Arc<data::Data>,
    commands: Arc<cmd::Cmd>,
    health: Arc<health::Report>,
    metrics: Arc<metrics::Metrics>,
    events: Arc<events::Events>,
    history: Arc<history::History>,
    limits: Limits,
}

/// What clients may take: time and room.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// For the head of a request; also how long a connection may idle between two requests.
    head: Duration,
    /// From the head of a request to its answer; a body that trickles in ends here.
    request: Duration,
    /// For bytes that the client does not acknowledge; a reader that has gone ends here.
    unread: Duration,
    /// For what a client still sends after its answer, see `linger.rs`.
    linger: Duration,
    /// For open requests when the program ends.
    grace: Duration,
    /// After how much silence an event stream says that it is still there.
    keep_alive: Duration,
    /// Open at the same time; further clients wait in the system's queue.
    connections: usize,
    /// Event streams among them; further ones are refused, so that `/data` stays reachable.
    streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(15),
            request: Duration::from_secs(20),
            unread: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            grace: Duration::from_millis(400),
            keep_alive: Duration::from_secs(15),
            connections: 256,
            streams: 64,
        }
    }
}

/// Who asks, where that is known. The server adds it to each request.
#[derive(Debug, Clone, Copy)]
struct Peer(IpAddr);

impl Api {
    /// The API over these readings, commands and publishers.
    pub fn new(
        store: Arc<Store>,
        commands: Commands,
        journal: Journal,
        publishers: Vec<Arc<Delivery>>,
        endpoints: Vec<Arc<EndpointStatus>>,
        server: &ServerConfig,
        simulated: bool,
    ) -> Self {
        let limits = Limits::default();
        let publishers: Arc<[_]> = publishers.into();
        let (of_health, of_metrics) = (Arc::clone(&publishers), publishers);
        Self {
            data: Arc::new(data::Data::new(Arc::clone(&store))),
            commands: Arc::new(cmd::Cmd::new(commands, server)),
            health: Arc::new(health::Report::new(
                Arc::clone(&store),
                journal.clone(),
                of_health,
                endpoints,
                simulated,
            )),
            metrics: Arc::new(metrics::Metrics::new(Arc::clone(&store), journal.clone(), of_metrics)),
            history: Arc::new(history::History::new(journal)),
            events: Arc::new(events::Events::new(Arc::clone(&store), &limits)),
            store,
            limits,
        }
    }

    /// All routes. Event streams end with `stop`.
    ///
    /// The last one takes everything, so that the type says it: no rejection is left for warp to word.
    fn routes(
        &self,
        stop: CancellationToken,
    ) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + use<> {
        let nothing_there =
            warp::path::full().and(warp::method()).map(no_such_path).map(reply::readable_anywhere);
        data::routes(&self.data)
            .or(page::routes())
            .unify()
            .or(cmd::routes(&self.commands))
            .unify()
            .or(readings::routes(&self.store))
            .unify()
            .or(health::routes(&self.health))
            .unify()
            .or(metrics::routes(&self.metrics))
            .unify()
            .or(events::routes(&self.events, stop))
            .unify()
            .or(history::routes(&self.history))
            .unify()
            .or(nothing_there)
            .unify()
    }
}

fn no_such_path(path: FullPath, method: Method) -> Response {
    if method == Method::OPTIONS && path.as_str() == "*" {
        return reply::options("GET, HEAD, POST, OPTIONS");
    }
    ApiError::no_such_path().into()
}

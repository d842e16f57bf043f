//! Accept loop: warp's filters over hyper, with a limit for each resource that a client uses.

use std::{convert::Infallible, io, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use warp::{
    Filter,
    http::{Request, StatusCode},
    reply::Response,
};

use crate::Faults;

use super::{Api, ApiError, Limits, Peer, data::Data, linger::Lingering};

/// Pause after a failure to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Divisor of the idle time of a new connection while more than half of all connections are open: a client that hoards
/// idle ones must not keep others waiting.
const CROWDED: u32 = 10;
/// Connections of an endpoint: a LAN has few clients of one kind.
const ENDPOINT_CONNECTIONS: usize = 64;

/// Serves clients until `stop`; then open requests get a moment to end, and event streams end at once.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) {
    serve_all(listener, front(api, stop)).await;
}

/// Serves the routes of an endpoint until `stop`, with the same limits but fewer connections.
pub(crate) async fn serve_routes<F>(listener: TcpListener, routes: F, stop: CancellationToken)
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
{
    let filters = TowerToHyperService::new(warp::service(routes));
    let limits = Limits { connections: ENDPOINT_CONNECTIONS, ..Limits::default() };
    serve_all(listener, Front { data: None, filters, limits, stop }).await;
}

async fn serve_all<S>(listener: TcpListener, front: Front<S>)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>,
    S: Clone + Send + Sync + 'static,
{
    let slots = Arc::new(Semaphore::new(front.limits.connections));
    let mut connections = JoinSet::new();
    let mut faults = Faults::default();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            // Removes finished connections from the set.
            Some(_) = connections.join_next() => continue,
            () = front.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                prepare(&stream, &front.limits);
                let mut front = front.clone();
                if slots.available_permits() < front.limits.connections / 2 {
                    front.limits.head /= CROWDED;
                }
                connections.spawn(async move {
                    front.serve(stream, peer).await;
                    drop(slot);
                });
            }
            Err(error) => {
                if let Some(text) = faults.note((), &format!("could not accept a connection: {error}")) {
                    warn!("{text}");
                }
                // Most likely there are no file descriptors left, and an immediate retry would fail again.
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    // Dropping the set ends the connections that are left.
    let _ = timeout(front.limits.grace, async { while connections.join_next().await.is_some() {} }).await;
}

/// Accepts the next client once there is room; until then it waits in the system's queue.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer.ip(), slot))
}

/// Sets socket options. Neither is vital: the connection works without them.
pub(super) fn prepare(stream: &TcpStream, limits: &Limits) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limits.unread));
}

/// Everything that a connection needs.
#[derive(Clone)]
pub(super) struct Front<S> {
    /// Shortcut for `GET /data`, if there is one.
    data: Option<Arc<Data>>,
    filters: S,
    limits: Limits,
    stop: CancellationToken,
}

/// Returns the filters of `api` with everything that serves them.
pub(super) fn front(
    api: Api,
    stop: CancellationToken,
) -> Front<
    impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync,
> {
    let filters = TowerToHyperService::new(warp::service(api.routes(stop.clone())));
    Front { data: Some(api.data), filters, limits: api.limits, stop }
}

impl<S> Front<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>,
{
    /// Serves one client.
    pub(super) async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static, peer: IpAddr) {
        let service = service_fn(|request| self.answer(request, peer));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_headers(64)
            .max_header_size(16 * 1024)
            .max_buf_size(32 * 1024)
            // A client that has shut down its side still waits for the answer.
            .half_close(true);
        let stream = TokioIo::new(Lingering::new(stream, self.limits.linger, self.stop.clone()));
        let mut connection = pin!(http.serve_connection(stream, service));
        // Clients end connections in many ways, so errors are of no interest here.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    }

    async fn answer(&self, mut request: Request<Incoming>, peer: IpAddr) -> Result<Response, Infallible> {
        if let Some(response) = self.data.as_ref().and_then(|data| data.shortcut(&request)) {
            return Ok(response);
        }
        in_lower_case(&mut request);
        request.extensions_mut().insert(Peer(peer));
        // Boxed, because the future of all filters is large, and the shortcut would have to move it too.
        let answer = Box::pin(self.filters.call(request));
        // The head of an event stream is an answer at once, however long the stream lasts.
        timeout(self.limits.request, answer).await.unwrap_or_else(|_| Ok(too_slow(&self.limits)))
    }
}

/// Lowers the capitals of raspend's three paths, which it accepted in any case.
fn in_lower_case<B>(request: &mut Request<B>) {
    let path = request.uri().path();
    if !["/data", "/cmd", "/cmds"].iter().any(|known| path.eq_ignore_ascii_case(known)) {
        return;
    }
    let lower = path.to_ascii_lowercase();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("{lower}{query}").parse() {
        *request.uri_mut() = uri;
    }
}

fn too_slow(limits: &Limits) -> Response {
    let message = format!("the request was not complete within {:?}", limits.request);
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", message).into()
}

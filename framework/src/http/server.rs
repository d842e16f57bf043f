//! Accept loop: warp's filters over hyper, with a limit for each resource that a client uses.

use std::{
    convert::Infallible,
    future::{Future, poll_fn, ready},
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either},
};
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
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{Request, StatusCode},
    reply::Response,
};

use crate::Faults;

use super::{Api, ApiError, Limits, Peer, data::Data, linger};

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
    let limits = Limits { connections: ENDPOINT_CONNECTIONS, ..Limits::default() };
    serve_all(listener, Front { data: None, routes: service(routes.boxed()), limits, stop }).await;
}

async fn serve_all(listener: TcpListener, front: Front) {
    let (mut connections, mut faults) = (JoinSet::new(), Faults::default());
    loop {
        let accepted = tokio::select! {
            // Further clients wait in the system's queue.
            accepted = listener.accept(), if connections.len() < front.limits.connections => accepted,
            // Removes finished connections from the set.
            Some(_) = connections.join_next() => continue,
            () = front.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                prepare(&stream, &front.limits);
                let mut front = front.clone();
                if connections.len() >= front.limits.connections / 2 {
                    front.limits.head /= CROWDED;
                }
                connections.spawn(async move { front.serve(stream, peer.ip()).await });
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

/// Sets socket options. Neither is vital: the connection works without them.
pub(super) fn prepare(stream: &TcpStream, limits: &Limits) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limits.unread));
}

/// Answers of the routes. The future is boxed, because it is large, and the shortcut would have to move it too.
type Routes = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response> + Send + Sync>;

/// Everything that a connection needs.
#[derive(Clone)]
pub(super) struct Front {
    /// Shortcut for `GET /data`, if there is one.
    data: Option<Arc<Data>>,
    routes: Routes,
    limits: Limits,
    stop: CancellationToken,
}

/// Returns the routes of `api` with everything that serves them.
pub(super) fn front(api: Api, stop: CancellationToken) -> Front {
    let routes = service(api.routes(stop.clone()));
    Front { data: Some(api.data), routes, limits: api.limits, stop }
}

fn service(routes: BoxedFilter<(Response,)>) -> Routes {
    let service = TowerToHyperService::new(warp::service(routes));
    Arc::new(move |request| service.call(request).map(|Ok(response)| response).boxed())
}

impl Front {
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
        let mut connection = http.serve_connection(TokioIo::new(stream), service);
        // Clients end connections in many ways, so errors are of no interest here.
        let stopped = tokio::select! {
            _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => false,
            () = self.stop.cancelled() => true,
        };
        if stopped {
            Pin::new(&mut connection).graceful_shutdown();
            let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
        }
        linger::close(connection.into_parts().io.into_inner(), self.limits.linger, &self.stop).await;
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: IpAddr,
    ) -> impl Future<Output = Result<Response, Infallible>> + Unpin {
        if let Some(response) = self.data.as_ref().and_then(|data| data.shortcut(&request)) {
            return Either::Left(ready(Ok(response)));
        }
        in_lower_case(&mut request);
        request.extensions_mut().insert(Peer(peer));
        // The head of an event stream is an answer at once, however long the stream lasts.
        let (answer, limit) = ((self.routes)(request), self.limits.request);
        Either::Right(Box::pin(async move {
            Ok(timeout(limit, answer).await.unwrap_or_else(|_| too_slow(limit)))
        }))
    }
}

/// Lowers the capitals of raspend's three paths, which it accepted in any case.
fn in_lower_case<B>(request: &mut Request<B>) {
    let uri = request.uri();
    let known = ["/data", "/cmd", "/cmds"].into_iter().find(|known| uri.path().eq_ignore_ascii_case(known));
    if let Some(path) = known
        && let Ok(uri) = format!("{path}?{}", uri.query().unwrap_or_default()).parse()
    {
        *request.uri_mut() = uri;
    }
}

fn too_slow(limit: Duration) -> Response {
    let message = format!("the request was not complete within {limit:?}");
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", message).into()
}

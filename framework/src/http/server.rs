//! Accept loop: warp's filters over hyper, with a limit for each resource that a client uses.

use std::{
    convert::Infallible,
    future::{Future, poll_fn, ready},
    io,
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either},
};
use hyper::{
    body::{Body, Incoming},
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
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{self, HeaderValue, Method, Request, StatusCode, header},
    reply::Response,
};

use crate::Faults;

use super::{
    Api, ApiError, Encrypted, Limits, Peer,
    access::{Access, Reading, settle_host},
    connections::{Connections, Progress},
    data::Data,
    health::Stranger,
    linger, login,
    memory::{Memory, SMALL, Watched},
};

/// Pause after a failure to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes that the system may keep for a connection; it doubles them for its own needs.
const SEND_BUFFER: usize = 32 * 1024;
const RECEIVE_BUFFER: usize = 16 * 1024;
/// Connections of an endpoint: a LAN has few clients of one kind.
const ENDPOINT_CONNECTIONS: usize = 64;

/// First byte of a TLS handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// Serves clients until `stop`; then open requests get a moment to end, and event streams end at once.
pub async fn serve(listener: TcpListener, api: Api, stop: CancellationToken) {
    let (_same, listeners) = mpsc::channel(1);
    serve_all(listener, listeners, front(api, stop)).await;
}

/// Serves clients until `stop`, at another address as soon as `listeners` has one. Connections stay.
pub(crate) async fn serve_at(
    listener: TcpListener,
    listeners: mpsc::Receiver<TcpListener>,
    api: Api,
    stop: CancellationToken,
) {
    serve_all(listener, listeners, front(api, stop)).await;
}

/// Serves the routes of an endpoint until `stop`, with the same rules and limits but fewer connections.
pub(crate) async fn serve_routes<F>(
    listener: TcpListener,
    routes: F,
    access: Arc<Access>,
    stop: CancellationToken,
) where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
{
    let limits = Limits { connections: ENDPOINT_CONNECTIONS, ..Limits::default() };
    let (routes, memory) = (service(routes.boxed()), Memory::default());
    let (_same, listeners) = mpsc::channel(1);
    serve_all(listener, listeners, Front { data: None, routes, access, limits, memory, stop }).await;
}

async fn serve_all(mut listener: TcpListener, mut listeners: mpsc::Receiver<TcpListener>, front: Front) {
    limit_buffers(&listener);
    let mut connections = Connections::new(front.limits.connections, front.limits.hold);
    let (mut tasks, mut faults, mut newcomer) = (JoinSet::new(), Faults::default(), None);
    loop {
        if let Some((stream, peer)) = newcomer.take_if(|_| !connections.is_full()) {
            let (front, progress) = (front.clone(), Progress::new());
            let watched = Arc::clone(&progress);
            let task = tasks.spawn(async move { front.welcome(stream, peer, &watched).await });
            connections.add(peer, progress, task);
        } else if let Some((_, peer)) = &newcomer {
            connections.make_room(*peer);
        }
        let accepted = tokio::select! {
            // One client waits here for room, further ones in the system's queue.
            accepted = listener.accept(), if newcomer.is_none() => accepted,
            Some(ended) = tasks.join_next_with_id() => {
                connections.remove(ended.map_or_else(|error| error.id(), |(id, ())| id));
                continue;
            }
            () = front.memory.short.notified() => {
                connections.free_memory();
                continue;
            }
            // By then another connection may have waited long enough.
            () = sleep(front.limits.hold / 50), if newcomer.is_some() => continue,
            Some(other) = listeners.recv() => {
                limit_buffers(&other);
                listener = other;
                continue;
            }
            () = front.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                prepare(&stream, &front.limits);
                newcomer = Some((stream, peer.ip()));
            }
            // A reload has shut it down, as another one needs its address.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => sleep(ACCEPT_PAUSE).await,
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
    let _ = timeout(front.limits.grace, async { while tasks.join_next().await.is_some() {} }).await;
}

/// Bounds what the system keeps for each connection, which inherits it: memory of this program in all but name.
fn limit_buffers(listener: &TcpListener) {
    let socket = socket2::SockRef::from(listener);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
}

/// Sets socket options. Neither is vital: the connection works without them.
pub(super) fn prepare(stream: &TcpStream, limits: &Limits) {
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(limits.unread));
}

/// Answers of the routes. The future is boxed, because it is large, and the shortcut would have to move it too.
type Routes = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response> + Send + Sync>;

/// Body of an answer.
trait AnyBody: Body<Data = Bytes, Error = warp::Error> {}
impl<B: Body<Data = Bytes, Error = warp::Error>> AnyBody for B {}

/// Everything that a connection needs.
#[derive(Clone)]
pub(super) struct Front {
    /// Shortcut for `GET /data`; an endpoint has neither that path nor commands.
    data: Option<Arc<Data>>,
    routes: Routes,
    access: Arc<Access>,
    limits: Limits,
    memory: Memory,
    stop: CancellationToken,
}

/// Returns the routes of `api` with everything that serves them.
pub(super) fn front(api: Api, stop: CancellationToken) -> Front {
    let routes = service(api.routes(stop.clone()));
    let Api { data, access, limits, memory, .. } = api;
    Front { data: Some(data), routes, access, limits, memory, stop }
}

fn service(routes: BoxedFilter<(Response,)>) -> Routes {
    let service = TowerToHyperService::new(warp::service(routes));
    Arc::new(move |request| service.call(request).map(|Ok(response)| response).boxed())
}

/// How a client speaks to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Plain,
    Tls,
    /// Plain HTTP from another machine, where TLS is expected.
    Unencrypted,
}

impl Front {
    /// Serves one client, after its handshake where TLS is configured. This machine may speak plain HTTP there, too: its
    /// own programs do, and nobody listens in.
    async fn welcome(&self, stream: TcpStream, peer: IpAddr, progress: &Arc<Progress>) {
        // Whoever has this machine's address is this machine: the kernel takes such packets from nowhere else.
        let is_own = stream.local_addr().is_ok_and(|own| own.ip().to_canonical() == peer.to_canonical());
        let peer = if is_own { Ipv4Addr::LOCALHOST.into() } else { peer };
        // The clients of an endpoint know no TLS.
        let Some(tls) = self.data.as_ref().and_then(|_| self.access.tls()) else {
            return self.serve(stream, peer, progress).await;
        };
        let handshake = async {
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(1) if first == [HANDSHAKE] => tls.accept(stream).await.map(Either::Left),
                Ok(1) => Some(Either::Right(stream)),
                _ => None,
            }
        };
        let limited = timeout(self.limits.head, Box::pin(handshake));
        match self.stop.run_until_cancelled(limited).await {
            Some(Ok(Some(Either::Left(stream)))) => {
                self.serve_on(Channel::Tls, stream, peer, progress).await;
            }
            Some(Ok(Some(Either::Right(stream)))) => {
                let is_here = peer.to_canonical().is_loopback();
                let channel = if is_here { Channel::Plain } else { Channel::Unencrypted };
                self.serve_on(channel, stream, peer, progress).await;
            }
            _ => {}
        }
    }

    /// Serves one client.
    pub(super) async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: IpAddr,
        progress: &Arc<Progress>,
    ) {
        self.serve_on(Channel::Plain, stream, peer, progress).await;
    }

    /// Serves plain HTTP as to another machine, where TLS is expected.
    #[cfg(test)]
    pub(super) async fn serve_unencrypted(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: IpAddr,
        progress: &Arc<Progress>,
    ) {
        self.serve_on(Channel::Unencrypted, stream, peer, progress).await;
    }

    async fn serve_on(
        &self,
        channel: Channel,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        peer: IpAddr,
        progress: &Arc<Progress>,
    ) {
        let service = service_fn(|request| self.answer(request, peer, channel, progress));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_headers(64)
            .max_header_size(16 * 1024)
            .max_buf_size(16 * 1024)
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
        channel: Channel,
        progress: &Arc<Progress>,
    ) -> impl Future<Output = Result<http::Response<impl AnyBody + use<>>, Infallible>> + Unpin {
        let progress = Arc::clone(progress);
        // A body that is still to come is the client's turn: see `cmd`.
        if request.body().is_end_stream() {
            progress.answering();
        }
        let settled = settle_host(&mut request);
        in_lower_case(&mut request);
        let (reading, refused) = self.visit(&mut request, peer);
        let unencrypted = || (channel == Channel::Unencrypted).then(|| self.ask_for_tls(&request, peer));
        if let Some(refused) = settled.err().map(Response::from).or_else(unencrypted).or(refused) {
            return Either::Left(ready(Ok(refused.map(|body| Watched::new(body, progress, None)))));
        }
        if let Some(mut response) = self.data.as_ref().and_then(|data| data.shortcut(&request)) {
            progress.set_large(Memory::length(response.body()) > SMALL);
            reading.open(&mut response);
            return Either::Left(ready(Ok(response.map(|body| Watched::new(body, progress, None)))));
        }
        request.extensions_mut().insert(Peer(peer));
        if channel == Channel::Tls {
            request.extensions_mut().insert(Encrypted);
        }
        request.extensions_mut().insert(Arc::clone(&progress));
        // The head of an event stream is an answer at once, however long the stream lasts.
        let (answer, limit, memory) = ((self.routes)(request), self.limits.request, self.memory.clone());
        Either::Right(Box::pin(async move {
            let mut response = timeout(limit, answer).await.unwrap_or_else(|_| too_slow(limit));
            let held = memory.take(Memory::length(response.body())).unwrap_or_else(|()| {
                response = ApiError::unread().into();
                None
            });
            progress.set_large(held.is_some());
            reading.open(&mut response);
            Ok(response.map(|body| Watched::new(body, progress, held)))
        }))
    }

    /// Answers plain HTTP where TLS is expected: a browser is led there.
    fn ask_for_tls(&self, request: &Request<Incoming>, peer: IpAddr) -> Response {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let is_known = self.access.check_host(Some(Peer(peer)), request.headers()).is_ok();
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let target =
            request.uri().path_and_query().map_or("/", |target| target.as_str().trim_end_matches('?'));
        let location = host
            .filter(|_| is_read && is_known)
            .and_then(|host| HeaderValue::try_from(format!("https://{host}{target}")).ok());
        let message = "this port speaks HTTPS: write `https://` in place of `http://`";
        let mut response = Response::from(ApiError::new(StatusCode::BAD_REQUEST, "https_required", message));
        if let Some(location) = location {
            *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }

    /// Returns what a web page of another host may read of the answer, and the answer to a request that was meant for
    /// another machine, or that may not read. Commands have rules of their own.
    fn visit(&self, request: &mut Request<Incoming>, peer: IpAddr) -> (Reading, Option<Response>) {
        let has_commands = self.data.is_some();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        // `POST /` is a command, too.
        let (is_checked, may_be_page) = match request.uri().path() {
            "/cmd" if has_commands => (false, false),
            "/" if has_commands => (is_read, false),
            "/login" | "/logout" if has_commands => (true, false),
            _ if has_commands => (is_read, true),
            _ => (true, true),
        };
        let (headers, peer) = (request.headers(), Some(Peer(peer)));
        let reading = if may_be_page { self.access.grant(headers) } else { Reading::default() };
        if !is_checked {
            return (reading, None);
        }
        if let Err(foreign) = self.access.check_host(peer, headers) {
            return (reading, Some(foreign.into()));
        }
        // The clients of an endpoint know no token: whom it serves is said by its `listen`.
        if !has_commands || is_public(request.uri().path()) {
            return (reading, None);
        }
        let Err(refused) = self.access.check_reader(peer, headers) else { return (reading, None) };
        let shows_token = headers.contains_key(header::AUTHORIZATION);
        let instead = match request.uri().path() {
            "/" => login::instead_of_page(&self.access, headers),
            "/health" if !shows_token => {
                request.extensions_mut().insert(Stranger);
                return (reading, None);
            }
            _ => None,
        };
        (reading, Some(instead.unwrap_or_else(|| refused.into())))
    }
}

/// Returns whether a path has nothing of the household: the files of the page are the same everywhere.
fn is_public(path: &str) -> bool {
    path.starts_with("/page/") || matches!(path, "/login" | "/logout")
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

//! Connection below the login: TCP, TLS, WebSocket.

use std::{fmt, io, time::Duration};

use framework::PublishError;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{client::IntoClientRequest as _, protocol::WebSocketConfig},
};

use super::fault::{explain, io_fault};
use crate::config::{Address, Settings};

/// Limit of a connection and its handshakes.
const LIMIT: Duration = Duration::from_secs(10);
/// Longest answer: a third of a year of hours of one series is less than half a megabyte.
const MAX_MESSAGE: usize = 8 << 20;

/// TCP or TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

impl fmt::Debug for dyn Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

pub(super) type WebSocket = WebSocketStream<Box<dyn Stream>>;

/// Opens the WebSocket.
pub(super) async fn connect(address: &Address, settings: &Settings) -> Result<WebSocket, PublishError> {
    let origin = address.origin();
    let late = |_| PublishError::unavailable(format!("no response from `{origin}` within {LIMIT:?}"));
    let tcp =
        timeout(LIMIT, TcpStream::connect((address.host.as_str(), address.port))).await.map_err(late)?;
    let tcp = tcp.map_err(|error| io_fault(&error, &origin))?;
    // Questions are small, and each waits for its answer.
    let _ = tcp.set_nodelay(true);
    let stream: Box<dyn Stream> = if address.is_tls {
        let name = ServerName::try_from(address.host.clone()).map_err(|_| {
            PublishError::misconfigured(format!("the host in `{origin}` cannot be the name in a certificate"))
        })?;
        let handshake = TlsConnector::from(settings.tls.clone()).connect(name, tcp);
        let tls = timeout(LIMIT, handshake).await.map_err(late)?;
        Box::new(tls.map_err(|error: io::Error| io_fault(&error, &origin))?)
    } else {
        Box::new(tcp)
    };
    let request = address.websocket().into_client_request().map_err(|error| explain(&error, &origin))?;
    let limits =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    let handshake = client_async_with_config(request, stream, Some(limits));
    let (socket, _) =
        timeout(LIMIT, handshake).await.map_err(late)?.map_err(|error| explain(&error, &origin))?;
    Ok(socket)
}

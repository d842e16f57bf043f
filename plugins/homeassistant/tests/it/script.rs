//! Server of WebSockets that says what a test wants.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{accept_async, tungstenite::Message};

/// Steps of a server, one after the other. After the last one it only listens.
pub(crate) type Script = Vec<Step>;

pub(crate) enum Step {
    /// Sends a text.
    Text(String),
    /// Sends a message of bytes.
    Bytes(Vec<u8>),
    /// Waits for a message.
    Hear,
    /// Sends bytes that are no frame.
    Raw(Vec<u8>),
    /// Sends a text again and again.
    Flood(String),
    /// Ends the connection without a word.
    Drop,
    /// Answers with this status instead of opening a WebSocket.
    Http(&'static str),
}

impl Step {
    pub(crate) fn say(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    pub(crate) fn hear() -> Self {
        Self::Hear
    }
}

/// Home Assistant that takes any token, and answers two questions: who is logged in, and how its recorder is.
pub(crate) fn home_assistant(version: &str, is_admin: bool) -> Script {
    let name = if is_admin { "Admin" } else { "Guest" };
    let result = |id: u32, result: &str| {
        Step::Text(format!(r#"{{"id":{id},"type":"result","success":true,"result":{result}}}"#))
    };
    vec![
        Step::Text(format!(r#"{{"type":"auth_required","ha_version":"{version}"}}"#)),
        Step::Hear,
        Step::Text(format!(r#"{{"type":"auth_ok","ha_version":"{version}"}}"#)),
        Step::Hear,
        result(1, &format!(r#"{{"name":"{name}","is_admin":{is_admin}}}"#)),
        Step::Hear,
        result(2, r#"{"backlog":0,"recording":true,"thread_running":true}"#),
    ]
}

/// Plays a script to the first client. Returns the URL.
pub(crate) async fn serve(script: Script) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        play(stream, script).await;
    });
    url
}

/// The same with TLS, as `localhost`.
pub(crate) async fn serve_tls(
    script: Script,
    certificate: CertificateDer<'static>,
    key: &rcgen::KeyPair,
) -> String {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // The client ends the handshake where it does not trust the certificate.
        if let Ok(stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            play(stream, script).await;
        }
    });
    format!("https://localhost:{port}")
}

async fn play(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: Script) {
    if let Some(Step::Http(status)) = script.first() {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(answer.as_bytes()).await;
        return;
    }
    let Ok(mut socket) = accept_async(stream).await else { return };
    for step in script {
        let sent = match step {
            Step::Text(text) => socket.send(Message::text(text)).await,
            Step::Bytes(bytes) => socket.send(Message::binary(bytes)).await,
            Step::Hear => {
                let _ = socket.next().await;
                Ok(())
            }
            Step::Raw(bytes) => {
                let _ = socket.get_mut().write_all(&bytes).await;
                Ok(())
            }
            Step::Flood(text) => loop {
                if socket.send(Message::text(text.clone())).await.is_err() {
                    return;
                }
            },
            Step::Drop | Step::Http(_) => return,
        };
        if sent.is_err() {
            return;
        }
    }
    while let Some(Ok(_)) = socket.next().await {}
}

//! Thread of one endpoint.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    Backoff, Endpoint, EndpointContext, Stats, Store, Text, Timestamp,
    panic::caught,
    status::{State, WorkerStatus},
};

/// Status of one endpoint, as in `/health`.
#[derive(Debug)]
pub struct EndpointStatus {
    /// Its name in `[endpoints.<name>]`.
    pub name: Text,
    /// Its plugin.
    pub plugin: &'static str,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// State, last error, panics.
    pub status: WorkerStatus,
}

impl EndpointStatus {
    /// The status of an endpoint that does not serve yet.
    pub fn new(name: impl Into<Text>, plugin: &'static str, address: SocketAddr, stats: Stats) -> Self {
        Self { name: name.into(), plugin, address, status: WorkerStatus::new(stats) }
    }
}

/// Serves clients until `stop`; after a panic, and if the endpoint returns, it serves again.
pub(crate) async fn serve(
    mut endpoint: Box<dyn Endpoint>,
    listener: std::net::TcpListener,
    status: Arc<EndpointStatus>,
    store: Arc<Store>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        let serve = async {
            // A clone, so that the port stays this program's after a panic.
            let listener = listener.try_clone().and_then(TcpListener::from_std)?;
            status.status.success(Timestamp::now());
            endpoint.serve(listener, EndpointContext::new(Arc::clone(&store), stop.clone())).await;
            Ok::<_, std::io::Error>(())
        };
        let fault = match caught(serve).await {
            _ if stop.is_cancelled() => break,
            Ok(Ok(())) => "stopped by itself".to_owned(),
            Ok(Err(error)) => format!("could not listen: {error}"),
            Err(message) => {
                status.status.panics.increment();
                format!("panicked: {message}")
            }
        };
        error!("{fault}");
        status.status.fault(fault);
        status.status.set_state(State::Waiting);
        tokio::select! {
            () = tokio::time::sleep(backoff.pause()) => {}
            () = stop.cancelled() => break,
        }
    }
    status.status.set_state(State::Stopped);
}

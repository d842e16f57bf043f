//! Server of one endpoint.

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, sync::Notify};
use tokio_util::sync::CancellationToken;

use crate::{
    Endpoint, EndpointContext, Stats, Store, Text, Timestamp, http::Access, scheduler::Work,
    status::WorkerStatus,
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
    pub status: Arc<WorkerStatus>,
}

impl EndpointStatus {
    /// The status of an endpoint that does not serve yet.
    pub fn new(name: impl Into<Text>, plugin: &'static str, address: SocketAddr, stats: Stats) -> Self {
        Self { name: name.into(), plugin, address, status: WorkerStatus::new(stats) }
    }
}

/// Server of one endpoint.
pub(crate) struct Serving {
    pub(crate) endpoint: Box<dyn Endpoint>,
    /// Shared with whoever takes it over at a reload.
    pub(crate) listener: Arc<std::net::TcpListener>,
    pub(crate) status: Arc<EndpointStatus>,
    pub(crate) store: Arc<Store>,
    pub(crate) access: Arc<Access>,
    /// Told when its socket was shut down and listens again, which what waits for clients does not notice.
    pub(crate) again: Arc<Notify>,
}

impl Work for Serving {
    fn status(&self) -> &WorkerStatus {
        &self.status.status
    }

    async fn run(&mut self, stop: &CancellationToken) -> Result<(), String> {
        loop {
            // A clone, so that the port stays this program's after a panic.
            let listener = self.listener.try_clone().and_then(TcpListener::from_std);
            let listener = listener.map_err(|error| format!("could not listen: {error}"))?;
            self.status().success(Timestamp::now());
            let (store, access) = (Arc::clone(&self.store), Arc::clone(&self.access));
            let serving = self.endpoint.serve(listener, EndpointContext::new(store, access, stop.clone()));
            tokio::select! {
                () = serving => break,
                () = self.again.notified() => {}
            }
        }
        if stop.is_cancelled() { Ok(()) } else { Err("stopped by itself".to_owned()) }
    }
}

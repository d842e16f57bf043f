//! Endpoint plugins: each serves the newest readings to another program or device, in its language.

use std::{convert::Infallible, fmt::Debug, net::SocketAddr, sync::Arc, time::Instant};

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use tokio::{
    net::TcpListener,
    sync::broadcast::{Receiver, error::RecvError},
};
use tokio_util::sync::CancellationToken;
use warp::{Filter, reply::Response};

use crate::{
    ConfigError, Context, Store,
    http::{self, Access},
    store::Snapshot,
};

/// A kind of endpoint. One crate implements it once and registers it with
/// [`register_endpoint!`](crate::register_endpoint).
pub trait EndpointPlugin: 'static {
    /// Its name in `plugin = "…"`.
    const KIND: &'static str;
    /// One line for `smartmeter plugins`.
    const ABOUT: &'static str;
    /// A commented configuration that works: `include_str!("../sample.toml")`.
    const SAMPLE: &'static str;
    /// Its own configuration: a struct that derives `Deserialize`. Unknown keys are refused.
    type Config: DeserializeOwned + Debug;

    /// Builds one endpoint. No I/O here: the whole file is checked before anything is opened.
    ///
    /// # Errors
    /// Returns every mistake in the configuration, each with its key.
    fn build(config: Self::Config, cx: &Context) -> Result<Box<dyn Endpoint>, ConfigError>;
}

/// A server of the newest readings, on a thread of its own.
#[async_trait]
pub trait Endpoint: Send + 'static {
    /// Returns the address of its key `listen`. The framework listens there before any device is opened; a port in
    /// use ends the program.
    fn listen(&self) -> SocketAddr;

    /// Serves clients until the program ends, when the future is dropped. It is called again if it returns, and after
    /// a panic.
    ///
    /// [`EndpointContext::serve_http`] serves HTTP with bounded connections. A server of another protocol must itself
    /// limit the connections, and the time and memory that each may take.
    async fn serve(&mut self, listener: TcpListener, cx: EndpointContext);
}

/// Readings for an endpoint, and the limits of its server.
#[derive(Debug, Clone)]
pub struct EndpointContext {
    store: Arc<Store>,
    access: Arc<Access>,
    stop: CancellationToken,
}

impl EndpointContext {
    pub(crate) fn new(store: Arc<Store>, access: Arc<Access>, stop: CancellationToken) -> Self {
        Self { store, access, stop }
    }

    /// Returns the newest batch of each source, in the order of the configuration. A source whose batch is stale is
    /// absent: a client must not take an old value for a new one.
    pub fn latest(&self) -> impl Iterator<Item = Arc<Snapshot>> {
        let now = Instant::now();
        let sections = self.store.sections();
        let views = (0..sections.len()).filter_map(move |at| sections[at].view(now));
        views.filter(|view| !view.stale).map(|view| view.snapshot)
    }

    /// Returns the batches of all sources from now on.
    pub fn updates(&self) -> Updates {
        Updates(self.store.subscribe())
    }

    /// Serves HTTP until the program ends: at most 64 connections, and limits for the time and memory of each. Who may
    /// read is checked as for `[server]`, by `allowed_hosts` and `cors_origins`.
    pub async fn serve_http<F>(&self, listener: TcpListener, routes: F)
    where
        F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    {
        http::serve_routes(listener, routes, Arc::clone(&self.access), self.stop.clone()).await;
    }
}

/// Batches of all sources as they arrive.
#[derive(Debug)]
pub struct Updates(Receiver<Arc<Snapshot>>);

impl Updates {
    /// Waits for the next batch. A reader that is too slow misses batches, the oldest first.
    pub async fn next(&mut self) -> Arc<Snapshot> {
        loop {
            match self.0.recv().await {
                Ok(snapshot) => return snapshot,
                Err(RecvError::Lagged(_)) => {}
                // The store is gone, and the program with it.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

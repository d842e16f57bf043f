//! Newest readings in vzlogger's JSON, on a port of their own: for evcc, openWB and other programs that know vzlogger.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | all channels, if `index` is on |
//! | `GET /<uuid>` | one channel; 404 without data if there is none |
//!
//! A channel is a series: one reading of one source. It has one tuple, the newest number, because clients take the
//! first, and vzlogger's first is its oldest. A channel without a fresh number is absent, because clients read a
//! channel without a tuple as 0.

mod channels;
mod config;

use std::{net::SocketAddr, sync::Arc};

use framework::{ConfigError, Context, Endpoint, EndpointContext, EndpointPlugin, async_trait};
use tokio::net::TcpListener;
use warp::{Filter, http::Method, path::FullPath};

use crate::channels::Channels;
pub use crate::config::Config;

/// The plugin.
pub struct Vzlogger;

impl EndpointPlugin for Vzlogger {
    const KIND: &'static str = "vzlogger";
    const ABOUT: &'static str = "newest readings in vzlogger's JSON, for evcc, openWB and others";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(config: Config, cx: &Context) -> Result<Box<dyn Endpoint>, ConfigError> {
        let (listen, channels) = config.check(cx.sources())?;
        Ok(Box::new(Server { listen, channels: Arc::new(channels) }))
    }
}

framework::register_endpoint!(Vzlogger);

struct Server {
    listen: SocketAddr,
    channels: Arc<Channels>,
}

#[async_trait]
impl Endpoint for Server {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    async fn serve(&mut self, listener: TcpListener, cx: EndpointContext) {
        let (channels, readings) = (Arc::clone(&self.channels), cx.clone());
        let routes = warp::path::full()
            .and(warp::method())
            .map(move |path: FullPath, method: Method| channels.answer(path.as_str(), &method, &readings));
        cx.serve_http(listener, routes).await;
    }
}

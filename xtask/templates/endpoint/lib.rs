//! Newest readings as lines of text. Put your protocol here instead: which clients know it, and where it is described.

use std::net::SocketAddr;

use framework::{
    ConfigError, Context, Endpoint, EndpointContext, EndpointPlugin, Value, async_trait, listen_address,
};
use serde::Deserialize;
use tokio::net::TcpListener;
use warp::{Filter as _, reply::Response};

/// Plugin `NAME`.
pub struct Plugin;

/// Its keys. Each has a line in sample.toml, and a row in README.md and docs/configuration.md.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    listen: String,
}

impl EndpointPlugin for Plugin {
    const KIND: &'static str = "NAME";
    const ABOUT: &'static str = "newest readings as lines of text";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn build(config: Config, _: &Context) -> Result<Box<dyn Endpoint>, ConfigError> {
        Ok(Box::new(Server { listen: listen_address(&config.listen)? }))
    }
}

framework::register_endpoint!(Plugin);

struct Server {
    listen: SocketAddr,
}

#[async_trait]
impl Endpoint for Server {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    async fn serve(&mut self, listener: TcpListener, cx: EndpointContext) {
        let readings = cx.clone();
        let routes = warp::any().map(move || Response::new(lines(&readings).into()));
        cx.serve_http(listener, routes).await;
    }
}

/// Returns a line for each number: `grid/power 312.5 W`. A source that is stale is absent.
fn lines(cx: &EndpointContext) -> String {
    let mut lines = String::new();
    for snapshot in cx.latest() {
        for reading in &snapshot.batch.readings {
            let Value::Number(number) = &reading.value else { continue };
            let unit = reading.unit.as_deref().unwrap_or_default();
            lines += format!("{}/{} {number} {unit}", snapshot.section, reading.name).trim_end();
            lines.push('\n');
        }
    }
    lines
}

//! The framework as a program uses it: plugins, a configuration, HTTP.

#![allow(clippy::unwrap_used, missing_docs)] // a test's own plugins and sockets

mod config;
mod endpoints;
mod examples;
mod history;
mod inputs;
mod isolation;
mod plugins;
mod reload;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use framework::{Config, Service};
use serde_json::Value as Json;
use tokio::sync::oneshot;

/// A running service.
struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    service: JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(config: &str) -> Self {
        let config =
            Config::parse("config.toml", config, &[]).map_err(|mistakes| mistakes.to_string()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let service = thread::spawn(move || {
            Service::new(config).listen(listener).run(async move {
                let _ = stopped.await;
            })
        });
        Self { address, stop: Some(stop), service }
    }

    fn get(&self, path: &str) -> Json {
        serde_json::from_str(&get(self.address, path)).unwrap()
    }

    /// Waits until `/health` is as wanted.
    fn until(&self, wanted: impl Fn(&Json) -> bool) -> Json {
        let start = Instant::now();
        loop {
            let health = self.get("/health");
            if wanted(&health) {
                return health;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{health:#}");
            thread::sleep(Duration::from_millis(20)); // between two checks, not for timing
        }
    }

    fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.service.join().unwrap().unwrap();
    }
}

/// Returns the body of an answer.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

//! Sources that misbehave, and those beside them, which must not notice.

#![allow(clippy::unwrap_used, missing_docs)] // a test's own plugins and sockets

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use framework::{
    AcquireError, Batch, Config, ConfigError, DataAcquisition, Decimal, Mode, Reading, Source, SourceContext,
    SourcePlugin,
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    does: Does,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Does {
    /// A batch each 10 ms.
    Work,
    /// A batch, then a panic.
    Panic,
    /// Never gives its thread back.
    Block,
}

struct Misbehaving;

struct Device(Does, i64);

#[framework::async_trait]
impl DataAcquisition for Device {
    async fn acquire(&mut self) -> Result<Batch, AcquireError> {
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.1 += 1;
        match self.0 {
            Does::Block => loop {
                thread::park();
            },
            Does::Panic if self.1 % 2 == 0 => panic!("a bug"),
            _ => Ok(Batch::now(vec![Reading::number("n", Decimal::from(self.1))])),
        }
    }
}

impl SourcePlugin for Misbehaving {
    const KIND: &'static str = "misbehaving";
    const ABOUT: &'static str = "does what it is told";
    const SAMPLE: &'static str = "";
    type Config = Keys;

    fn mode(_: &Keys) -> Mode {
        Mode::Push
    }

    fn build(config: Keys, _: &SourceContext) -> Result<Source, ConfigError> {
        Ok(Source::new(Device(config.does, 0)))
    }
}

framework::register_source!(Misbehaving);

fn get(address: std::net::SocketAddr, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn one_that_panics_and_two_that_block_disturb_nobody() {
    let sources = [("work", "work"), ("panic", "panic"), ("block", "block"), ("hang", "block")];
    let text = sources.map(|(name, does)| {
        format!("[sources.{name}]\nplugin = \"misbehaving\"\ndoes = \"{does}\"\nstale_after = \"1s\"\n")
    });
    let config =
        Config::parse("config.toml", &text.concat(), &[]).map_err(|mistakes| mistakes.to_string()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = thread::spawn(move || {
        framework::Service::new(config).listen(listener).run(async move {
            let _ = stopped.await;
        })
    });

    let start = Instant::now();
    let number = |health: &serde_json::Value, source: &str, count: &str| {
        health["sources"][source]["counts"][count].as_u64().unwrap()
    };
    loop {
        let health = get(address, "/health");
        // The one that panics comes back, and the one beside it goes on all the while.
        if number(&health, "panic", "panics") >= 2 && number(&health, "work", "batches") >= 100 {
            assert_eq!(health["sources"]["work"]["state"], "delivering");
            assert_eq!(health["sources"]["work"]["counts"]["panics"], 0);
            assert!(health["sources"]["panic"]["last_error"]["message"].as_str().unwrap().contains("a bug"));
            assert_eq!(health["sources"]["block"]["state"], "starting");
            assert_eq!(health["sources"]["hang"]["state"], "starting");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{health:#}");
        thread::sleep(Duration::from_millis(20)); // between two looks, not for timing
    }
    assert!(get(address, "/data")["work"]["n"].is_number());
    // And the blocked ones do not hold up the end.
    stop.send(()).unwrap();
    service.join().unwrap().unwrap();
}

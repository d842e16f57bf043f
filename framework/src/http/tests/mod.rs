//! A real server, and clients that send bytes.

mod access;
mod balance;
mod cmd;
mod costs;
mod data;
mod events;
mod gone;
mod health;
mod history;
mod insights;
mod metrics;
mod names;
mod page;
mod qr;
mod readers;
mod readings;
mod registers;
mod server;
mod tls;
mod visitors;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value as Json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::*;
use crate::{
    Arg, Args, Batch, Command, CommandError, CommandSpec, Config, Context, Decimal, Obis, Reading,
    store::Section,
};

/// Longest wait for something that must happen.
const DEADLINE: Duration = Duration::from_secs(10);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what} did not come in time"))
}

/// Everything that a test serves.
struct Setup {
    store: Arc<Store>,
    commands: Vec<(&'static str, Vec<Arc<dyn Command>>)>,
    config: &'static str,
    journal: Journal,
    publishers: Vec<Arc<Delivery>>,
    limits: Limits,
}

impl Default for Setup {
    fn default() -> Self {
        let store = store(&["meter"]);
        publish(&store, "meter", meter());
        Self {
            store,
            commands: Vec::new(),
            config: "cors_origins = [\"*\"]",
            journal: Journal::off(),
            publishers: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Setup {
    fn api(&self) -> Api {
        let text = format!("[server]\n{}", self.config);
        let server = Config::parse("config.toml", &text, &[]).expect("a config of the test's own").server;
        let here = tokio::runtime::Handle::current();
        let commands = self.commands.iter().map(|(name, commands)| (*name, &commands[..], here.clone()));
        let commands = Commands::new(commands);
        let (store, journal) = (Arc::clone(&self.store), self.journal.clone());
        let publishers = self.publishers.clone();
        Api::new(store, commands, journal, publishers, Vec::new(), &server, true).with_limits(self.limits)
    }

    async fn start(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let served = tokio::spawn(serve(listener, self.api(), stop.clone()));
        Running { store: self.store, address, stop, served }
    }

    /// Returns the answer to a request from `peer`.
    async fn ask_from(&self, peer: &str, request: &str) -> Answer {
        let front = super::server::front(self.api(), CancellationToken::new());
        let (mut client, served) = tokio::io::duplex(64 * 1024);
        let peer: IpAddr = peer.parse().unwrap();
        let progress = super::connections::Progress::new();
        let talk = async move {
            client.write_all(request.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            Answer::parse(&answer)
        };
        soon("an answer", async { tokio::join!(talk, front.serve(served, peer, &progress)).0 }).await
    }
}

/// A running server.
struct Running {
    store: Arc<Store>,
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Running {
    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends `bytes`, and returns the whole answer.
    async fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect().await;
        client.0.write_all(bytes.as_ref()).await.unwrap();
        Answer::parse(&client.rest().await)
    }

    async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let address = self.address;
        self.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
        ))
        .await
    }

    /// Returns the head of an answer, and a body that need not be text.
    async fn get_bytes(&self, path: &str, headers: &str) -> (Answer, Vec<u8>) {
        let mut client = self.connect().await;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.address);
        client.0.write_all(request.as_bytes()).await.unwrap();
        let mut head = client.rest().await;
        let end = head.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let body = head.split_off(end);
        (Answer::parse(&head), body)
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        let (address, body) = (self.address, body.as_ref());
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.send(request).await
    }
}

/// A client's connection.
struct Client(TcpStream);

impl Client {
    async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads until `end`.
    async fn until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        soon(end, async {
            while !String::from_utf8_lossy(&read).contains(end) {
                let n = self.0.read_buf(&mut read).await.unwrap();
                assert!(n > 0, "closed before `{end}`: {}", String::from_utf8_lossy(&read));
            }
        })
        .await;
        String::from_utf8(read).unwrap()
    }

    /// Reads until the server ends the connection.
    async fn rest(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        soon("the end", self.0.read_to_end(&mut read)).await.unwrap();
        read
    }
}

/// Answer of the server.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: `{text}`"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| &**value)
    }

    #[track_caller]
    fn json(&self) -> Json {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"));
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Returns the status and the error's code.
    #[track_caller]
    fn error(&self) -> (u16, String) {
        let json = self.json();
        assert!(json["error"]["message"].is_string(), "{json}");
        (self.status, json["error"]["code"].as_str().unwrap().to_owned())
    }

    #[track_caller]
    fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap().to_owned()
    }
}

fn store(names: &[&str]) -> Arc<Store> {
    let stale_after = Duration::from_secs(3600);
    Store::new(names.iter().map(|name| {
        let cx = Context::new(*name, "");
        cx.counter("parity_errors").add(3);
        cx.fact("framing").set("7e1");
        Section::new(*name, "test", stale_after, cx.stats().clone())
    }))
}

fn publish(store: &Store, section: &str, batch: Batch) {
    store.publish(&store.section(section).unwrap(), batch);
}

fn number(text: &str) -> Decimal {
    Decimal::parse(text.as_bytes()).unwrap()
}

/// Returns a batch with every kind of reading.
fn meter() -> Batch {
    let obis = |code: &str| Obis::parse(code.as_bytes()).unwrap();
    let mut demand = Reading::number("DEMAND", number("3.5")).obis(obis("1-0:1.6.0*255")).unit("kW");
    demand.more = vec!["2001010715".into()];
    Batch {
        taken_at: "2020-02-06T21:37:51.607046Z".parse().unwrap(),
        readings: vec![
            Reading::number("IMPORT", number("004457.15312345")).obis(obis("1-0:1.8.0*255")).unit("kWh"),
            Reading::text("ID", "1EBZ").obis(obis("1-0:0.0.0*255")),
            demand,
            Reading::number("count", number("13756.57")),
            Reading::text("a b/ü", "Käse"),
        ],
    }
}

/// A command of the tests' own.
struct Fake {
    spec: CommandSpec,
    runs: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Command for Fake {
    fn spec(&self) -> &CommandSpec {
        &self.spec
    }

    async fn run(&self, args: Args) -> Result<Json, CommandError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        match self.spec.name.as_str() {
            "set" => Ok(Json::String(args.number("value")?.to_string())),
            "echo" => Ok(args.text("text")?.into()),
            "fail" => Err(CommandError::Failed("the device did not answer".to_owned())),
            _ => panic!("a bug in a plugin"),
        }
    }
}

/// Returns two sources with a command `set` each, and the number of calls.
fn with_commands(config: &'static str) -> (Setup, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let fake = |name, about, arg: Option<Arg>| -> Arc<dyn Command> {
        let spec = CommandSpec::new(name, about).alias(if name == "echo" { "say" } else { "old.setValue" });
        let spec = CommandSpec { args: arg.into_iter().collect(), ..spec };
        Arc::new(Fake { spec, runs: Arc::clone(&runs) })
    };
    let set = || fake("set", "", Some(Arg::number("value", "energy in kWh")));
    let echo = fake("echo", "says it", Some(Arg::text("text", "what to say")));
    let heat = vec![set(), echo, fake("fail", "", None), fake("panic", "", None)];
    let commands = vec![("heat", heat), ("car", vec![set()])];
    (Setup { commands, config, ..Setup::default() }, runs)
}

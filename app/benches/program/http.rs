//! `GET /data` against a bare hyper server that returns the same bytes.

use std::{
    convert::Infallible,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    process::Usage,
    support::{self, Program, d0, line, s0},
};

/// Set in a process of this binary that is to be the bare server; its value is the answer's body.
pub(crate) const BARE: &str = "SMARTMETER_BENCH_BARE";

/// A keep-alive connection.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Self {
        Self::try_open(address).unwrap()
    }

    pub(crate) fn try_open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), line: String::new() })
    }

    fn ask(&mut self, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
    }

    fn answer(&mut self) -> (String, Vec<u8>) {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            self.line.clear();
            assert!(self.stream.read_line(&mut self.line).unwrap() > 0, "the connection was closed");
            if let Some(value) = self.line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if self.line == "\r\n" {
                break;
            }
            head += &self.line;
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (head, body)
    }

    pub(crate) fn get(&mut self, path: &str) -> String {
        self.ask(path);
        String::from_utf8(self.answer().1).unwrap()
    }
}

/// Requests a second over these connections for so long: all ask, then all are answered.
fn load(connections: &mut [Connection], time: Duration) -> f64 {
    let (start, mut requests) = (Instant::now(), 0);
    while start.elapsed() < time {
        connections.iter_mut().for_each(|connection| connection.ask("/data"));
        connections.iter_mut().for_each(|connection| drop(connection.answer()));
        requests += connections.len();
    }
    requests as f64 / start.elapsed().as_secs_f64()
}

/// Rounds in turn against both, and the ratio of the medians.
pub(crate) fn ratio() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, adapter) = (line(), line());
    let sources = format!("{}{}", d0("smartmeter_d0", meter.path()), s0("smartmeter_s0", adapter.path()));
    let program = Program::with_config(folder.path(), &sources);
    support::send(&meter, &crate::numbered(1));
    program.until("/data", "complete", |json| {
        json["smartmeter_d0"].is_object() && json["smartmeter_s0"].is_object()
    });
    let mut first = Connection::open(program.address());
    first.ask("/data");
    let (head, body) = first.answer();
    let headers: Vec<_> =
        head.lines().skip(1).filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect();

    let mut bare = Command::new(std::env::current_exe().unwrap())
        .env(BARE, format!("{}\n\n{}", headers.join("\n"), String::from_utf8(body).unwrap()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(bare.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let connect = |address: &str| (0..16).map(|_| Connection::open(address)).collect::<Vec<_>>();
    let (mut ours, mut theirs) = (connect(program.address()), connect(address.trim()));
    let round = Duration::from_millis(700);
    let (mut our_rates, mut their_rates, mut requests) = (Vec::new(), Vec::new(), 0.0);
    let before = Usage::of(program.pid());
    for _ in 0..12 {
        let rate = load(&mut ours, round);
        requests += rate * round.as_secs_f64();
        our_rates.push(rate);
        their_rates.push(load(&mut theirs, round));
    }
    let used = Usage::of(program.pid()).cpu - before.cpu;
    bare.kill().unwrap();
    bare.wait().unwrap();
    our_rates.sort_by(f64::total_cmp);
    their_rates.sort_by(f64::total_cmp);
    let (our, their) = (our_rates[6], their_rates[6]);
    println!(
        "http: GET /data {our:.0}/s, a bare hyper server {their:.0}/s: {:.2} of it; {:.1} µs CPU a request",
        our / their,
        used.as_secs_f64() * 1e6 / requests,
    );
}

/// Answers every request with the same head and body, and nothing else.
pub(crate) fn bare_server() {
    let answer = std::env::var(BARE).unwrap();
    let (head, body) = answer.split_once("\n\n").unwrap();
    let headers: hyper::HeaderMap = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.parse::<hyper::header::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let body = bytes::Bytes::from(body.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (headers, body) = (headers.clone(), body.clone());
            let service = hyper::service::service_fn(move |_| {
                let mut response = hyper::Response::new(http_body_util::Full::new(body.clone()));
                *response.headers_mut() = headers.clone();
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
}

//! `GET /data` compared with a bare hyper server that returns the same bytes.

use std::{
    convert::Infallible,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    process::{self, Usage},
    program::{self, Program, d0, line, s0},
};

/// Environment variable of a process of this binary that becomes the bare server. Its value is the answer.
pub(crate) const BARE: &str = "SMARTMETER_BENCH_BARE";

/// Keep-alive connection. It costs little, so that the server is the busy side.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Self {
        Self::try_open(address).unwrap()
    }

    pub(crate) fn try_open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 1 << 16] })
    }

    fn ask(&mut self, path: &[u8]) {
        let request = [b"GET ", path, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
        self.stream.write_all(&request).unwrap();
    }

    /// Returns head and body of the next answer.
    fn answer(&mut self) -> (&str, &str) {
        const END: &[u8] = b"\r\n\r\n";
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(read > 0, "the connection was closed");
            filled += read;
            let there = &self.buffer[..filled];
            let Some(head) = there.windows(4).position(|bytes| bytes == END) else { continue };
            let text = std::str::from_utf8(&there[..head]).unwrap();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let end = head + END.len() + length.parse::<usize>().unwrap();
            if filled >= end {
                assert_eq!(filled, end);
                let there = std::str::from_utf8(&self.buffer[..end]).unwrap();
                return (&there[..head], &there[head + END.len()..]);
            }
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> String {
        self.ask(path.as_bytes());
        self.answer().1.to_owned()
    }
}

/// Returns the requests a second over these connections. All requests are sent, then all answers are read.
fn load(connections: &mut [Connection], time: Duration) -> f64 {
    let (start, mut requests) = (Instant::now(), 0);
    while start.elapsed() < time {
        connections.iter_mut().for_each(|connection| connection.ask(b"/data"));
        for connection in connections.iter_mut() {
            connection.answer();
        }
        requests += connections.len();
    }
    requests as f64 / start.elapsed().as_secs_f64()
}

/// Measures both in turn and prints the ratio of the medians.
pub(crate) fn ratio() {
    let folder = tempfile::tempdir().unwrap();
    let (meter, adapter) = (line(), line());
    let sources = format!("{}{}", d0("smartmeter_d0", meter.path()), s0("smartmeter_s0", adapter.path()));
    let program = Program::with_config(folder.path(), &sources);
    program::send(&meter, &crate::numbered(1));
    program.until("/data", "complete", |json| {
        json["smartmeter_d0"].is_object() && json["smartmeter_s0"].is_object()
    });
    let mut first = Connection::open(program.address());
    first.ask(b"/data");
    let (head, body) = first.answer();
    let headers: Vec<_> =
        head.lines().skip(1).filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect();

    let mut bare = Command::new(std::env::current_exe().unwrap())
        .env(BARE, format!("{}\n\n{body}", headers.join("\n")))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(bare.stdout.take().unwrap()).read_line(&mut address).unwrap();

    // The servers share one processor, and the client has the other. All of them answer from their main thread.
    process::pin(program.pid(), 0);
    process::pin(bare.id(), 0);
    process::pin(std::process::id(), 1);
    let connect = |address: &str| (0..16).map(|_| Connection::open(address)).collect::<Vec<_>>();
    let (mut ours, mut theirs) = (connect(program.address()), connect(address.trim()));
    let round = Duration::from_millis(700);
    let (mut our_rates, mut their_rates) = (Vec::new(), Vec::new());
    let (mut our_requests, mut their_requests) = (0.0, 0.0);
    let before = [program.pid(), bare.id()].map(|pid| Usage::of(pid).cpu);
    for _ in 0..20 {
        our_rates.push(load(&mut ours, round));
        their_rates.push(load(&mut theirs, round));
        our_requests += our_rates.last().unwrap() * round.as_secs_f64();
        their_requests += their_rates.last().unwrap() * round.as_secs_f64();
    }
    let [our_cpu, their_cpu] = [program.pid(), bare.id()].map(|pid| Usage::of(pid).cpu.as_secs_f64() * 1e6);
    let our_cpu = (our_cpu - before[0].as_secs_f64() * 1e6) / our_requests;
    let their_cpu = (their_cpu - before[1].as_secs_f64() * 1e6) / their_requests;
    bare.kill().unwrap();
    bare.wait().unwrap();
    our_rates.sort_by(f64::total_cmp);
    their_rates.sort_by(f64::total_cmp);
    let (our, their) = (our_rates[10], their_rates[10]);
    println!(
        "http: GET /data {our:.0}/s, a bare hyper server {their:.0}/s: {:.2} of it; \
         {our_cpu:.1} and {their_cpu:.1} µs CPU a request",
        our / their,
    );
}

/// Answers every request with the same head and body.
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

//! HTTP server that replies as a test wants, and records its requests.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use flate2::read::GzDecoder;

/// Received request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Method, such as `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers in their order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, decompressed if it was `gzip`.
    pub body: String,
}

impl Received {
    /// Returns the header `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Status and body.
    Status(u16, String),
    /// Status, header lines with their ends, and body.
    WithHeaders(u16, &'static str, String),
    /// These bytes, after which the server closes the connection.
    Raw(&'static str),
    /// No reply while the client waits.
    Never,
}

/// Makes a reply without a body.
impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self::Status(status, String::new())
    }
}

/// Makes a reply with status 200.
impl From<&str> for Reply {
    fn from(body: &str) -> Self {
        body.to_owned().into()
    }
}

/// Makes a reply with status 200.
impl From<String> for Reply {
    fn from(body: String) -> Self {
        Self::Status(200, body)
    }
}

/// HTTP server on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Starts a server with these replies.
    ///
    /// # Panics
    /// Panics if the system has no free port.
    pub fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let server =
            Self { address, received: Arc::default(), connections: Arc::default(), ended: Arc::default() };
        let (received, connections) = (Arc::clone(&server.received), Arc::clone(&server.connections));
        let (ended, reply) = (Arc::clone(&server.ended), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Relaxed) {
                    return;
                }
                connections.fetch_add(1, Relaxed);
                let (received, reply) = (Arc::clone(&received), Arc::clone(&reply));
                thread::spawn(move || stream.and_then(|stream| serve(stream, &received, &*reply)));
            }
        });
        server
    }

    /// Returns `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests so far.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.received).clone()
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        let _ = TcpStream::connect(self.address); // wakes the listener
    }
}

fn lock(received: &Mutex<Vec<Received>>) -> MutexGuard<'_, Vec<Received>> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: TcpStream,
    received: &Mutex<Vec<Received>>,
    reply: &dyn Fn(&Received) -> Reply,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read(&mut reader)? {
        let reply = reply(&request);
        lock(received).push(request);
        let (status, headers, body) = match reply {
            Reply::Status(status, body) => (status, "", body),
            Reply::WithHeaders(status, headers, body) => (status, headers, body),
            Reply::Raw(bytes) => {
                writer.write_all(bytes.as_bytes())?;
                return writer.shutdown(Shutdown::Both);
            }
            Reply::Never => {
                // Until the client closes the connection.
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
        };
        let length = body.len();
        // In one piece, as two writes would be slow (Nagle's algorithm).
        let answer = format!("HTTP/1.1 {status} \r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        writer.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// Reads the next request. Returns `None` if the client has closed the connection.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received { method, path, headers, body: String::new() };
    let length = received.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut body = &body[..];
    match received.header("content-encoding") {
        Some("gzip") => GzDecoder::new(body).read_to_string(&mut received.body)?,
        _ => body.read_to_string(&mut received.body)?,
    };
    Ok(Some(received))
}

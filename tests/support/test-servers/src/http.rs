//! A server for the tests of what is sent over HTTP: it answers as a test wants, and keeps what it was asked.

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

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed where it says `gzip`.
    pub body: String,
}

impl Asked {
    /// The header called `name`, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status and a body.
    Status(u16, String),
    /// The same, with header lines, each with its end.
    WithHeaders(u16, &'static str, String),
    /// These bytes, and the connection is cut.
    Raw(&'static str),
    /// Nothing, for as long as the client waits.
    Never,
}

/// A status without a body.
impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self::Status(status, String::new())
    }
}

/// An HTTP server on a port of its own, until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// One that answers as `reply` says.
    ///
    /// # Panics
    /// Where the system has no free port.
    pub fn start(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let server =
            Self { address, asked: Arc::default(), connections: Arc::default(), ended: Arc::default() };
        let (asked, connections) = (Arc::clone(&server.asked), Arc::clone(&server.connections));
        let (ended, reply) = (Arc::clone(&server.ended), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Relaxed) {
                    return;
                }
                connections.fetch_add(1, Relaxed);
                let (asked, reply) = (Arc::clone(&asked), Arc::clone(&reply));
                thread::spawn(move || stream.and_then(|stream| serve(stream, &asked, &*reply)));
            }
        });
        server
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    /// How many connections were made to it.
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

fn lock(asked: &Mutex<Vec<Asked>>) -> MutexGuard<'_, Vec<Asked>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Asked>>, reply: &dyn Fn(&Asked) -> Reply) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read(&mut reader)? {
        let reply = reply(&request);
        lock(asked).push(request);
        let (status, headers, body) = match reply {
            Reply::Status(status, body) => (status, "", body),
            Reply::WithHeaders(status, headers, body) => (status, headers, body),
            Reply::Raw(bytes) => {
                writer.write_all(bytes.as_bytes())?;
                return writer.shutdown(Shutdown::Both);
            }
            Reply::Never => {
                // Until the client goes.
                reader.read_to_end(&mut Vec::new())?;
                return Ok(());
            }
        };
        let length = body.len();
        // In one piece: the client would wait for the rest of it.
        let answer = format!("HTTP/1.1 {status} \r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        writer.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// The next request; `None` where the client has gone.
fn read(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
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
    let mut asked = Asked { method, path, headers, body: String::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut body = &body[..];
    match asked.header("content-encoding") {
        Some("gzip") => GzDecoder::new(body).read_to_string(&mut asked.body)?,
        _ => body.read_to_string(&mut asked.body)?,
    };
    Ok(Some(asked))
}

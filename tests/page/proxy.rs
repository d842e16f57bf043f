//! Proxy between browser and program, for clients elsewhere and for connections that break.

use std::{
    io::{BufRead as _, BufReader, Result, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use super::household::Household;

/// Proxy with a state that the test changes.
pub struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// Connection to the program.
struct Line {
    to: u16,
    /// Added to each request.
    header: &'static str,
    fault: Mutex<Fault>,
    /// Wakes the requests that wait.
    changed: Condvar,
    /// The threads of the requests put their sockets here, so that `fail` can end them.
    open: Mutex<Vec<TcpStream>>,
}

/// Fault of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// No request is answered, and open answers end.
    Cut,
    /// Requests for this path get an error.
    Refused(&'static str),
    /// Requests for this path get no answer.
    Dropped(&'static str),
    /// Requests for this path wait for the end of the fault.
    Held(&'static str),
}

impl Proxy {
    pub fn start(household: &Household) -> Self {
        Self::with_header(household, "")
    }

    fn with_header(household: &Household, header: &'static str) -> Self {
        Self::to(household.port, header)
    }

    /// Starts a proxy to this port, which adds a header to each request.
    pub fn to(port_of_program: u16, header: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (fault, changed, open) = (Mutex::new(Fault::None), Condvar::new(), Mutex::default());
        let line = Arc::new(Line { to: port_of_program, header, fault, changed, open });
        let forwarding = Arc::clone(&line);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let line = Arc::clone(&forwarding);
                thread::spawn(move || line.forward(&client));
            }
        });
        Self { port, line }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Begins or ends a fault.
    pub fn fail(&self, fault: Fault) {
        *self.line.fault.lock().unwrap() = fault;
        self.line.changed.notify_all();
        if fault == Fault::Cut {
            for stream in self.line.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Line {
    /// Forwards one request; the connection ends with its answer.
    fn forward(&self, mut client: &TcpStream) -> Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut head = String::new();
        while reader.read_line(&mut head)? > 2 {}
        let head = head.replace("Connection: keep-alive\r\n", "");
        let (request, rest) = head.split_once("\r\n").unwrap_or_default();
        let asks_for = |path: &str| request.contains(&format!(" {path}"));
        let is_held = |fault: &mut Fault| matches!(fault, Fault::Held(path) if asks_for(path));
        let fault = *self.changed.wait_while(self.fault.lock().unwrap(), is_held).unwrap();
        match fault {
            Fault::Cut => return client.shutdown(Shutdown::Both),
            Fault::Dropped(path) if asks_for(path) => return client.shutdown(Shutdown::Both),
            Fault::Refused(path) if asks_for(path) => {
                let body =
                    "{\"error\": {\"code\": \"journal_failed\", \"message\": \"the proxy refuses it\"}}";
                let length = body.len();
                let head =
                    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close";
                return write!(client, "{head}\r\nContent-Length: {length}\r\n\r\n{body}");
            }
            _ => {}
        }
        let mut server = TcpStream::connect(("127.0.0.1", self.to))?;
        self.open.lock().unwrap().extend([client.try_clone()?, server.try_clone()?]);
        write!(server, "{request}\r\n{}Connection: close\r\n{rest}", self.header)?;
        let (mut answer, mut back) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut answer, &mut back);
            back.shutdown(Shutdown::Both)
        });
        std::io::copy(&mut reader, &mut server)?;
        server.shutdown(Shutdown::Both)
    }
}

/// Starts a proxy that forwards for a client elsewhere, and returns its port.
pub fn from_elsewhere(household: &Household) -> u16 {
    Proxy::with_header(household, "X-Forwarded-For: 192.0.2.7\r\n").port
}

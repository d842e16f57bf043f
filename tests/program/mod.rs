//! The real binary, started on a free port, with its devices and clients.

#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)] // each test uses a part of it

pub mod journal;

use std::{
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value as Json;
use simulator::Pty;

/// Limit for everything that a test waits for. It is far longer than needed, for a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub fn smartmeter() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smartmeter"));
    command.env_remove("SMARTMETER_LOG").stdin(Stdio::null());
    command
}

/// Runs the program until it ends.
pub fn output(args: &[&str]) -> Output {
    smartmeter().args(args).output().unwrap()
}

/// Running program; dropping it sends SIGKILL.
pub struct Program {
    child: Child,
    address: String,
    log: Arc<Mutex<String>>,
    agent: ureq::Agent,
}

impl Program {
    /// Starts the program with this configuration, to which `[server]` is added, and waits until it serves.
    pub fn with_config(folder: &Path, sources: &str) -> Self {
        let config = folder.join("config.toml");
        let state = folder.join("state");
        let text =
            format!("[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"{}\"\n{sources}", state.display());
        std::fs::write(&config, text).unwrap();
        Self::start(&["--config", config.to_str().unwrap()])
    }

    pub fn start(args: &[&str]) -> Self {
        let mut command = smartmeter();
        command.args(args);
        Self::run(command)
    }

    pub fn run(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut address = None;
        for line in lines.by_ref().map_while(Result::ok) {
            *log.lock().unwrap() += &format!("{line}\n");
            if let Some((_, rest)) = line.split_once("serves http://") {
                address = rest.strip_suffix('/').map(str::to_owned);
                break;
            }
        }
        let Some(address) = address else { panic!("it does not serve:\n{}", log.lock().unwrap()) };
        let more = Arc::clone(&log);
        thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| *more.lock().unwrap() += &format!("{line}\n"))
        });
        Self { child, address, log, agent: agent() }
    }

    /// Starts the program with another standard error, and waits until it serves.
    pub fn with_stderr(folder: &Path, sources: &str, stderr: Stdio, env: &[(&str, String)]) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = folder.join("config.toml");
        let state = folder.join("state");
        let text =
            format!("[server]\nlisten = \"{address}\"\nstate_dir = \"{}\"\n{sources}", state.display());
        std::fs::write(&config, text).unwrap();
        let mut command = smartmeter();
        command.arg("--config").arg(config).envs(env.iter().cloned()).stderr(stderr);
        let child = command.spawn().unwrap();
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(start.elapsed() < DEADLINE, "it does not serve");
            thread::sleep(Duration::from_millis(5)); // between two attempts, not for timing
        }
        Self { child, address, log: Arc::default(), agent: agent() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Status and JSON of an answer.
    pub fn get(&self, path: &str) -> (u16, Json) {
        let mut response = self.agent.get(self.url(path)).call().unwrap();
        (
            response.status().as_u16(),
            serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap(),
        )
    }

    pub fn text(&self, path: &str) -> String {
        self.agent.get(self.url(path)).call().unwrap().body_mut().read_to_string().unwrap()
    }

    pub fn post(&self, path: &str, body: &str) -> (u16, Json) {
        self.post_with(path, body, &[])
    }

    /// Sends a request with more headers.
    pub fn post_with(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> (u16, Json) {
        let request = self.agent.post(self.url(path)).header("Content-Type", "application/json");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut response = request.send(body).unwrap();
        (
            response.status().as_u16(),
            serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap(),
        )
    }

    /// Repeats a request until its answer is as wanted, and returns it.
    pub fn until(&self, path: &str, what: &str, wanted: impl Fn(&Json) -> bool) -> Json {
        let start = Instant::now();
        loop {
            let (_, json) = self.get(path);
            if wanted(&json) {
                return json;
            }
            assert!(start.elapsed() < DEADLINE, "never {what}: {json:#}\n{}", self.log());
            thread::sleep(Duration::from_millis(5)); // between two requests, not for timing
        }
    }

    /// Counter of a source in `/health`.
    pub fn count(&self, source: &str, counter: &str) -> u64 {
        self.get("/health").1["sources"][source]["counts"][counter].as_u64().unwrap_or_default()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until the program ends.
    pub fn ended(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < DEADLINE, "it does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends SIGTERM and waits until the program ends.
    pub fn terminate(self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.ended()
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(DEADLINE));
    config.build().into()
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Telegram of an eBZ DD3 with these values.
pub fn telegram(import: &str, power: &str) -> Vec<u8> {
    format!(
        "/EBZ5DD32R06ETA_107\r\n\r\n1-0:0.0.0*255(1EBZ0100000042)\r\n1-0:96.1.0*255(1EBZ0100000042)\r\n\
         1-0:1.8.0*255({import}*kWh)\r\n1-0:2.8.0*255(000001.20600000*kWh)\r\n1-0:16.7.0*255({power}*W)\r\n\
         1-0:96.5.0*255(001C0104)\r\n0-0:96.8.0*255(02FAB8BF)\r\n!\r\n"
    )
    .into_bytes()
}

pub fn seven_e_one(mut bytes: Vec<u8>) -> Vec<u8> {
    simulator::ebz::seven_e_one(&mut bytes);
    bytes
}

/// Line that keeps the bytes that are sent before the program opens it.
pub fn line() -> Pty {
    Pty::open().unwrap().held().unwrap()
}

pub fn send(line: &Pty, bytes: &[u8]) {
    line.write_blocking(bytes, Instant::now() + DEADLINE).unwrap();
}

/// Configuration of a meter at this port.
pub fn d0(name: &str, port: &Path) -> String {
    format!("[sources.{name}]\nplugin = \"d0\"\nport = \"{}\"\n", port.display())
}

/// Configuration of pulses at this port, one for each byte.
pub fn s0(name: &str, port: &Path) -> String {
    format!("[sources.{name}]\nplugin = \"s0\"\nport = \"{}\"\ndebounce = \"0s\"\n", port.display())
}

/// Folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Stops a sender when it is dropped.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Random numbers, the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

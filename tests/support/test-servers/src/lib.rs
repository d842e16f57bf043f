//! Real servers for tests: programs of this machine, each on a free port and in a folder of the test's own, ended
//! when dropped. They come from Debian's packages of the same names.
//!
//! ```text
//! Trial::test("…", test).with_ignored_flag(!test_servers::is_installed("mosquitto"))
//! ```

#![allow(clippy::unwrap_used, clippy::panic, reason = "for tests: what does not work is to be seen")]

pub mod http;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Everything that is waited for comes far sooner; this is for a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether a program is there.
pub fn is_installed(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Servers are in folders that are not in every user's path.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it serves, at 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts a program, and waits until `is_ready` says that it serves at this port.
    ///
    /// # Panics
    /// Where it is not installed, or never serves.
    pub fn start(mut command: Command, port: u16, is_ready: impl Fn(u16) -> bool) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut server = Self { child, port };
        server.until(&format!("{command:?}"), || is_ready(port));
        server
    }

    fn until(&mut self, what: &str, wanted: impl Fn() -> bool) {
        let start = Instant::now();
        while !wanted() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{what} ended: {status}");
            }
            assert!(start.elapsed() < DEADLINE, "{what} does not serve");
            thread::sleep(Duration::from_millis(10)); // between two looks, not for timing
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in order, and waits for that.
    pub fn stop(mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() && start.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(10)); // between two looks, not for timing
        }
    }

    /// Ends it at once, as a power cut would; so does dropping it.
    pub fn kill(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| panic!("`{name}` is not installed")))
}

/// Whether somebody listens there.
pub fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Whether a GET of this path is answered with 200 or 204.
pub fn answers(port: u16, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let mut head = [0; 12];
    let asked = stream.set_read_timeout(Some(DEADLINE)).and_then(|()| stream.write_all(request.as_bytes()));
    asked.and_then(|()| stream.read_exact(&mut head)).is_ok()
        && [&b" 200"[..], b" 204"].iter().any(|status| head.ends_with(status))
}

/// Mosquitto, with what the test adds to its configuration. Without a word about it, everybody may connect.
pub fn mosquitto(folder: &Path, port: u16, more: &str) -> Server {
    let anyone = if more.contains("allow_anonymous") { "" } else { "allow_anonymous true\n" };
    // Started by root it would become another user, who may not read the folder.
    let user = "user root\n";
    let config = format!("listener {port} 127.0.0.1\n{anyone}{user}{more}\n");
    let path = folder.join(format!("mosquitto-{port}.conf"));
    fs::write(&path, config).unwrap();
    let mut command = program("mosquitto");
    command.arg("-c").arg(path).stderr(Stdio::null());
    Server::start(command, port, listens)
}

/// InfluxDB 1, which keeps its data in the folder.
pub fn influxd(folder: &Path, port: u16, auth: bool) -> Server {
    let path = folder.join("influxdb.conf");
    let at = |name: &str| folder.join(name).display().to_string();
    let config = format!(
        "reporting-disabled = true\nbind-address = \"127.0.0.1:{}\"\n[meta]\ndir = \"{}\"\n\
         [data]\ndir = \"{}\"\nwal-dir = \"{}\"\n[http]\nbind-address = \"127.0.0.1:{port}\"\nauth-enabled = {auth}\n\
         log-enabled = false\n[monitor]\nstore-enabled = false\n[logging]\nlevel = \"error\"\n",
        free_port(),
        at("meta"),
        at("data"),
        at("wal"),
    );
    fs::write(&path, config).unwrap();
    let mut command = program("influxd");
    command.arg("-config").arg(path).stderr(Stdio::null());
    Server::start(command, port, |port| answers(port, "/ping"))
}

/// VictoriaMetrics, which keeps its data in the folder.
pub fn victoria_metrics(folder: &Path, port: u16) -> Server {
    let mut command = program("victoria-metrics");
    command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
    // Test data may have any date.
    command.arg("-retentionPeriod=100y");
    command.arg(format!("-storageDataPath={}", folder.join("victoria").display())).stderr(Stdio::null());
    Server::start(command, port, |port| answers(port, "/health"))
}

/// Prometheus, which scrapes this address each second.
pub fn prometheus(folder: &Path, port: u16, scraped: &str) -> Server {
    let config = folder.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\n\
         scrape_configs: [{{job_name: test, static_configs: [{{targets: ['{scraped}']}}]}}]\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = program("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).stderr(Stdio::null());
    Server::start(command, port, |port| answers(port, "/-/ready"))
}

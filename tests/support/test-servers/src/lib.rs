//! Real servers for tests: programs of this machine, each on a free port with a folder of the test's own, stopped when
//! dropped. Debian has packages of the same names. [`trials`] runs tests that need them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests must fail visibly")]

pub mod http;
pub mod trials;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest wait for anything. All of it comes far sooner, except on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// Returns whether a program is installed.
pub fn is_installed(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Not every user's path has the folders of servers.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Returns a port that is free now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Port at 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts a program, and waits until it `is_ready` at this port.
    ///
    /// # Panics
    /// Panics if it is not installed, or does not become ready.
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

    /// Returns its process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops it in order, and waits for its end.
    pub fn stop(mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let start = Instant::now();
        while self.child.try_wait().unwrap().is_none() && start.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(10)); // between two looks, not for timing
        }
    }

    /// Kills it at once, like a power cut. So does dropping it.
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

/// Returns whether a server listens at a port.
pub fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Returns whether the response to GET is 200 or 204.
pub fn answers(port: u16, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let mut head = [0; 12];
    let sent = stream.set_read_timeout(Some(DEADLINE)).and_then(|()| stream.write_all(request.as_bytes()));
    sent.and_then(|()| stream.read_exact(&mut head)).is_ok()
        && [&b" 200"[..], b" 204"].iter().any(|status| head.ends_with(status))
}

/// Starts nginx with this configuration, which must stay in the foreground.
pub fn nginx(folder: &Path, port: u16, config: &str) -> Server {
    let file = folder.join("nginx.conf");
    fs::write(&file, config).unwrap();
    let mut command = program("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&file);
    Server::start(command, port, listens)
}

/// Starts Mosquitto with these additional lines of configuration. Everybody may connect, unless they have
/// `allow_anonymous`.
pub fn mosquitto(folder: &Path, port: u16, more: &str) -> Server {
    let anyone = if more.contains("allow_anonymous") { "" } else { "allow_anonymous true\n" };
    // Started by root, it would become another user, without access to the folder.
    let user = "user root\n";
    let config = format!("listener {port} 127.0.0.1\n{anyone}{user}{more}\n");
    let path = folder.join(format!("mosquitto-{port}.conf"));
    fs::write(&path, config).unwrap();
    let mut command = program("mosquitto");
    command.arg("-c").arg(path).stderr(Stdio::null());
    Server::start(command, port, listens)
}

/// Starts InfluxDB 1 with its data in the folder.
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

/// Starts VictoriaMetrics with its data in the folder.
pub fn victoria_metrics(folder: &Path, port: u16) -> Server {
    let mut command = program("victoria-metrics");
    command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
    // Records of tests have any date.
    command.arg("-retentionPeriod=100y");
    command.arg(format!("-storageDataPath={}", folder.join("victoria").display())).stderr(Stdio::null());
    Server::start(command, port, |port| answers(port, "/health"))
}

/// Starts a Prometheus that scrapes this address each second.
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

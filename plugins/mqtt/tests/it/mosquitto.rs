//! Real Mosquitto, with a folder and a port of its own.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Unbounded queues, so that even a slow watcher receives everything.
const UNBOUNDED: &str = "max_queued_messages 0\nmax_inflight_messages 0\npersistence true\n";

pub(crate) struct Mosquitto {
    pub(crate) port: u16,
    server: Option<test_servers::Server>,
    lines: String,
    pub(crate) folder: TempDir,
}

impl Mosquitto {
    /// Starts a broker without logins.
    pub(crate) fn start() -> Self {
        Self::with("", |_| {})
    }

    /// Starts a broker with these lines in its configuration, in which `{folder}` is its folder. `prepare` makes files
    /// there.
    pub(crate) fn with(lines: &str, prepare: impl FnOnce(&Path)) -> Self {
        let mut broker = Self::absent();
        let folder = broker.folder.path();
        prepare(folder);
        let lines = format!("{lines}{UNBOUNDED}persistence_location {{folder}}/\n");
        broker.lines = lines.replace("{folder}", &folder.display().to_string());
        broker.run();
        broker
    }

    /// Prepares a broker that does not run yet.
    pub(crate) fn absent() -> Self {
        let (port, folder) = (test_servers::free_port(), TempDir::new().unwrap());
        Self { port, server: None, lines: String::new(), folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub(crate) fn run(&mut self) {
        self.server = Some(test_servers::mosquitto(self.folder.path(), self.port, &self.lines));
    }

    /// Stops it in order, so that it saves its queues and retained messages.
    pub(crate) fn stop(&mut self) {
        self.server.take().unwrap().stop();
    }

    /// Deletes what the stopped broker has saved.
    pub(crate) fn forget(&self) {
        std::fs::remove_file(self.folder.path().join("mosquitto.db")).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.server.as_ref().unwrap().pid().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }
}

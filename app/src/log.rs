//! Log of the program, on standard error.
//!
//! A thread of its own writes the lines. Nothing else may notice that standard error cannot be written, be it a full
//! disk, a closed pipe or a pipe that nobody reads: such lines are dropped and counted.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    sync::{
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use framework::LOG_LINES_DROPPED;
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait at most: an hour's worth, if nobody reads them.
const QUEUE: usize = 1000;
/// Priority of an error in syslog and sd-daemon(3).
const ERROR: &str = "<3>";
/// Longest wait for standard error at the end of the program.
const END_LIMIT: Duration = Duration::from_millis(200);

/// Running log; dropping it writes the lines that wait.
pub(crate) struct Log(SyncSender<Entry>);

enum Entry {
    Line(Vec<u8>),
    /// Everything before it was written: answered by dropping the sender.
    End(#[expect(dead_code, reason = "only its end matters")] SyncSender<()>),
}

/// Starts logging. `SMARTMETER_LOG` chooses the level (`error`, `warn`, `info`, `debug`), `info` by default.
pub(crate) fn start() -> Log {
    let level = std::env::var("SMARTMETER_LOG")
        .ok()
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::INFO);
    let (queue, lines) = sync_channel(QUEUE);
    // Without that thread each line is dropped: the meters are read all the same.
    let _ = thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&lines));
    let is_journal = is_journal();
    let lines = Lines { queue: queue.clone(), is_journal };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(lines).with_target(false);
    let log = log.log_internal_errors(false);
    // systemd's journal adds its own times, and colours are for terminals.
    if is_journal {
        log.without_time().with_ansi(false).init();
    } else {
        log.with_ansi(io::stderr().is_terminal()).init();
    }
    Log(queue)
}

impl Drop for Log {
    fn drop(&mut self) {
        let (end, ended) = sync_channel(0);
        if self.0.try_send(Entry::End(end)).is_ok() {
            let _ = ended.recv_timeout(END_LIMIT);
        }
    }
}

fn write_all(lines: &Receiver<Entry>) {
    for entry in lines {
        if let Entry::Line(line) = entry
            && io::stderr().write_all(&line).is_err()
        {
            LOG_LINES_DROPPED.fetch_add(1, Relaxed);
        }
    }
}

/// Writes the reason for the end of a command. systemd's journal shows it among the errors, also where `ExecReload=` has run
/// the command.
pub(crate) fn write_error(text: &str) {
    let priority = if is_journal() { ERROR } else { "" };
    let _ = io::stderr().write_all(&prefixed(text.as_bytes(), priority));
}

/// Returns the lines with a priority before each: the journal takes each one for an entry of its own.
fn prefixed(text: &[u8], priority: &str) -> Vec<u8> {
    let mut lines = Vec::with_capacity(text.len() + priority.len());
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        lines.extend_from_slice(priority.as_bytes());
        lines.extend_from_slice(line);
    }
    lines
}

/// Returns whether standard error is systemd's journal: `JOURNAL_STREAM` has its device and inode (systemd.exec(5)).
/// A child process whose standard error goes elsewhere inherits the variable.
fn is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let file = io::stderr().as_fd().try_clone_to_owned().map(File::from);
    let found = file.and_then(|file| file.metadata());
    found.is_ok_and(|found| stream == format!("{}:{}", found.dev(), found.ino()))
}

/// Way of the lines into the queue.
struct Lines {
    queue: SyncSender<Entry>,
    is_journal: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { lines: self, priority: "" }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        let priority = match *meta.level() {
            _ if !self.is_journal => "",
            Level::ERROR => ERROR,
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            _ => "<7>",
        };
        Line { lines: self, priority }
    }
}

struct Line<'a> {
    lines: &'a Lines,
    priority: &'static str,
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.lines.queue.try_send(Entry::Line(prefixed(text, self.priority))).is_err() {
            LOG_LINES_DROPPED.fetch_add(1, Relaxed);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Standard error of a program: its last lines, for the log and `/health`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use framework::{Fact, Faults};
use tokio::{
    io::AsyncReadExt as _,
    process::ChildStderr,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tracing::info;

/// Last lines that are kept, and the longest of them in bytes.
const MAX_LINES: usize = 3;
const MAX_LINE: usize = 240;
/// Most bytes a second. A program that writes more waits: its pipe is full.
const MAX_RATE: usize = 1024 * 1024;
/// Time in which the last lines of a program that ended arrive.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Log of standard error, rate limited over all runs of a program.
pub type ErrorLog = Arc<Mutex<Faults<()>>>;

/// Reader of standard error, until it is dropped.
pub struct Stderr {
    lines: Arc<Mutex<VecDeque<String>>>,
    task: JoinHandle<()>,
}

impl Stderr {
    /// Reads `stderr`, so that the program never waits for it. `fact` shows the last line.
    pub fn new(stderr: ChildStderr, fact: Option<Fact>, log: ErrorLog) -> Self {
        let lines = Arc::default();
        let task = tokio::spawn(read(stderr, Arc::clone(&lines), fact, log));
        Self { lines, task }
    }

    /// Returns the last lines of a program that ended, as one text; empty if it wrote none.
    pub async fn last(&mut self) -> String {
        // A process that left the group may hold the pipe open.
        let _ = timeout(LAST_LINES, &mut self.task).await;
        lock(&self.lines).make_contiguous().join(" | ")
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Plain data is never left half written: poison means nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(
    mut stderr: ChildStderr,
    lines: Arc<Mutex<VecDeque<String>>>,
    fact: Option<Fact>,
    log: ErrorLog,
) {
    let note = |line: &[u8]| {
        let text = printable(line);
        if text.is_empty() {
            return;
        }
        if let Some(text) = lock(&log).note((), &text) {
            info!("standard error: {text}");
        }
        if let Some(fact) = &fact {
            fact.set(&text);
        }
        let mut lines = lock(&lines);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    };
    let (mut line, mut chunk) = (Vec::new(), [0; 512]);
    let (mut since, mut bytes) = (Instant::now(), 0);
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        for part in chunk[..read].split_inclusive(|byte| *byte == b'\n') {
            let room = MAX_LINE - line.len();
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                note(&line);
                line.clear();
            }
        }
        bytes += read;
        if bytes > MAX_RATE {
            sleep(Duration::from_secs(1).saturating_sub(since.elapsed())).await;
            (since, bytes) = (Instant::now(), 0);
        }
    }
    note(&line);
}

/// Returns a line without colours and other control characters.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut shown = String::new();
    let mut chars = text.trim().chars();
    while let Some(char) = chars.next() {
        match char {
            // A colour: `ESC [ 31 m`.
            '\x1b' => drop(chars.find(char::is_ascii_alphabetic)),
            '\t' => shown.push(' '),
            char if char.is_control() => {}
            char => shown.push(char),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_control_characters_are_left_out() {
        for (line, expected) in [
            (&b"Traceback (most recent call last):"[..], "Traceback (most recent call last):"),
            (b"\x1b[31mE!\x1b[0m no\x07 port\r", "E! no port"),
            (b"caf\xe9\t5", "caf\u{fffd} 5"),
            (b"\x1b[", ""),
        ] {
            assert_eq!(printable(line), expected);
        }
    }
}

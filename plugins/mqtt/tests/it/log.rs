//! Log of the plugin.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Log;

impl io::Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap_or_else(PoisonError::into_inner).write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to collect the log.
pub(crate) fn begin() {
    tracing_subscriber::fmt().with_ansi(false).with_writer(|| Log).init();
}

/// Counts the log lines with both of these texts.
pub(crate) fn count(url: &str, words: &str) -> usize {
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    let log = String::from_utf8_lossy(&log);
    log.lines().filter(|line| line.contains(url) && line.contains(words)).count()
}

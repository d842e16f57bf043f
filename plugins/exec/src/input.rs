//! Standard input of a program that runs: lines of commands.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    process::ChildStdin,
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::timeout,
};

/// Longest line, in bytes: a pipe takes as much at once (`PIPE_BUF`, pipe(7)), and never a part of it, which could be
/// another command.
const MAX_LINE: usize = 4096;
/// Time for a program to read its input, if its pipe is full.
const LIMIT: Duration = Duration::from_secs(2);
/// Lines that may wait.
const WAITING: usize = 16;

/// Way of lines to the program that runs, if one does.
#[derive(Debug, Default)]
pub(crate) struct Input(Mutex<Option<Writer>>);

/// Task that writes. It ends, and closes standard input, when this is dropped.
#[derive(Debug)]
struct Writer {
    lines: mpsc::Sender<Line>,
    task: AbortHandle,
}

type Line = (String, oneshot::Sender<bool>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Input {
    /// Writes to this program from now on.
    pub(crate) fn connect(&self, stdin: ChildStdin) {
        let (lines, waiting) = mpsc::channel(WAITING);
        let task = tokio::spawn(write(stdin, waiting)).abort_handle();
        *self.lock() = Some(Writer { lines, task });
    }

    /// Closes standard input.
    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        // Held for a moment only, by commands and `open`; plain data is never left half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line, whole or not at all.
    ///
    /// # Errors
    /// Returns the reason why it was not written.
    pub(crate) async fn write(&self, line: String) -> Result<(), String> {
        if line.len() > MAX_LINE {
            return Err(format!("the line for the program has more than {MAX_LINE} bytes"));
        }
        let lines = self.lock().as_ref().map(|writer| writer.lines.clone());
        let lines = lines.ok_or("the program does not run: /health has the reason")?;
        let (reply, written) = oneshot::channel();
        lines.try_send((line, reply)).map_err(|_| "the program does not read its standard input")?;
        match timeout(LIMIT, written).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err("the program has closed its standard input, or ended".to_owned()),
            Err(_) => Err(format!("the program did not read its standard input within {LIMIT:?}")),
        }
    }
}

async fn write(mut stdin: ChildStdin, mut waiting: mpsc::Receiver<Line>) {
    while let Some((line, mut reply)) = waiting.recv().await {
        let written = tokio::select! {
            biased;
            // The caller was told that it failed: it must not be written later.
            () = reply.closed() => continue,
            written = stdin.write_all(line.as_bytes()) => written.is_ok(),
        };
        // Nobody waits any longer: it was written at that moment.
        let _ = reply.send(written);
    }
}

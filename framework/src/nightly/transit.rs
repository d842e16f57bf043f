//! Way of the bytes from the thread that reads the journal to the thread that writes the file.
//!
//! Two threads, because the second may hang for ever in a system call, and the first holds a transaction of the journal.

use std::io::{self, Write};

use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

/// Bytes that go on their way together.
const CHUNK: usize = 128 * 1024;
/// Chunks that are on their way: 1 MiB.
const CHUNKS: usize = 8;

/// What comes out at the end.
pub(super) enum Passed {
    Bytes(Vec<u8>),
    /// Everything was written, or could not be.
    End(Result<(), String>),
}

/// Start of the way.
pub(super) struct Intake {
    chunk: Vec<u8>,
    sender: mpsc::Sender<Passed>,
    runtime: Handle,
    stop: CancellationToken,
}

/// Returns both ends of a way. Bytes are refused after `stop`, also those that wait.
pub(super) fn way(runtime: Handle, stop: CancellationToken) -> (Intake, mpsc::Receiver<Passed>) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    (Intake { chunk: Vec::with_capacity(CHUNK), sender, runtime, stop }, receiver)
}

impl Intake {
    /// Passes the last bytes, and the result of the whole.
    pub(super) fn end(mut self, result: Result<(), String>) {
        let result = result.and_then(|()| self.flush().map_err(|error| error.to_string()));
        // Nobody may be there any more to hear it.
        let _ = self.pass(Passed::End(result));
    }

    fn pass(&self, passed: Passed) -> io::Result<()> {
        let sent = self.runtime.block_on(self.stop.run_until_cancelled(self.sender.send(passed)));
        match sent {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the backup was given up")),
        }
    }
}

impl Write for Intake {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        if self.chunk.len() == CHUNK {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.pass(Passed::Bytes(chunk))
    }
}

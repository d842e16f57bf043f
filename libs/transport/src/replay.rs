//! Recording in a device's place.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use tokio::time::{Duration, Instant, sleep_until};

use crate::recording::{Chunk, Recording};

/// Recording that is played: its chunks come at their times.
#[derive(Debug)]
pub(crate) struct Replay {
    recording: Recording<BufReader<File>>,
    speed: f64,
    began: Instant,
    /// Next chunk, and the number of its bytes that were read.
    next: Option<(Chunk, usize)>,
}

impl Replay {
    /// Opens `file`. Raw bytes come as fast as `baud` carries them; everything comes `speed` times as fast.
    pub(crate) fn open(file: &Path, baud: u32, speed: f64) -> io::Result<Self> {
        let opened = File::open(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(error.kind(), "no such recording"),
            _ => error,
        })?;
        // A pipe would block the thread that reads it.
        if !opened.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        let recording = Recording::new(BufReader::new(opened), baud)?;
        Ok(Self { recording, speed, began: Instant::now(), next: None })
    }

    /// Returns the baud rate of the recording; `None` for raw bytes.
    pub(crate) fn baud(&self) -> Option<u32> {
        self.recording.header().map(|header| header.baud)
    }

    /// Waits for the next bytes. It has read nothing when it is dropped early.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.next.is_none() {
            self.next = self.recording.next_chunk()?.map(|chunk| (chunk, 0));
        }
        let Some((chunk, done)) = &mut self.next else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the recording ended"));
        };
        // A time out of range never comes.
        let after =
            Duration::try_from_secs_f64(chunk.after.as_secs_f64() / self.speed).unwrap_or(Duration::MAX);
        match self.began.checked_add(after) {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
        let rest = &chunk.bytes[*done..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        *done += count;
        if *done == chunk.bytes.len() {
            self.next = None;
        }
        Ok(count)
    }
}

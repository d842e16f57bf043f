//! A recording in a device's place.

use std::{
    fs::File,
    io::{self, BufReader},
    path::Path,
};

use tokio::time::{Duration, Instant, sleep_until};

use crate::recording::{Chunk, Recording};

/// A recording that is played: its chunks come when they came.
#[derive(Debug)]
pub(crate) struct Replay {
    recording: Recording<BufReader<File>>,
    speed: f64,
    began: Instant,
    /// The chunk that comes next, and how many of its bytes were read.
    next: Option<(Chunk, usize)>,
}

impl Replay {
    /// Opens `file`; raw bytes come as fast as `baud` carries them, and all of it `speed` times as fast.
    pub(crate) fn open(file: &Path, baud: u32, speed: f64) -> io::Result<Self> {
        let opened = File::open(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::new(error.kind(), "no such recording"),
            _ => error,
        })?;
        // A pipe would block the thread that reads it.
        if !opened.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no file"));
        }
        let recording = Recording::new(BufReader::new(opened), baud)?;
        Ok(Self { recording, speed, began: Instant::now(), next: None })
    }

    /// The speed of the line that was recorded; `None` for raw bytes.
    pub(crate) fn baud(&self) -> Option<u32> {
        self.recording.header().map(|header| header.baud)
    }

    /// Waits for the next bytes. Dropped while it waits, it has read nothing.
    pub(crate) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.next.is_none() {
            self.next = self.recording.next_chunk()?.map(|chunk| (chunk, 0));
        }
        let Some((chunk, done)) = &mut self.next else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the recording ended"));
        };
        // A time beyond all times is never: nobody waits so long.
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

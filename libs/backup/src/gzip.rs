//! Compression on threads of its own: each piece is a member of the gzip file.
//!
//! Members are compressed independently of each other, and any program that reads gzip takes them as one file
//! (RFC 1952, clause 2.2). The threads inherit the priority of the one that writes the backup.

use std::{
    io::{self, Write},
    mem,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use flate2::{Compression, write::GzEncoder};

/// Bytes of a member before compression. A larger one compresses hardly better.
const MEMBER: usize = 1 << 20;
/// Most threads, so that a machine of two cores still records.
const THREADS: usize = 2;
/// Level: of those up to 9, each further one takes much longer for little.
const LEVEL: u32 = 1;

/// Writer that compresses.
pub(crate) struct Gzip<W> {
    out: W,
    member: Vec<u8>,
    workers: Vec<Worker>,
    sent: usize,
    received: usize,
}

/// Thread that compresses, one member after the other.
struct Worker {
    members: SyncSender<Vec<u8>>,
    compressed: Receiver<io::Result<Vec<u8>>>,
}

impl<W: Write> Gzip<W> {
    pub(crate) fn new(out: W) -> io::Result<Self> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        let workers = (0..threads).map(|_| Worker::spawn()).collect::<io::Result<_>>()?;
        Ok(Self { out, member: Vec::with_capacity(MEMBER), workers, sent: 0, received: 0 })
    }

    /// Writes everything that is left.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.member.is_empty() || self.sent == 0 {
            self.send()?;
        }
        while self.received < self.sent {
            self.receive()?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn send(&mut self) -> io::Result<()> {
        // Two for each thread: one is compressed, and the next one waits.
        if self.sent - self.received >= 2 * self.workers.len() {
            self.receive()?;
        }
        let member = mem::replace(&mut self.member, Vec::with_capacity(MEMBER));
        let worker = &self.workers[self.sent % self.workers.len()];
        worker.members.send(member).map_err(|_| ended())?;
        self.sent += 1;
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        let worker = &self.workers[self.received % self.workers.len()];
        let compressed = worker.compressed.recv().map_err(|_| ended())??;
        self.received += 1;
        self.out.write_all(&compressed)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(MEMBER - self.member.len());
        self.member.extend_from_slice(&bytes[..taken]);
        if self.member.len() == MEMBER {
            self.send()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Worker {
    fn spawn() -> io::Result<Self> {
        let (members, waiting) = sync_channel::<Vec<u8>>(1);
        let (done, compressed) = sync_channel(2);
        let work = move || {
            for member in waiting {
                // The other side is gone where the backup failed.
                if done.send(compress(&member)).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("backup-gzip".to_owned()).spawn(work)?;
        Ok(Self { members, compressed })
    }
}

fn compress(member: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(member.len() / 2), Compression::new(LEVEL));
    gzip.write_all(member)?;
    gzip.finish()
}

fn ended() -> io::Error {
    io::Error::other("a thread that compresses has ended")
}

//! Long answers, written while they are sent: one that is not read stops the writer instead of filling memory.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{sleep, timeout},
};
use warp::{Reply as _, reply::Response};

use super::{ApiError, columns::Format};
use crate::journal::ReadError;

/// Answers that are written at the same time.
const AT_ONCE: usize = 4;
/// Most requests that wait for their turn.
const WAITING: usize = 32;
/// Longest wait for a turn; shorter than the limit of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that are sent at once.
pub(super) const CHUNK: usize = 16 * 1024;
/// Time that a slow reader may take while others wait for its turn, and the bytes a second that extend it.
const SLOW: Duration = Duration::from_secs(5);
const BYTES_A_SECOND: f64 = 256.0 * 1024.0;

/// Turns of the long answers.
pub(super) struct Turns {
    free: Arc<Semaphore>,
    slow: Duration,
    waiting: watch::Sender<usize>,
}

/// Turn of one answer.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    slow: Duration,
    waiting: watch::Receiver<usize>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(AT_ONCE)), slow: SLOW, waiting: watch::Sender::default() }
    }
}

impl Turns {
    /// Waits for a turn.
    ///
    /// # Errors
    /// Returns 503 if too many others wait, or none is free for long.
    pub(super) async fn next(&self) -> Result<Turn, ApiError> {
        let busy = || ApiError::busy("too many long answers are being written: ask again in a few seconds");
        if *self.waiting.borrow() >= WAITING {
            return Err(busy());
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        // Dropped with the request, if its client goes.
        let _waits = Waits(&self.waiting);
        match timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await {
            Ok(Ok(permit)) => {
                Ok(Turn { _permit: permit, slow: self.slow, waiting: self.waiting.subscribe() })
            }
            _ => Err(busy()),
        }
    }
}

/// One request that waits.
struct Waits<'t>(&'t watch::Sender<usize>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// Part of an answer.
enum Part {
    Chunk(Bytes),
    Last(Bytes),
    Failed(ReadError),
}

/// Writer of an answer, on a thread that may block. Nothing is sent before the first chunk is full, so an answer that
/// fails early is an error with its status.
pub(super) struct Chunks {
    pub(super) buffer: Vec<u8>,
    parts: mpsc::Sender<Part>,
    turn: Turn,
    begun: Instant,
    sent: usize,
    gone: bool,
}

impl Chunks {
    /// Sends what fills a chunk. Returns false once the client has gone, or is too slow while others wait.
    pub(super) fn goes_on(&mut self) -> bool {
        if self.buffer.len() >= CHUNK {
            let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + CHUNK / 4));
            self.sent += chunk.len();
            self.send(Part::Chunk(chunk.into()));
        }
        !self.gone
    }

    fn send(&mut self, part: Part) {
        let limit = self.turn.slow + Duration::from_secs_f64(self.sent as f64 / BYTES_A_SECOND);
        let (parts, waiting) = (&self.parts, &mut self.turn.waiting);
        let rest = limit.saturating_sub(self.begun.elapsed());
        self.gone = self.gone
            || Handle::current().block_on(async {
                tokio::select! {
                    biased;
                    sent = parts.send(part) => sent.is_err(),
                    _ = async { sleep(rest).await; waiting.wait_for(|waiting| *waiting > 0).await } => true,
                }
            });
    }
}

impl io::Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.goes_on() { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers with what `write` writes in this turn.
pub(super) async fn answer(
    turn: Turn,
    format: Format,
    write: impl FnOnce(&mut Chunks) -> Result<(), ReadError> + Send + 'static,
) -> Response {
    let (sender, mut parts) = mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let begun = Instant::now();
        let mut out = Chunks { buffer: Vec::new(), parts: sender, turn, begun, sent: 0, gone: false };
        let last = match write(&mut out) {
            Ok(()) => Part::Last(std::mem::take(&mut out.buffer).into()),
            Err(error) => Part::Failed(error),
        };
        out.send(last);
    });
    let first = match parts.recv().await {
        Some(Part::Last(whole)) => return format.declare(Response::new(whole.into())),
        Some(Part::Failed(error)) => return ApiError::from(error).into(),
        None => return super::history::failed("the query failed: see the log").into(),
        Some(Part::Chunk(first)) => first,
    };
    // An answer that breaks off ends its connection, so that the client does not take it for whole.
    let rest = stream::unfold(Some((Some(first), parts)), async |state| {
        let (first, mut parts) = state?;
        if let Some(first) = first {
            return Some((Ok(first), Some((None, parts))));
        }
        match parts.recv().await {
            Some(Part::Chunk(chunk)) => Some((Ok(chunk), Some((None, parts)))),
            Some(Part::Last(last)) => Some((Ok(last), None)),
            Some(Part::Failed(_)) | None => Some((Err(io::Error::from(io::ErrorKind::BrokenPipe)), None)),
        }
    });
    format.declare(warp::reply::stream(rest).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    /// Begins an answer without an end.
    async fn endless(turn: Turn) -> Response {
        let write = |out: &mut Chunks| {
            while out.goes_on() {
                out.buffer.extend_from_slice(&[b' '; 1000]);
            }
            Ok(())
        };
        answer(turn, Format::Json, write).await
    }

    #[tokio::test]
    async fn readers_of_long_answers_who_stop_reading_make_room_for_those_who_wait() {
        let turns = Turns { slow: Duration::ZERO, ..Turns::default() };
        let mut unread = Vec::new();
        for _ in 0..AT_ONCE * 3 {
            let turn = timeout(DEADLINE, turns.next()).await.expect("a turn in time");
            unread.push(endless(turn.expect("a turn")).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_beyond_those_that_wait_is_busy_and_one_that_waits_for_long_too() {
        let turns = Arc::new(Turns::default());
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(turns.next().await.expect("a turn"));
        }
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.next().await.is_ok() })
            })
            .collect();
        while *turns.waiting.borrow() < WAITING {
            tokio::task::yield_now().await;
        }
        let busy: Response = turns.next().await.err().expect("no room to wait").into();
        assert_eq!((busy.status().as_u16(), &busy.headers()["retry-after"]), (503, &"3".parse().unwrap()));
        for waited in waiting {
            assert!(!waited.await.unwrap());
        }
        drop(taken);
        assert!(turns.next().await.is_ok());
    }
}

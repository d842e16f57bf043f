//! Long answers, written while they are sent: one that is not read stops the writer instead of filling memory.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, error::TrySendError},
    time::sleep,
};
use warp::{Reply as _, reply::Response};

use super::{ApiError, columns::Format, turns::Turn};
use crate::journal::ReadError;

/// Bytes that are sent at once. Much more than the system's buffer for a connection takes would wait for the
/// acknowledgement that a client delays.
pub(super) const CHUNK: usize = 16 * 1024;
/// Chunks of an answer that wait to be sent: the writer and the thread of HTTP rarely wait for each other.
const WAITING_CHUNKS: usize = 4;
/// Time that a slow reader may take while others wait for its turn, and the bytes a second that extend it.
const SLOW: Duration = Duration::from_secs(2);
const BYTES_A_SECOND: f64 = 256.0 * 1024.0;
/// Time that it may take for a chunk then; the system keeps a few chunks for it.
const STALLED: Duration = Duration::from_millis(500);

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
        self.gone |= self.parts.is_closed();
        !self.gone
    }

    /// Returns whether the client is still there, for those who have nothing to write yet.
    pub(super) fn is_wanted(&self) -> impl Fn() -> bool + use<> {
        let parts = self.parts.clone();
        move || !parts.is_closed()
    }

    fn send(&mut self, part: Part) {
        // Where there is room, no timer is needed.
        let part = match self.parts.try_send(part) {
            Err(TrySendError::Full(part)) if !self.gone => part,
            sent => {
                self.gone |= sent.is_err();
                return;
            }
        };
        let limit = SLOW + Duration::from_secs_f64(self.sent as f64 / BYTES_A_SECOND);
        let (parts, turn) = (&self.parts, &mut self.turn);
        let rest = limit.saturating_sub(self.begun.elapsed()).min(STALLED);
        self.gone = Handle::current().block_on(async {
            tokio::select! {
                biased;
                sent = parts.send(part) => sent.is_err(),
                () = async { sleep(rest).await; turn.wanted().await } => true,
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
    let (sender, mut parts) = mpsc::channel(WAITING_CHUNKS);
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
    use tokio::time::timeout;

    use super::*;
    use crate::http::turns::Turns;

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
        let turns = Turns::default();
        let mut unread = Vec::new();
        for _ in 0..5 {
            let turn = timeout(DEADLINE, turns.next([127, 0, 0, 1].into())).await.expect("a turn in time");
            unread.push(endless(turn.expect("a turn")).await);
        }
    }
}

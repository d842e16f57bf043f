//! Memory for large answers that were written whole, and for the answer's way to the client.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::connections::Progress;

/// Longest answer that is not counted, in bytes.
pub(super) const SMALL: usize = 16 * 1024;
/// Memory for all others together, in KiB.
const KIBIBYTES: usize = 4096;

/// Memory for large answers.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    free: Arc<Semaphore>,
    /// Signals that some was wanted in vain.
    pub(super) short: Arc<Notify>,
}

/// Memory of one answer.
#[derive(Debug)]
pub(super) struct Held {
    _permit: OwnedSemaphorePermit,
}

impl Default for Memory {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(KIBIBYTES)), short: Arc::default() }
    }
}

impl Memory {
    /// Returns the length of a body that was written whole, else 0.
    pub(super) fn length(body: &impl Body) -> usize {
        body.size_hint().exact().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Takes the memory of an answer; a small one needs none.
    ///
    /// # Errors
    /// Returns an error while others hold it.
    pub(super) fn take(&self, length: usize) -> Result<Option<Held>, ()> {
        if length <= SMALL {
            return Ok(None);
        }
        let wanted = (length / 1024).min(KIBIBYTES) as u32;
        match Arc::clone(&self.free).try_acquire_many_owned(wanted) {
            Ok(permit) => Ok(Some(Held { _permit: permit })),
            Err(_) => {
                self.short.notify_one();
                Err(())
            }
        }
    }
}

impl Held {
    /// Returns the bytes, which give the memory back when they are dropped.
    pub(super) fn with(self, bytes: Bytes) -> Bytes {
        struct Owner(Bytes, #[expect(dead_code, reason = "dropped with the bytes")] Held);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        Bytes::from_owner(Owner(bytes, self))
    }
}

/// Body of an answer that notes whose turn it is, the client's or the program's.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    progress: Arc<Progress>,
    held: Option<Held>,
}

impl<B> Watched<B> {
    pub(super) fn new(body: B, progress: Arc<Progress>, held: Option<Held>) -> Self {
        Self { body, progress, held }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    /// It is called once the client has taken what was returned before, or all but a little.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled.is_pending() {
            true => self.progress.answering(),
            false => self.progress.wait(),
        }
        let Some(held) = self.held.take_if(|_| polled.is_ready()) else { return polled };
        polled.map(|frame| Some(frame?.map(|frame| frame.map_data(|bytes| held.with(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Watched<B> {
    fn drop(&mut self) {
        self.progress.wait();
    }
}

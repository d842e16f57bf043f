//! Sources that are a stream of batches.

use std::{io, pin::Pin};

use futures_util::{Stream, StreamExt as _};

use super::DataAcquisition;
use crate::{AcquireError, Batch};

type Batches = Pin<Box<dyn Stream<Item = Result<Batch, AcquireError>> + Send>>;

/// Stream of batches, and the means to open it again.
pub(super) struct Streamed<F> {
    open: F,
    batches: Option<Batches>,
}

impl<F> Streamed<F> {
    pub(super) fn new(open: F) -> Self {
        Self { open, batches: None }
    }
}

#[async_trait::async_trait]
impl<F, S, Opened> DataAcquisition for Streamed<F>
where
    F: FnMut() -> Opened + Send + 'static,
    S: Stream<Item = Result<Batch, AcquireError>> + Send + 'static,
    Opened: Future<Output = Result<S, AcquireError>> + Send + 'static,
{
    async fn open(&mut self) -> Result<(), AcquireError> {
        self.batches = Some(Box::pin((self.open)().await?));
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let next = match &mut self.batches {
            Some(batches) => batches.next().await,
            None => None,
        };
        match next {
            Some(batch) => batch.map(Some),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    async fn close(&mut self) {
        self.batches = None;
    }
}

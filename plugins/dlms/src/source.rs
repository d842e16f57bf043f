//! Source whose frame counter is kept over a restart.

use std::time::Duration;

use framework::{AcquireError, Batch, DataAcquisition, SourceContext, Timestamp};
use tokio::task;

use crate::{
    counter::{FrameCounter, Last},
    decoder::Decoder,
};

/// Longest wait for the journal at the start.
const RESTORE: Duration = Duration::from_secs(5);
/// Time between two saves, where the journal does not say how often it writes to the disk.
const INTERVAL: Duration = Duration::from_secs(60);

/// Source of one meter's batches that saves its frame counter in the journal.
pub(crate) struct Counted {
    source: telegram::Source<Decoder>,
    counter: FrameCounter,
    cx: SourceContext,
    /// A recording may be played again.
    is_replay: bool,
    is_restored: bool,
    /// Last counter in the journal, and when it was saved.
    saved: Option<(Last, Timestamp)>,
}

impl Counted {
    pub(crate) fn new(
        source: telegram::Source<Decoder>,
        counter: FrameCounter,
        is_replay: bool,
        cx: &SourceContext,
    ) -> Self {
        Self { source, counter, cx: cx.clone(), is_replay, is_restored: false, saved: None }
    }

    /// Returns the framework's source.
    pub(crate) fn into_source(self) -> framework::Source {
        let limit = self.source.time_limit();
        framework::Source::new(self).timeout(limit).at_line_speed()
    }

    /// Takes up the counter of the run before.
    async fn restore(&mut self) {
        if self.is_replay {
            return self.counter.reset();
        }
        if std::mem::replace(&mut self.is_restored, true) {
            return;
        }
        let cx = self.cx.clone();
        // It blocks until the journal was opened. Without one, the counter begins with the first telegram.
        let saved = task::spawn_blocking(move || cx.saved_state(RESTORE)).await;
        if let Ok(Ok(Some(state))) = saved {
            self.counter.resume(&state);
        }
    }

    /// Saves the counter as often as the journal is written to the disk.
    fn save(&mut self, now: Timestamp) {
        let Some(last) = self.counter.last().filter(|_| !self.is_replay) else { return };
        let interval = self.cx.state_is_saved_every().unwrap_or(INTERVAL);
        let is_due = self.saved.is_none_or(|(saved, at)| {
            saved.title != last.title || saved != last && now.duration_since(at).unsigned_abs() >= interval
        });
        if is_due {
            self.cx.save_state(&last.state());
            self.saved = Some((last, now));
        }
    }
}

#[framework::async_trait]
impl DataAcquisition for Counted {
    async fn open(&mut self) -> Result<(), AcquireError> {
        self.restore().await;
        self.source.open().await
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let batch = self.source.acquire().await?;
        if let Some(batch) = &batch {
            self.save(batch.taken_at);
        }
        Ok(batch)
    }

    async fn close(&mut self) {
        if let Some(last) = self.counter.last().filter(|_| !self.is_replay) {
            self.cx.save_state(&last.state());
        }
        self.source.close().await;
    }
}

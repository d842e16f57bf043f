//! Records of one publisher: read from its queue, selected, averaged.

use std::{io, sync::Arc};

use tokio::time::Instant;
use tracing::warn;

use super::{Delivery, Route, waiting::Waiting, window::Window};
use crate::{
    Period, Record, Timestamp,
    journal::{Mark, Micros, Queue, Queued},
};

/// Batches of selected sources without a selected reading, after which the log asks whether `series` is right.
const UNMATCHED: u32 = 100;

/// Records of one publisher, in the order in which they were recorded.
///
/// Reading the queue may read files. It blocks the thread, which belongs to this publisher alone.
#[derive(Debug)]
pub(super) struct Feed {
    queue: Queue,
    route: Arc<Route>,
    /// Averages, if the user wants an `interval`.
    window: Option<Window>,
    waiting: Waiting,
    /// End of what was read. The queue's cursor moves there once nothing waits before it.
    read_to: Option<Mark>,
    delivery: Arc<Delivery>,
    /// Whether the log has a warning about expired records since something was delivered.
    warned_expired: bool,
    /// Batches of selected sources without a selected reading; `None` once one had some.
    unmatched: Option<u32>,
    /// Number of clock corrections before the oldest of these records was read.
    corrections: u64,
}

impl Feed {
    pub(super) fn new(queue: Queue, route: Arc<Route>, delivery: Arc<Delivery>) -> Self {
        let window = route.interval.map(Window::new);
        Self {
            queue,
            route,
            window,
            waiting: Waiting::default(),
            read_to: None,
            delivery,
            warned_expired: false,
            unmatched: Some(0),
            corrections: 0,
        }
    }

    /// Reads on until `wanted` records wait or the queue is empty. Drops what was taken longer than `max_backlog_age`
    /// before `past`, a moment that is certainly over.
    ///
    /// # Errors
    /// Returns any I/O error of the journal's files.
    pub(super) async fn fill(&mut self, wanted: usize, now: Timestamp, past: Micros) -> io::Result<()> {
        let corrections = self.queue.corrections();
        if corrections != std::mem::replace(&mut self.corrections, corrections) {
            self.read_again();
        }
        self.expire(past);
        while self.waiting.len() < wanted {
            let read = self.queue.read(wanted - self.waiting.len())?;
            if read.is_empty() {
                // Not before the queue is empty: it may have had more of this window.
                self.window.iter_mut().for_each(|window| window.finish_if_over(&mut self.waiting));
                break;
            }
            for Queued { record, end } in read {
                self.take(record, end, now, past);
            }
            self.skip_unwanted();
            // A narrow selection reads a lot, and the plugin's other tasks need the thread too.
            tokio::task::yield_now().await;
        }
        self.skip_unwanted();
        Ok(())
    }

    /// Starts again at the cursor: after a correction of the clock, what was read has wrong timestamps.
    pub(super) fn read_again(&mut self) {
        (self.waiting, self.read_to) = (Waiting::default(), None);
        self.window = self.route.interval.map(Window::new);
        self.queue.rewind();
    }

    fn take(&mut self, record: Record, end: Mark, now: Timestamp, past: Micros) {
        let as_of = self.waiting.advance(record.batch.taken_at.as_microsecond());
        let record = if self.is_expired(as_of, past) {
            self.count_expired();
            None
        } else {
            self.select(record)
        };
        match (&mut self.window, record) {
            (Some(window), Some(record)) => window.take(record, end, now, &mut self.waiting),
            (Some(window), None) => window.skip(end),
            (None, Some(record)) => self.waiting.push(record, Some(end)),
            (None, None) => {}
        }
        self.read_to = Some(end);
    }

    fn select(&mut self, record: Record) -> Option<Record> {
        if !self.route.has_source(&record.section) {
            return None;
        }
        let selected = self.route.select(record);
        if selected.is_some() {
            self.unmatched = None;
        } else if let Some(unmatched) = &mut self.unmatched {
            *unmatched = unmatched.saturating_add(1);
            if *unmatched == UNMATCHED {
                warn!("no reading matched `series` in {UNMATCHED} batches; see /data for the names");
            }
        }
        selected
    }

    fn is_expired(&self, as_of: Micros, past: Micros) -> bool {
        let most = Micros::try_from(self.route.max_backlog_age.as_micros()).unwrap_or(Micros::MAX);
        past.saturating_sub(as_of) > most
    }

    fn expire(&mut self, past: Micros) {
        while self.waiting.oldest().is_some_and(|(_, as_of)| self.is_expired(as_of, past)) {
            self.remove(1);
            self.count_expired();
        }
    }

    fn count_expired(&mut self) {
        self.delivery.expired.increment();
        if !std::mem::replace(&mut self.warned_expired, true) {
            let most = Period(self.route.max_backlog_age);
            warn!(
                "readings older than {most} (`max_backlog_age`) are no longer delivered; the journal still has them"
            );
        }
    }

    /// Returns the records that wait, the oldest first.
    pub(super) fn waiting(&mut self) -> &[Record] {
        self.waiting.as_slice()
    }

    /// Removes the `count` oldest records, which are delivered or given up.
    pub(super) fn remove(&mut self, count: usize) {
        if let Some(done) = self.waiting.remove(count) {
            self.queue.done(done);
        }
        self.warned_expired &= self.waiting.len() > 0;
        self.skip_unwanted();
    }

    /// Removes the record at this place, which is delivered before its turn.
    pub(super) fn remove_at(&mut self, place: usize) {
        self.waiting.remove_at(place);
    }

    /// Moves the cursor past unwanted batches, if no wanted one waits before them.
    fn skip_unwanted(&mut self) {
        let is_open = self.window.as_ref().is_some_and(Window::is_open);
        if self.waiting.len() == 0
            && !is_open
            && let Some(read_to) = self.read_to.take()
        {
            self.queue.done(read_to);
        }
    }

    /// Returns the end of the open window, at which it is delivered even if no later record comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.window.as_ref()?.due()
    }

    /// Reports the size and age of the backlog.
    pub(super) fn report(&self) {
        let oldest = self.waiting.oldest().map(|(record, _)| record.batch.taken_at);
        self.delivery.set_backlog(self.queue.backlog(), oldest);
    }

    /// Returns a moment that is certainly over. A clock that is years ahead must not expire everything.
    pub(super) fn past(&self) -> Micros {
        self.queue.certain()
    }

    /// Returns whether timestamps are likely to stay as they are. `false` while the clock is known to be wrong.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.is_settled()
    }
}

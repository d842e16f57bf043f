//! What goes out next: read from the queue, selected, thinned.

use std::{collections::VecDeque, io, sync::Arc};

use tokio::{task::spawn_blocking, time::Instant};
use tracing::warn;

use super::{Delivery, Route, window::Window};
use crate::{
    Record, Timestamp,
    journal::{Mark, Micros, Queue, Queued},
};

/// After so many batches without a wanted reading it is said that `series` may be wrong.
const UNFIT: u32 = 100;

/// Records that are to be delivered, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    records: VecDeque<Record>,
    /// For each of them what of the queue is done once it is delivered (`None` where later records belong to it), and what
    /// it is as old as: a register may have a time of its own, long before it was read.
    marks: VecDeque<(Option<Mark>, Micros)>,
    /// When the newest batch was taken that was read.
    newest: Micros,
}

impl Waiting {
    pub(super) fn push(&mut self, record: Record, done: Option<Mark>) {
        self.records.push_back(record);
        self.marks.push_back((done, self.newest));
    }

    /// All of them, with what is done then.
    #[cfg(test)]
    pub(super) fn take(&mut self) -> (Vec<Record>, Vec<Option<Mark>>) {
        (self.records.drain(..).collect(), self.marks.drain(..).map(|(done, _)| done).collect())
    }
}

/// The records of one publisher, in order.
#[derive(Debug)]
pub(super) struct Feed {
    /// `None` while a file is read, on another thread.
    queue: Option<Queue>,
    route: Arc<Route>,
    window: Option<Window>,
    waiting: Waiting,
    /// What can be done once nothing waits.
    passed: Option<Mark>,
    delivery: Arc<Delivery>,
    /// Whether it was said that records expire.
    said: bool,
    /// So many batches of wanted sources had no wanted reading; `None` once one had.
    unfit: Option<u32>,
    /// How often dates had been corrected when the first of these was read.
    redated: u64,
}

impl Feed {
    pub(super) fn new(queue: Queue, route: Arc<Route>, delivery: Arc<Delivery>) -> Self {
        let (queue, window, waiting) = (Some(queue), route.every.map(Window::new), Waiting::default());
        Self {
            queue,
            route,
            window,
            waiting,
            passed: None,
            delivery,
            said: false,
            unfit: Some(0),
            redated: 0,
        }
    }

    /// Reads on until so many records wait, or nothing more is there. What was taken `max_backlog` before a moment that is
    /// `over` for certain goes.
    ///
    /// # Errors
    /// Where the journal's files cannot be read.
    pub(super) async fn fill(&mut self, wanted: usize, now: Timestamp, over: Micros) -> io::Result<()> {
        let redated = self.queue.as_ref().map_or(0, Queue::redated);
        if redated != std::mem::replace(&mut self.redated, redated) {
            self.read_again();
        }
        self.expire(over);
        while self.waiting.records.len() < wanted {
            let read = self.read(wanted - self.waiting.records.len()).await?;
            if read.is_empty() {
                // Only now: there may have been more of the turn.
                self.window.iter_mut().for_each(|window| window.finish_if_over(&mut self.waiting));
                break;
            }
            for Queued { record, end } in read {
                self.take(record, end, now, over);
            }
            self.pass();
            // A selection of which little fits reads much.
            tokio::task::yield_now().await;
        }
        self.pass();
        Ok(())
    }

    /// The clock was set: what was read has wrong dates.
    fn read_again(&mut self) {
        (self.waiting, self.passed) = (Waiting::default(), None);
        self.window = self.route.every.map(Window::new);
        self.queue.iter_mut().for_each(Queue::rewind);
    }

    async fn read(&mut self, most: usize) -> io::Result<Vec<Queued>> {
        let Some(mut queue) = self.queue.take() else { return Err(io::Error::other("reading was cut off")) };
        if queue.is_live() {
            let read = queue.read(most);
            self.queue = Some(queue);
            return read;
        }
        let (queue, read) = spawn_blocking(move || {
            let read = queue.read(most);
            (queue, read)
        })
        .await?;
        self.queue = Some(queue);
        read
    }

    fn take(&mut self, record: Record, end: Mark, now: Timestamp, over: Micros) {
        self.waiting.newest = self.waiting.newest.max(record.batch.taken_at.as_microsecond());
        let record = if self.is_old(self.waiting.newest, over) {
            self.expired();
            None
        } else {
            self.select(record)
        };
        match (&mut self.window, record) {
            (Some(window), Some(record)) => window.take(record, end, now, &mut self.waiting),
            (Some(window), None) if window.is_open() => window.passed(end),
            (None, Some(record)) => self.waiting.push(record, Some(end)),
            (_, None) => {}
        }
        self.passed = Some(end);
    }

    fn select(&mut self, record: Record) -> Option<Record> {
        if !self.route.has_source(&record.section) {
            return None;
        }
        let selected = self.route.select(record);
        if selected.is_some() {
            self.unfit = None;
        } else if let Some(unfit) = &mut self.unfit {
            *unfit = unfit.saturating_add(1);
            if *unfit == UNFIT {
                warn!(publisher = %self.delivery.name, "nothing goes out: `series` fits no name in {UNFIT} batches; /data shows the names");
            }
        }
        selected
    }

    fn is_old(&self, as_of: Micros, over: Micros) -> bool {
        let most = Micros::try_from(self.route.max_backlog.as_micros()).unwrap_or(Micros::MAX);
        over.saturating_sub(as_of) > most
    }

    fn expire(&mut self, over: Micros) {
        while let Some((_, as_of)) = self.waiting.marks.front()
            && self.is_old(*as_of, over)
        {
            self.delivered(1);
            self.expired();
        }
    }

    fn expired(&mut self) {
        self.delivery.expired.increment();
        if !std::mem::replace(&mut self.said, true) {
            let most = crate::Period(self.route.max_backlog);
            warn!(publisher = %self.delivery.name, "readings older than {most} (`max_backlog`) are not delivered any more");
        }
    }

    /// What waits, the oldest first.
    pub(super) fn waiting(&mut self) -> &[Record] {
        self.waiting.records.make_contiguous()
    }

    /// The first ones are delivered, or given up.
    pub(super) fn delivered(&mut self, count: usize) {
        let count = count.min(self.waiting.records.len());
        self.waiting.records.drain(..count);
        let done = self.waiting.marks.drain(..count).filter_map(|(done, _)| done).next_back();
        if let (Some(done), Some(queue)) = (done, &mut self.queue) {
            queue.done(done);
        }
        self.said &= !self.waiting.records.is_empty();
        self.pass();
    }

    /// What nobody wants is done when nothing else waits.
    fn pass(&mut self) {
        let open = self.window.as_ref().is_some_and(Window::is_open);
        if self.waiting.records.is_empty()
            && !open
            && let (Some(passed), Some(queue)) = (self.passed.take(), &mut self.queue)
        {
            queue.done(passed);
        }
    }

    /// When the turn is over, with nothing more coming.
    pub(super) fn due(&self) -> Option<Instant> {
        self.window.as_ref()?.due()
    }

    /// Says how much waits, and since when.
    pub(super) fn report(&self) {
        let oldest = self.waiting.records.front().map(|record| record.batch.taken_at);
        self.delivery.waits(self.queue.as_ref().map_or(0, Queue::backlog), oldest);
    }

    /// A moment that is certainly over: a clock that is years ahead must not make everything old.
    pub(super) fn certain(&self) -> Micros {
        self.queue.as_ref().map_or(Micros::MIN, Queue::certain)
    }

    /// Whether dates may still change, as the clock is behind.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.as_ref().is_none_or(Queue::is_settled)
    }
}

//! Delivery loop of one publisher: batches, retries, rate.

use std::{iter, sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    Delivery,
    call::{Fault, accepts, limited},
    feed::Feed,
};
use crate::{
    Backoff, FaultCode, PublishError, Publisher, PublisherContext, Record, Timestamp,
    faults::Faults,
    journal::Queue,
    panic::caught,
    scheduler::Work,
    status::{State, WorkerStatus},
    store::Snapshot,
};

/// Pauses between retries.
pub(super) const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30));
/// Pause after a wrong password, as the server might lock the user out, and after a panic.
pub(super) const RETRY_LATER: Duration = Duration::from_secs(60);
/// Longest pause that a server may ask for.
pub(super) const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
pub(super) const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// Longest wait for a clock that is not set yet.
pub(super) const CLOCK_LIMIT: Duration = Duration::from_secs(120);
/// Time for which refused records are tried again while a new one may come that shows whether the server refuses
/// everything. Then one that it has already must show that.
const STUCK_LIMIT: Duration = Duration::from_secs(120);
/// Consecutive panics after which the record that causes them is searched for.
const PANICS: u32 = 3;
/// Interval in which the backlog is reported while nothing is delivered.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait without a look into the queue. The journal may have been opened late, with records of an earlier run.
const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// Delivery loop of one publisher.
pub(crate) struct Runner {
    publisher: Box<dyn Publisher>,
    feed: Feed,
    cx: PublisherContext,
    delivery: Arc<Delivery>,
    max_rate: u32,
    opened: bool,
    /// Maximum number of records in one call; reduced while a refused one is searched for.
    batch_limit: usize,
    /// Last record that the server accepted. Sent again, it shows whether the server refuses everything.
    accepted: Option<Record>,
    /// Time since which no record that waits is accepted.
    stuck_since: Option<Instant>,
    /// Number of the oldest records among which a refused one is searched for.
    suspects: usize,
    /// Whether the server has accepted others of them.
    is_selective: bool,
    /// Consecutive panics.
    panics: u32,
    retry: Backoff,
    /// Earliest time for the next record, by `max_rate`.
    free_at: Instant,
    faults: Faults<&'static str>,
}

impl Runner {
    pub(crate) fn new(
        publisher: Box<dyn Publisher>,
        queue: Queue,
        cx: PublisherContext,
        delivery: Arc<Delivery>,
    ) -> Self {
        let max_rate = cx.route.max_rate.max(1);
        Self {
            publisher,
            feed: Feed::new(queue, Arc::clone(&cx.route), Arc::clone(&delivery)),
            cx,
            delivery,
            max_rate,
            opened: false,
            batch_limit: usize::MAX,
            accepted: None,
            stuck_since: None,
            suspects: 0,
            is_selective: false,
            panics: 0,
            retry: RETRY,
            free_at: Instant::now(),
            faults: Faults::default(),
        }
    }

    async fn deliver_all(&mut self) {
        // Before the first look into the queue, so that no batch slips in between the look and the wait.
        let mut news = self.cx.store.subscribe();
        self.open().await;
        self.wait_for_clock().await;
        loop {
            let batching = self.publisher.batching();
            let records = batching.records.clamp(1, self.max_rate as usize);
            if !self.fill(records).await || !self.open().await {
                continue;
            }
            let waiting = self.feed.waiting().len();
            if waiting == 0 {
                self.idle(&mut news).await;
                continue;
            }
            let fails = self.delivery.status.state() == State::Waiting;
            if waiting < records && !batching.linger.is_zero() && !fails {
                sleep(batching.linger).await;
                self.fill(records).await;
            }
            sleep_until(self.free_at).await;
            self.attempt(records).await;
        }
    }

    /// Waits until timestamps are right, but not for ever: without Internet nobody sets the clock.
    async fn wait_for_clock(&mut self) {
        let _ = timeout(CLOCK_LIMIT, async {
            while !self.feed.is_settled() {
                sleep(REPORT_INTERVAL).await;
            }
        })
        .await;
    }

    /// Opens the publisher unless it is open. Returns whether it is open now.
    async fn open(&mut self) -> bool {
        if let Err(fault) = self.try_open().await {
            self.failed(fault).await;
        }
        self.opened
    }

    async fn try_open(&mut self) -> Result<(), Fault> {
        if !self.opened {
            limited(&self.delivery, self.publisher.open(&self.cx)).await?;
            self.opened = true;
        }
        Ok(())
    }

    async fn close(&mut self) {
        if timeout(CLOSE_LIMIT, caught(self.publisher.close())).await.is_err() {
            warn!("did not close within {CLOSE_LIMIT:?}");
        }
    }

    /// Reads the queue until `records` wait. Returns whether that was possible.
    async fn fill(&mut self, records: usize) -> bool {
        let filled = self.feed.fill(records, Timestamp::now(), self.feed.past()).await;
        self.feed.report();
        let Err(error) = filled else { return true };
        self.failed(Fault::Journal(format!("could not read the journal: {error}"))).await;
        false
    }

    /// Waits for a batch of any source, or for the end of the open window.
    async fn idle(&mut self, news: &mut Receiver<Arc<Snapshot>>) {
        let latest = Instant::now() + IDLE_LIMIT;
        let due = self.feed.due().map_or(latest, |due| due.min(latest));
        // A lagging receiver has missed nothing: the batches are in the journal.
        let news = async {
            if let Err(RecvError::Closed) = news.recv().await {
                std::future::pending::<()>().await;
            }
        };
        let _ = timeout_at(due, news).await;
    }

    async fn attempt(&mut self, records: usize) {
        let waiting = self.feed.waiting();
        let batch = &waiting[..waiting.len().min(records).min(self.batch_limit.max(1))];
        let count = batch.len();
        match limited(&self.delivery, self.publisher.publish(batch)).await {
            Ok(0) => self.failed(PublishError::unavailable("the server accepted no records").into()).await,
            Ok(accepted) => {
                self.accepted = batch[..accepted.min(count)].last().cloned();
                self.delivered(accepted.min(count));
            }
            Err(Fault::Error(PublishError::Refused { reason })) => self.refused(count, reason).await,
            Err(Fault::Panic(panic)) if self.panics >= PANICS => {
                self.panicked().await;
                self.refused(count, format!("panicked, which is a bug of its plugin: {panic}")).await;
            }
            Err(fault) => self.failed(fault).await,
        }
    }

    fn delivered(&mut self, count: usize) {
        self.feed.remove(count);
        self.note_delivered(count);
    }

    fn note_delivered(&mut self, count: usize) {
        if let Some(news) = self.delivery.status.news(&mut self.faults, "delivering records") {
            info!("{news}");
        }
        self.delivery.records.add(count as u64);
        self.delivery.status.success(Timestamp::now());
        self.feed.report();
        self.free_at = self.free_at.max(Instant::now()) + Duration::from_secs(count as u64) / self.max_rate;
        self.retry.reset();
        self.suspects = self.suspects.saturating_sub(count);
        (self.panics, self.is_selective, self.stuck_since) = (0, true, None);
        self.batch_limit = self.batch_limit.saturating_mul(2);
    }

    /// Halves a refused batch until the refused record is alone. Skips that one if the server accepts any other: one
    /// that refuses everything is misconfigured, and then nothing is skipped.
    async fn refused(&mut self, count: usize, reason: String) {
        self.is_selective &= self.suspects > 0;
        self.suspects = count;
        if count > 1 {
            self.delivery.failures.increment();
            self.batch_limit = count / 2;
            return;
        }
        match self.accepts_others().await {
            Ok(Proof::Accepts(place)) => {
                if let Some(place) = place {
                    self.feed.remove_at(place);
                }
                self.skip(reason);
                if place.is_some() {
                    self.note_delivered(1);
                }
            }
            Ok(Proof::RefusesAll) => {
                let advice = "it accepts no record at all, so none is skipped; check `url` and the server";
                self.failed(PublishError::misconfigured(format!("{reason}; {advice}")).into()).await;
            }
            Ok(Proof::None) => {
                let wait = "the next record will show whether it accepts others";
                let pause = if self.feed.waiting().len() > 1 { RETRY_LATER } else { Duration::ZERO };
                self.failed(Fault::Stuck(format!("{reason}; {wait}"), pause)).await;
            }
            Err(fault) => self.failed(fault).await,
        }
    }

    /// Finds out whether the server accepts another record than the oldest: one of those that wait, which is delivered by
    /// that. Only if all of them have been refused for long, the last one that was accepted is sent again.
    async fn accepts_others(&mut self) -> Result<Proof, Fault> {
        if self.is_selective {
            return Ok(Proof::Accepts(None));
        }
        self.try_open().await?;
        let waiting = self.feed.waiting();
        let last = waiting.len() - 1;
        let places = iter::successors(Some(1), |place| Some(place * 2)).take_while(|place| *place < last);
        for place in places.chain((last > 0).then_some(last)) {
            if accepts(&self.delivery, &mut *self.publisher, &waiting[place]).await? {
                self.accepted = Some(waiting[place].clone());
                return Ok(Proof::Accepts(Some(place)));
            }
        }
        let since = *self.stuck_since.get_or_insert_with(Instant::now);
        if (last == 0 || self.accepted.is_some()) && since.elapsed() < STUCK_LIMIT {
            return Ok(Proof::None);
        }
        match &self.accepted {
            Some(accepted) if accepts(&self.delivery, &mut *self.publisher, accepted).await? => {
                Ok(Proof::Accepts(None))
            }
            _ => Ok(Proof::RefusesAll),
        }
    }

    /// Skips the oldest record, which the server will never accept.
    fn skip(&mut self, reason: String) {
        let Some(Record { section, batch }) = self.feed.waiting().first() else { return };
        let message = format!(
            "{reason}: the readings of `{section}` at {} were rejected permanently and skipped; the journal still has them",
            batch.taken_at
        );
        if let Some(text) = self.faults.note("skipped", &message) {
            error!("{text}");
        }
        self.delivery.status.fault(FaultCode::Refused, message);
        self.delivery.failures.increment();
        self.delivery.refused.increment();
        self.feed.remove(1);
        self.suspects = 0;
        self.retry.reset();
    }

    async fn panicked(&mut self) {
        self.delivery.status.panics.increment();
        self.panics += 1;
        self.close().await;
        self.opened = false;
    }

    /// Reports a fault, and pauses.
    async fn failed(&mut self, fault: Fault) {
        self.delivery.failures.increment();
        self.suspects = 0;
        let (code, message) = (fault.code(), fault.to_string());
        let (kind, least) = pause_of(&fault);
        if let Fault::Panic(_) = fault {
            self.panicked().await;
        }
        if let Some(text) = self.faults.note(kind, &message) {
            let text = format!("{text}; the journal keeps the readings");
            match kind {
                "misconfigured" | "refused" | "panic" => error!("{text}"),
                _ => warn!("{text}"),
            }
        }
        self.delivery.status.fault(code, message);
        self.delivery.status.set_state(State::Waiting);
        self.back_off(least).await;
    }

    /// Pauses for at least `least`, longer after each fault in a row.
    async fn back_off(&mut self, least: Duration) {
        let until = Instant::now() + self.retry.pause().max(least);
        while Instant::now() < until {
            sleep_until(until.min(Instant::now() + REPORT_INTERVAL)).await;
            self.feed.report();
        }
    }
}

impl Work for Runner {
    fn status(&self) -> &WorkerStatus {
        &self.delivery.status
    }

    async fn run(&mut self, stop: &CancellationToken) -> Result<(), String> {
        // After a panic, the publisher and what was read may be half done.
        self.delivery.leave_plugin();
        if std::mem::take(&mut self.opened) {
            self.close().await;
        }
        self.feed.read_again();
        stop.run_until_cancelled(self.deliver_all()).await;
        self.close().await;
        self.status().set_state(State::Stopped);
        Ok(())
    }
}

/// Returns the word for a kind of fault, by which the log counts it, and the shortest pause after it.
pub(super) fn pause_of(fault: &Fault) -> (&'static str, Duration) {
    match fault {
        Fault::Error(PublishError::Unavailable { retry_after, .. }) => {
            ("unavailable", retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
        }
        Fault::Error(PublishError::Misconfigured { .. }) => ("misconfigured", RETRY_LATER),
        Fault::Error(PublishError::Refused { .. }) => ("refused", RETRY_LATER),
        Fault::Stuck(_, pause) => ("stuck", *pause),
        Fault::Journal(_) | Fault::Error(PublishError::Journal { .. }) => ("journal", Duration::ZERO),
        Fault::Panic(_) => ("panic", RETRY_LATER),
    }
}

/// Result of a look whether a server that refuses a record accepts another.
enum Proof {
    /// It accepts the record at this place among those that wait, or has accepted another.
    Accepts(Option<usize>),
    RefusesAll,
    /// No record that waits is accepted, and one that comes may be.
    None,
}

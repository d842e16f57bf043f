//! Runs one publisher: what waits goes out; what does not arrive is tried again.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Delivery, feed::Feed};
use crate::{
    House, PublishError, Publisher, Record, Timestamp,
    faults::Faults,
    journal::Queue,
    store::{Snapshot, State},
    supervisor::caught,
};

/// A far end that is missing is looked for this often.
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// A wrong password is not tried more often, lest the far end locks the user out; nor is a publisher that panics.
const RETRY_LATER: Duration = Duration::from_secs(60);
/// What a far end asks for is not believed beyond this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
/// Plugins have limits of their own; this one is for those that forgot.
pub(super) const PUBLISH_LIMIT: Duration = Duration::from_secs(120);
const CLOSE_LIMIT: Duration = Duration::from_millis(500);
/// So long is waited for a clock that will correct the dates.
const SETTLING: Duration = Duration::from_secs(120);
/// After so many refusals in a row, each of a single record, the far end refuses whatever it is given.
const REFUSALS: u32 = 100;
/// After so many panics in a row the record is looked for at which it panics.
const PANICS: u32 = 3;
/// How often the figures are brought up to date while nothing goes out.
const LOOK: Duration = Duration::from_secs(1);

/// One publisher at work.
pub(crate) struct Runner {
    publisher: Box<dyn Publisher>,
    feed: Feed,
    house: House,
    delivery: Arc<Delivery>,
    max_rate: u32,
    opened: bool,
    /// So many records at once, at most: fewer where some are refused.
    most: usize,
    /// Refusals of single records in a row.
    refusals: u32,
    /// Panics in a row.
    panics: u32,
    /// The next pause after a fault.
    pause: Duration,
    /// When the next record may go, by `max_rate`.
    free_at: Instant,
    faults: Faults<&'static str>,
}

impl Runner {
    pub(crate) fn new(
        publisher: Box<dyn Publisher>,
        queue: Queue,
        house: House,
        delivery: Arc<Delivery>,
    ) -> Self {
        let max_rate = house.route.max_rate.max(1);
        Self {
            publisher,
            feed: Feed::new(queue, Arc::clone(&house.route), Arc::clone(&delivery)),
            house,
            delivery,
            max_rate,
            opened: false,
            most: usize::MAX,
            refusals: 0,
            panics: 0,
            pause: RETRY_MIN,
            free_at: Instant::now(),
            faults: Faults::default(),
        }
    }

    /// Runs until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.deliver_all()).await;
        self.close().await;
        self.delivery.vitals.set_state(State::Stopped);
    }

    async fn deliver_all(&mut self) {
        // First, so that no batch comes between the last look into the journal and the waiting.
        let mut news = self.house.store.subscribe();
        self.open().await;
        self.settle().await;
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
            let fails = self.delivery.vitals.state() == State::Waiting;
            if waiting < records && !batching.linger.is_zero() && !fails {
                sleep(batching.linger).await;
                self.fill(records).await;
            }
            sleep_until(self.free_at).await;
            self.attempt(records).await;
        }
    }

    /// Waits until dates are right, but not for ever: in a house without Internet nobody sets the clock.
    async fn settle(&mut self) {
        let _ = timeout(SETTLING, async {
            while !self.feed.is_settled() {
                sleep(LOOK).await;
            }
        })
        .await;
    }

    /// Opens the publisher where it is not open; gives whether it is.
    async fn open(&mut self) -> bool {
        if !self.opened {
            match limited(&self.delivery, self.publisher.open(&self.house)).await {
                Ok(()) => self.opened = true,
                Err(fault) => self.failed(fault).await,
            }
        }
        self.opened
    }

    async fn close(&mut self) {
        if timeout(CLOSE_LIMIT, caught(self.publisher.close())).await.is_err() {
            warn!(publisher = %self.delivery.name, "did not say goodbye within {CLOSE_LIMIT:?}");
        }
    }

    /// Reads what there is; gives whether that was possible.
    async fn fill(&mut self, records: usize) -> bool {
        let filled = self.feed.fill(records, Timestamp::now(), self.feed.certain()).await;
        self.feed.report();
        let Err(error) = filled else { return true };
        self.failed(Fault::Journal(format!("could not read the journal, in which readings wait: {error}")))
            .await;
        false
    }

    /// Waits for a batch of any source, or for the end of a turn.
    async fn idle(&mut self, news: &mut Receiver<Arc<Snapshot>>) {
        // Each minute in any case: the journal may have been opened, with what an earlier run left.
        let minute = Instant::now() + LOOK * 60;
        let due = self.feed.due().map_or(minute, |due| due.min(minute));
        // Those that were missed are in the journal.
        let news = async {
            if let Err(RecvError::Closed) = news.recv().await {
                std::future::pending::<()>().await;
            }
        };
        let _ = timeout_at(due, news).await;
    }

    async fn attempt(&mut self, records: usize) {
        let waiting = self.feed.waiting();
        let batch = &waiting[..waiting.len().min(records).min(self.most.max(1))];
        let count = batch.len();
        match limited(&self.delivery, self.publisher.publish(batch)).await {
            Ok(0) => self.failed(PublishError::unavailable("the far end took nothing").into()).await,
            Ok(taken) => self.arrived(taken.min(count)),
            Err(Fault::Error(PublishError::Refused { reason })) => self.refused(count, reason).await,
            Err(Fault::Panic(panic)) if self.panics >= PANICS => {
                self.panicked().await;
                self.refused(count, format!("panicked, which is a bug of its plugin: {panic}")).await;
            }
            Err(fault) => self.failed(fault).await,
        }
    }

    fn arrived(&mut self, count: usize) {
        if let Some(news) = self.delivery.vitals.news(&mut self.faults) {
            info!(publisher = %self.delivery.name, "{news}");
        }
        self.feed.delivered(count);
        self.delivery.records.add(count as u64);
        self.delivery.vitals.success(Timestamp::now());
        self.feed.report();
        self.free_at = self.free_at.max(Instant::now()) + Duration::from_secs(count as u64) / self.max_rate;
        (self.pause, self.refusals, self.panics) = (RETRY_MIN, 0, 0);
        self.most = self.most.saturating_mul(2);
    }

    /// Looks for the one that is refused, and goes on without it.
    async fn refused(&mut self, count: usize, reason: String) {
        self.delivery.failures.increment();
        if count > 1 && self.refusals < REFUSALS {
            self.most = count / 2;
            return;
        }
        self.refusals += 1;
        let Some(Record { section, batch }) = self.feed.waiting().first() else { return };
        let what = match count {
            1 => format!("the readings of `{section}` of {}", batch.taken_at),
            _ => format!("{count} records, from those of `{section}` of {} on", batch.taken_at),
        };
        let message = format!("{reason}: {what} are refused for good, and set aside (the journal has them)");
        if let Some(text) = self.faults.note("refused", &message) {
            error!(publisher = %self.delivery.name, "{text}");
        }
        self.delivery.vitals.fault(message);
        self.delivery.refused.add(count as u64);
        self.feed.delivered(count);
        // Where nothing ever arrived, or nothing does any more, all is not well.
        if self.refusals >= REFUSALS || self.delivery.records.get() == 0 {
            self.delivery.vitals.set_state(State::Waiting);
        }
        if self.refusals >= REFUSALS {
            // Slowly: somebody may be setting up the far end, and what is set aside does not come again.
            self.most = usize::MAX;
            self.rest(Duration::ZERO).await;
        }
    }

    async fn panicked(&mut self) {
        self.delivery.panics.increment();
        self.panics += 1;
        self.close().await;
        self.opened = false;
    }

    /// Notes a fault, and pauses.
    async fn failed(&mut self, fault: Fault) {
        self.delivery.failures.increment();
        let (kind, least, message) = match fault {
            Fault::Error(PublishError::Unavailable { reason, retry_after }) => {
                ("unavailable", retry_after.unwrap_or_default().min(RETRY_AFTER_MAX), reason)
            }
            Fault::Error(PublishError::Misconfigured { reason }) => ("misconfigured", RETRY_LATER, reason),
            Fault::Error(PublishError::Refused { reason }) => ("refused", RETRY_LATER, reason),
            Fault::Journal(reason) => ("journal", Duration::ZERO, reason),
            Fault::Panic(panic) => {
                self.panicked().await;
                ("panic", RETRY_LATER, format!("panicked, which is a bug of its plugin: {panic}"))
            }
        };
        if let Some(text) = self.faults.note(kind, &message) {
            warn!(publisher = %self.delivery.name, "{text}; readings wait in the journal");
        }
        self.delivery.vitals.fault(message);
        self.delivery.vitals.set_state(State::Waiting);
        self.rest(least).await;
    }

    /// Pauses, longer from time to time.
    async fn rest(&mut self, least: Duration) {
        let until = Instant::now() + self.pause.max(least);
        self.pause = (self.pause * 2).min(RETRY_MAX);
        while Instant::now() < until {
            sleep_until(until.min(Instant::now() + LOOK)).await;
            self.feed.report();
        }
    }
}

/// Why something did not work.
enum Fault {
    Error(PublishError),
    Journal(String),
    Panic(String),
}

impl From<PublishError> for Fault {
    fn from(error: PublishError) -> Self {
        Self::Error(error)
    }
}

/// Has the plugin do something. It may fail, panic, hang, or keep its thread, which only whoever reads `delivery` can see.
async fn limited<T>(
    delivery: &Delivery,
    work: impl Future<Output = Result<T, PublishError>>,
) -> Result<T, Fault> {
    delivery.begins();
    let result = timeout(PUBLISH_LIMIT, caught(work)).await;
    delivery.ends();
    match result {
        Ok(Ok(result)) => result.map_err(Fault::Error),
        Ok(Err(panic)) => Err(Fault::Panic(panic)),
        Err(_) => Err(PublishError::unavailable(format!("no answer within {PUBLISH_LIMIT:?}")).into()),
    }
}

//! Loop of one publisher of history: updates, retries, requests.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    HourSeries, Hours, Scope, Update,
    changes::Seen,
    republish::{Event, Reporter, Republisher, Request},
};
use crate::{
    Backoff, FaultCode, HistoryPublisher, Timestamp,
    faults::Faults,
    panic::caught,
    publish::{
        Delivery,
        call::{Fault, limited, limited_since_life},
        runner::{CLOCK_LIMIT, CLOSE_LIMIT, pause_of},
    },
    scheduler::Work,
    status::{State, WorkerStatus},
};

/// Pauses between retries. They end early enough for hours to be right soon after the return of a server.
const RETRY: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
/// Interval of the looks for news. One costs no look into the journal.
const LOOK: Duration = Duration::from_secs(30);
/// Interval of the looks into the journal for complete hours, of which the newest batches tell nothing: those of meters
/// that date their readings themselves.
const LOOK_CLOSER: Duration = Duration::from_secs(900);
/// Interval in which everything is compared, as readings may come late.
const COMPARE: Duration = Duration::from_secs(86_400);

/// Loop of one publisher of history.
pub(crate) struct HistoryRunner {
    publisher: Box<dyn HistoryPublisher>,
    hours: Hours,
    delivery: Arc<Delivery>,
    requests: mpsc::Receiver<Request>,
    opened: bool,
    /// Time of the last comparison, and how things were then or at an update since.
    compared: Option<(Instant, Seen)>,
    /// Time of the last look into the journal.
    looked: Instant,
    /// Series of the last update that succeeded: their hours are delivered.
    delivered: Vec<HourSeries>,
    /// Earliest time of the next attempt.
    next: Instant,
    retry: Backoff,
    faults: Faults<&'static str>,
}

impl HistoryRunner {
    pub(crate) fn new(publisher: Box<dyn HistoryPublisher>, hours: Hours) -> (Self, Republisher) {
        let (republisher, requests) = Republisher::new();
        let now = Instant::now();
        let runner = Self {
            publisher,
            delivery: Arc::clone(hours.delivery()),
            hours,
            requests,
            opened: false,
            compared: None,
            looked: now,
            delivered: Vec::new(),
            next: now,
            retry: RETRY,
            faults: Faults::default(),
        };
        (runner, republisher)
    }

    async fn deliver_all(&mut self) {
        self.wait_for_clock().await;
        loop {
            if let Ok(request) = self.requests.try_recv() {
                self.republish(request).await;
                continue;
            }
            let now = Instant::now();
            if self.next <= now
                && let Some(scope) = self.due(now)
            {
                self.attempt(scope).await;
                continue;
            }
            self.idle().await;
        }
    }

    /// Waits until times are right, but not for ever: without Internet nobody sets the clock.
    async fn wait_for_clock(&mut self) {
        let _ = timeout(CLOCK_LIMIT, async {
            while !self.hours.costs().journal.is_settled() {
                sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
    }

    /// Returns what is to be done now, if anything is.
    fn due(&mut self, now: Instant) -> Option<Scope> {
        let Some((compared, seen)) = &self.compared else { return Some(Scope::Compare) };
        let current = Seen::now(&self.hours);
        if now.duration_since(*compared) >= COMPARE || current.changes_past(seen) {
            return Some(Scope::Compare);
        }
        let is_due = now.duration_since(self.looked) >= LOOK_CLOSER || current.has_new_hour(seen);
        is_due.then_some(Scope::New)
    }

    /// Waits for the next look, for a request, or for the loss of the connection.
    async fn idle(&mut self) {
        let next =
            self.next.max(Instant::now() + if self.compared.is_some() { LOOK } else { Duration::ZERO });
        let lost = async {
            match self.opened {
                true => caught(self.publisher.lost()).await,
                false => std::future::pending().await,
            }
        };
        let fault = tokio::select! {
            biased;
            request = self.requests.recv() => match request {
                Some(request) => return self.republish(request).await,
                // The program ends, or the configuration has changed.
                None => std::future::pending().await,
            },
            lost = lost => lost.map_or_else(Fault::Panic, Fault::Error),
            () = sleep_until(next) => return,
        };
        self.failed(fault).await;
    }

    /// Does an update that nobody has asked for.
    async fn attempt(&mut self, scope: Scope) {
        if let Err(fault) = self.update(scope, None).await {
            self.failed(fault).await;
        }
    }

    /// Does an update for a person, who can cancel it.
    async fn republish(&mut self, request: Request) {
        let Request { hours, events } = request;
        if events.is_closed() {
            // Who asked has gone while another request was under way.
            return;
        }
        let scope = Scope::Again { from: hours.start, to: hours.end };
        let gone = events.clone();
        let updated = tokio::select! {
            updated = self.update(scope, Some(Reporter(events.clone()))) => Some(updated),
            () = gone.closed() => None,
        };
        match updated {
            Some(Ok(())) => {
                let _ = events.send(Event::Ended(Ok(()))).await;
            }
            Some(Err(fault)) => {
                let _ = events.send(Event::Ended(Err(fault.to_string()))).await;
                self.failed(fault).await;
            }
            None => {
                // Whatever it was doing is half done.
                self.delivery.leave_plugin();
                self.close().await;
                self.compared = None;
                info!("`smartmeter publish` was cancelled");
            }
        }
    }

    /// Brings the server up to date.
    async fn update(&mut self, scope: Scope, reporter: Option<Reporter>) -> Result<(), Fault> {
        // Before the look into the journal, so that no hour slips in between.
        let (now, seen) = (Instant::now(), Seen::now(&self.hours));
        if scope != Scope::New {
            self.hours.forget();
        }
        let series = self.hours.series().await?;
        self.looked = now;
        let delivered = series.iter().map(|series| {
            let known = self.delivered.iter().find(|known| known.is_same(series));
            known.map_or(series.complete.start, |known| known.complete.end)
        });
        let delivered = delivered.collect();
        let update = Update { scope, series, hours: self.hours.clone(), delivered, reporter };
        if scope != Scope::New || update.is_needed() {
            if !self.opened {
                limited(&self.delivery, self.publisher.open()).await?;
                self.opened = true;
            }
            limited_since_life(&self.delivery, self.publisher.update(&update)).await?;
            self.note_success();
        }
        match (&mut self.compared, scope) {
            (_, Scope::Compare) => self.compared = Some((now, seen)),
            (Some((_, known)), Scope::New) => *known = seen,
            _ => {}
        }
        if !matches!(scope, Scope::Again { .. }) {
            self.delivered = update.series;
            let end = self.delivered.iter().map(|series| series.complete.end).max();
            self.delivery.set_delivered_to(end.and_then(|end| Timestamp::from_second(end).ok()));
        }
        Ok(())
    }

    fn note_success(&mut self) {
        if let Some(news) = self.delivery.status.news(&mut self.faults, "delivering history") {
            info!("{news}");
        }
        self.delivery.status.success(Timestamp::now());
        self.retry.reset();
    }

    async fn close(&mut self) {
        if std::mem::take(&mut self.opened)
            && timeout(CLOSE_LIMIT, caught(self.publisher.close())).await.is_err()
        {
            warn!("did not close within {CLOSE_LIMIT:?}");
        }
    }

    /// Reports a fault, closes the connection, and has everything compared after a pause.
    async fn failed(&mut self, fault: Fault) {
        self.delivery.failures.increment();
        let (code, message) = (fault.code(), fault.to_string());
        let (kind, least) = pause_of(&fault);
        if let Fault::Panic(_) = fault {
            self.delivery.status.panics.increment();
        }
        if let Some(text) = self.faults.note(kind, &message) {
            let text = format!("{text}; the journal keeps the hours");
            match code {
                FaultCode::WrongConfiguration | FaultCode::Refused | FaultCode::Bug => error!("{text}"),
                _ => warn!("{text}"),
            }
        }
        self.delivery.status.fault(code, message);
        self.delivery.status.set_state(State::Waiting);
        self.close().await;
        self.compared = None;
        self.next = Instant::now() + self.retry.pause().max(least);
    }
}

impl Work for HistoryRunner {
    fn status(&self) -> &WorkerStatus {
        &self.delivery.status
    }

    async fn run(&mut self, stop: &CancellationToken) -> Result<(), String> {
        // After a panic, the publisher may be half done.
        self.delivery.leave_plugin();
        self.close().await;
        self.compared = None;
        stop.run_until_cancelled(self.deliver_all()).await;
        self.delivery.leave_plugin();
        self.close().await;
        self.status().set_state(State::Stopped);
        Ok(())
    }
}

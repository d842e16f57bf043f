//! When a batch is computed: at each change of an input, but not more often than its readers need.

use std::{collections::BTreeSet, future::pending, time::Duration};

use framework::{
    AcquireError, Batch, Counter, DataAcquisition, FaultCode, SourceContext, Text, Timestamp, View,
    async_trait,
};
use futures_util::future::select_all;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use crate::{
    state::{Files, State},
    values::{Fault, Values},
};

/// Shortest time between two batches. Inputs that change more often are computed with once in it.
const PAUSE: Duration = Duration::from_millis(100);
/// Confirmations of a batch that still holds, in `stale_after`.
const CONFIRMATIONS: u32 = 3;
/// Most seconds by which the last batch may be ahead of the clock. More shows a clock that was set back.
const AHEAD: i64 = 60;

/// Acquisition of the values of one source.
pub(crate) struct Derived {
    values: Values,
    files: Files,
    state: Option<State>,
    context: SourceContext,
    resets: Counter,
    gaps: Counter,
    /// Earliest time of the next batch.
    not_before: Instant,
    /// Time of the last batch, confirmation or fault.
    last: Instant,
    /// Numbers of the batches that were computed with; `None` for a missing one.
    used: Option<Vec<Option<u64>>>,
    /// Whether they had a result.
    is_right: bool,
    /// Moment of the last batch.
    last_taken: Option<Timestamp>,
}

/// Newest batches of the inputs, those that are there and not stale.
struct Found {
    views: Vec<Option<View>>,
    /// An input without which nothing can be computed.
    lacking: Option<Text>,
    /// Time at which the first of them turns stale.
    stale_from: Option<Instant>,
}

impl Derived {
    pub(crate) fn new(values: Values, cx: &SourceContext) -> Self {
        Self {
            values,
            files: Files::of(cx),
            state: None,
            context: cx.clone(),
            resets: cx.counter("counter_resets"),
            gaps: cx.counter("gaps"),
            not_before: Instant::now(),
            last: Instant::now(),
            used: None,
            is_right: false,
            last_taken: None,
        }
    }

    fn look(&mut self) -> Found {
        let mut found = Found { views: Vec::new(), lacking: None, stale_from: None };
        for read in &mut self.values.inputs {
            let view = read.input.latest().filter(|view| !view.stale);
            if let Some(view) = &view {
                let at = Instant::from_std(view.stale_from);
                found.stale_from = Some(found.stale_from.map_or(at, |first| first.min(at)));
            } else if !read.is_optional && found.lacking.is_none() {
                found.lacking = Some(read.input.source().into());
            }
            found.views.push(view);
        }
        found
    }

    /// Waits for a batch of an input.
    async fn changed(&mut self) {
        if self.values.inputs.is_empty() {
            return pending().await;
        }
        select_all(self.values.inputs.iter_mut().map(|read| Box::pin(read.input.changed()))).await;
    }

    async fn compute(&mut self, found: &Found) -> Result<Batch, AcquireError> {
        let state = match &mut self.state {
            Some(state) => state,
            None => self.state.insert(self.files.load()),
        };
        let computed = self.values.compute(&found.views, state).map_err(|fault| match fault {
            Fault::Misfit(reasons) => AcquireError::Misconfigured { reason: reasons.join("; ") },
            Fault::Arithmetic(reason) => AcquireError::Malformed { reason },
        })?;
        for name in BTreeSet::from_iter(&computed.resets) {
            info!("`{name}` was set, or its meter was swapped or reset: the step does not count");
            self.resets.increment();
        }
        self.gaps.add(computed.gaps.len() as u64);
        // Before anybody sees the numbers: they must not run backwards when the process ends.
        let failure = self.files.save(state).await.err();
        let failure = failure.as_deref().map(|failure| (FaultCode::NotSaved, failure));
        let lost = self.files.lost().map(|lost| (FaultCode::Unconfirmed, lost));
        self.context.set_problem(failure.or(lost));
        let newest = found.views.iter().flatten().max_by_key(|view| view.snapshot.number);
        let is_new = newest.is_some_and(|newest| {
            let used = self.used.iter().flatten().flatten();
            used.max().is_none_or(|last| newest.snapshot.number > *last)
        });
        // Without a new batch, an input turned stale: that is a matter of now.
        let taken_at = newest.filter(|_| is_new).map(|view| view.snapshot.batch.taken_at);
        let now = Timestamp::now();
        let taken_at = taken_at.unwrap_or(now);
        // Inputs overtake each other, and a batch must not be older than the one before it.
        let before = self.last_taken.filter(|last| last.as_second() <= now.as_second() + AHEAD);
        let taken_at = before.map_or(taken_at, |before| before.max(taken_at));
        self.last_taken = Some(taken_at);
        Ok(Batch { taken_at, readings: computed.readings })
    }
}

#[async_trait]
impl DataAcquisition for Derived {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let stale_after = self.context.stale_after();
        loop {
            sleep_until(self.not_before).await;
            let found = self.look();
            let numbers: Vec<_> =
                found.views.iter().map(|view| view.as_ref().map(|view| view.snapshot.number)).collect();
            if found.lacking.is_none() && self.used.as_ref() != Some(&numbers) {
                self.not_before = Instant::now() + PAUSE;
                let batch = self.compute(&found).await;
                self.used = Some(numbers);
                self.is_right = batch.is_ok();
                self.last = Instant::now();
                return batch.map(Some);
            }
            // What was computed still holds while its inputs do.
            let (limit, holds) = match &found.lacking {
                None => (self.last + stale_after / CONFIRMATIONS, self.is_right),
                Some(_) => (self.last + stale_after, false),
            };
            let wake = found.stale_from.map_or(limit, |stale_from| stale_from.min(limit));
            tokio::select! {
                () = self.changed() => {}
                () = sleep_until(wake) => {
                    if Instant::now() < limit {
                        continue; // An input turned stale.
                    }
                    self.last = Instant::now();
                    if holds {
                        return Ok(None);
                    }
                    if found.lacking.is_none() {
                        self.used = None; // It is still wrong, and that is said again.
                        continue;
                    }
                    let device = found.lacking.map(|source| format!("source `{source}`")).unwrap_or_default();
                    return Err(AcquireError::Silent { device, waited: stale_after });
                }
            }
        }
    }

    async fn close(&mut self) {
        if let Err(problem) = self.files.sync().await {
            self.context.set_problem(Some((FaultCode::NotSaved, &problem)));
        }
    }
}

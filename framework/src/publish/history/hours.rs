//! Hours of the journal, for a plugin.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::task::spawn_blocking;

use super::{
    figures::{Counted, Hour, Walk},
    series::{HourSeries, selected},
};
use crate::{
    Costs, PublishError, Route, Store, Tariffs,
    journal::{ReadError, View},
    publish::{Delivery, lock},
};

/// Hours of the selected series, as [`Update`](super::Update) has them. A clone is the same.
///
/// Each answer comes from a blocking thread, and holds up nobody. The figures are those of `/history`.
#[derive(Clone)]
pub struct Hours {
    costs: Arc<Costs>,
    store: Arc<Store>,
    route: Arc<Route>,
    delivery: Arc<Delivery>,
    /// What each series had counted up to the end of what was read last. A cost would be made of all readings for each
    /// new hour.
    counted: Arc<Mutex<Vec<(HourSeries, Counted)>>>,
}

impl fmt::Debug for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hours").field("route", &self.route).finish_non_exhaustive()
    }
}

impl Hours {
    pub(crate) fn new(
        costs: Arc<Costs>,
        store: Arc<Store>,
        route: Arc<Route>,
        delivery: Arc<Delivery>,
    ) -> Self {
        Self { costs, store, route, delivery, counted: Arc::default() }
    }

    /// Returns the selected series that have complete hours, each counter followed by its cost.
    pub(super) async fn series(&self) -> Result<Vec<HourSeries>, PublishError> {
        let (store, route) = (Arc::clone(&self.store), Arc::clone(&self.route));
        self.read(move |view, tariffs| selected(view, tariffs, &store, &route)).await
    }

    /// Returns the hours of a range of a series that are complete, to be read in pieces. The range has the start of its
    /// first hour and the end of its last, in seconds since 1970.
    pub fn rows(&self, series: &HourSeries, range: Range<i64>) -> HourRows {
        let counted = lock(&self.counted);
        let earlier = counted.iter().find(|(known, _)| known.is_same(series)).map(|(_, counted)| *counted);
        HourRows { hours: self.clone(), walk: Some(Walk::new(series.clone(), range, earlier)) }
    }

    /// Remembers what a series had counted.
    fn remember(&self, series: &HourSeries, counted: Counted) {
        let mut all = lock(&self.counted);
        all.retain(|(known, earlier)| !known.is_same(series) || earlier.end > counted.end);
        if !all.iter().any(|(known, _)| known.is_same(series)) {
            all.push((series.clone(), counted));
        }
    }

    /// Forgets what was counted, as the past may be another one.
    pub(super) fn forget(&self) {
        lock(&self.counted).clear();
    }

    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn costs(&self) -> &Costs {
        &self.costs
    }

    pub(super) fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    /// Asks the journal on a blocking thread. A question whose future is dropped ends soon.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&View<'_>, &Tariffs) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, PublishError> {
        let wanted = Arc::new(AtomicBool::new(true));
        let guard = Unwanted(Arc::clone(&wanted));
        let costs = Arc::clone(&self.costs);
        let asked = spawn_blocking(move || {
            let is_wanted = || wanted.load(Relaxed);
            costs.read_while(&is_wanted, |view, tariffs| {
                // What the log has alone would look like a journal that begins today.
                match view.has_database() {
                    true => ask(view, tariffs),
                    false => Err(ReadError::Unavailable("its database is not open".to_owned())),
                }
            })
        });
        let answer = match asked.await {
            Ok(answer) => answer.map_err(|error| PublishError::Journal { reason: error.to_string() }),
            Err(panic) => Err(PublishError::Journal { reason: panic.to_string() }),
        };
        drop(guard);
        self.delivery.show_life();
        answer
    }
}

/// Ends a question that nobody waits for any more.
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

/// Hours of one series, which are read in pieces.
#[derive(Debug)]
pub struct HourRows {
    hours: Hours,
    /// `None` while it is read, and after an error.
    walk: Option<Walk>,
}

impl HourRows {
    /// Returns the next hours, in order, at most those of a few months; none at the end.
    ///
    /// # Errors
    /// Returns [`PublishError::Journal`], and again for each further call.
    ///
    /// # Cancel safety
    /// After the future was dropped, each further call fails: nobody knows where it would go on.
    pub async fn next(&mut self) -> Result<Vec<Hour>, PublishError> {
        let Some(mut walk) = self.walk.take() else {
            return Err(PublishError::Journal {
                reason: "these hours were not read to their end".to_owned(),
            });
        };
        let read = self.hours.read(move |view, tariffs| Ok((walk.next(view, tariffs)?, walk)));
        let (rows, walk) = read.await?;
        if let Some(counted) = walk.counted_to() {
            self.hours.remember(&walk.series, counted);
        }
        self.walk = Some(walk);
        Ok(rows)
    }
}

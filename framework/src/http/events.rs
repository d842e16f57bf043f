//! `/events`: server-sent events, one for each batch.

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream};
use tokio::sync::{Semaphore, broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;
use warp::{
    Reply as _,
    filters::BoxedFilter,
    http::StatusCode,
    reply::Response,
    sse::{self, Event},
};

use super::{ApiError, Limits, reply};
use crate::{Store, json, store::Snapshot};

/// Batches, as clients see them.
struct Events {
    store: Arc<Store>,
    keep_alive: Duration,
    slots: Arc<Semaphore>,
}

/// `/events`. All streams end with `stop`.
pub(super) fn routes(
    store: Arc<Store>,
    limits: &Limits,
    stop: CancellationToken,
) -> BoxedFilter<(Response,)> {
    let slots = Arc::new(Semaphore::new(limits.streams));
    let events = Arc::new(Events { store, keep_alive: limits.keep_alive, slots });
    reply::read_only("events", move |_| ready(events.answer(stop.clone())))
}

impl Events {
    fn answer(&self, stop: CancellationToken) -> Response {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let message = "too many event streams are open: close one, or poll /data";
            return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message).into();
        };
        // The slot is free again when the client's stream is dropped.
        let events = stream::unfold((self.store.subscribe(), slot), async |(mut batches, slot)| {
            let event = match batches.recv().await {
                Ok(snapshot) => event(&snapshot),
                Err(RecvError::Lagged(missed)) => {
                    Event::default().event("lagged").data(format!("{{\"missed\": {missed}}}"))
                }
                Err(RecvError::Closed) => return None,
            };
            Some((Ok::<_, Infallible>(event), (batches, slot)))
        });
        let events = events.take_until(stop.cancelled_owned());
        sse::reply(sse::keep_alive().interval(self.keep_alive).stream(events)).into_response()
    }
}

/// Returns a batch as an event.
fn event(snapshot: &Snapshot) -> Event {
    let mut data = b"{".to_vec();
    json::write(&mut data, &snapshot.section);
    data.extend_from_slice(b":{");
    data.extend_from_slice(snapshot.members());
    data.extend_from_slice(b"}}");
    Event::default().id(snapshot.number.to_string()).data(String::from_utf8_lossy(&data))
}

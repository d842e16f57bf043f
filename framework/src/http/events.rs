//! `/events`: server-sent events, one for each batch.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    stream::{self, Stream},
};
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore,
    broadcast::{Receiver, error::RecvError},
};
use tokio_util::sync::CancellationToken;
use warp::{
    Reply as _,
    filters::BoxedFilter,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use super::{ApiError, Limits, reply};
use crate::{Store, json, store::Snapshot};

/// The batches, as clients see them.
pub(super) struct Events {
    store: Arc<Store>,
    keep_alive: Duration,
    slots: Arc<Semaphore>,
}

/// `/events`. All streams end with `stop`.
pub(super) fn routes(events: &Arc<Events>, stop: CancellationToken) -> BoxedFilter<(Response,)> {
    let events = Arc::clone(events);
    reply::read_only("events", move |_| events.answer(stop.clone()))
}

/// One client's.
struct Reader {
    batches: Receiver<Arc<Snapshot>>,
    keep_alive: Duration,
    _slot: OwnedSemaphorePermit,
}

impl Events {
    pub(super) fn new(store: Arc<Store>, limits: &Limits) -> Self {
        Self { store, keep_alive: limits.keep_alive, slots: Arc::new(Semaphore::new(limits.streams)) }
    }

    fn answer(&self, stop: CancellationToken) -> Response {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            let message = "too many event streams are open already";
            return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message).into();
        };
        let reader = Reader { batches: self.store.subscribe(), keep_alive: self.keep_alive, _slot: slot };
        let events = reader.events().take_until(stop.cancelled_owned());
        let mut response = warp::reply::stream(events.map(Ok::<_, Infallible>)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }
}

impl Reader {
    fn events(self) -> impl Stream<Item = Vec<u8>> {
        stream::unfold(self, async |mut reader| {
            let event = match tokio::time::timeout(reader.keep_alive, reader.batches.recv()).await {
                Ok(Ok(snapshot)) => event(&snapshot),
                Ok(Err(RecvError::Lagged(missed))) => {
                    format!("event: lagged\ndata: {{\"missed\": {missed}}}\n\n").into_bytes()
                }
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => b":\n\n".to_vec(),
            };
            Some((event, reader))
        })
    }
}

/// A batch as an event. JSON has no raw line ends, so the data is one line.
fn event(snapshot: &Snapshot) -> Vec<u8> {
    let mut out = format!("id: {}\ndata: {{", snapshot.number).into_bytes();
    json::write_str(&mut out, &snapshot.section);
    out.extend_from_slice(b":{");
    out.extend_from_slice(snapshot.members());
    out.extend_from_slice(b"}}\n\n");
    out
}

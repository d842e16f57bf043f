//! `/events`: server-sent events, one for each batch.

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use warp::{
    Filter as _, Reply as _,
    filters::BoxedFilter,
    http::{HeaderValue, StatusCode},
    reply::Response,
    sse::{self, Event},
};

use super::{ApiError, Limits, Peer, connections::network, reply};
use crate::{Store, json, store::Snapshot};

/// Batches, as clients see them.
struct Events {
    store: Arc<Store>,
    keep_alive: Duration,
    streams: Streams,
}

/// `/events`. All streams end with `stop`.
pub(super) fn routes(
    store: Arc<Store>,
    limits: &Limits,
    stop: CancellationToken,
) -> BoxedFilter<(Response,)> {
    let streams = Streams { open: Arc::default(), limit: limits.streams };
    let events = Arc::new(Events { store, keep_alive: limits.keep_alive, streams });
    let answer = warp::ext::optional::<Peer>().map(move |peer| events.answer(peer, stop.child_token()));
    warp::path("events").and(warp::path::end()).and(reply::readable(answer.boxed())).boxed()
}

impl Events {
    fn answer(&self, peer: Option<Peer>, stop: CancellationToken) -> Response {
        let Some(slot) = self.streams.open(peer.map(|Peer(ip)| network(ip)), &stop) else {
            let message = "too many event streams are open: close one, or poll /data";
            return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", message).into();
        };
        // The slot is free again when the client's stream is dropped.
        let store = Arc::clone(&self.store);
        let readers = (store.subscribe(), store.replacements(), store, slot);
        let events = stream::unfold(readers, async |(mut batches, mut reloads, store, slot)| {
            let event = tokio::select! {
                batch = batches.recv() => match batch {
                    Ok(snapshot) => event(&snapshot),
                    Err(RecvError::Lagged(missed)) => {
                        Event::default().event("lagged").data(format!("{{\"missed\": {missed}}}"))
                    }
                    Err(RecvError::Closed) => return None,
                },
                Ok(()) = reloads.changed() => reloaded(&store),
            };
            Some((Ok::<_, Infallible>(event), (batches, reloads, store, slot)))
        });
        let events = events.take_until(stop.cancelled_owned());
        let mut response =
            sse::reply(sse::keep_alive().interval(self.keep_alive).stream(events)).into_response();
        // nginx would hold events back until its buffer is full.
        response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

/// Streams of a client that are more than a household's pages need at one place.
const SEVERAL: usize = 4;

/// Streams that are open, the oldest first, with their clients and what ends them.
type Open = Mutex<Vec<(Option<IpAddr>, CancellationToken)>>;

/// Places for event streams.
struct Streams {
    open: Arc<Open>,
    limit: usize,
}

/// Place of one stream.
struct Slot {
    open: Arc<Open>,
    stop: CancellationToken,
}

impl Streams {
    /// Takes a place for a stream that ends with `stop`. A client with a quarter of all places gives up its oldest one.
    /// Where all are taken, a client with more than the newcomer's gives up one, or the newcomer's if it has several.
    /// `None` if there is no such client.
    fn open(&self, client: Option<IpAddr>, stop: &CancellationToken) -> Option<Slot> {
        let mut open = lock(&self.open);
        let count = |client| open.iter().filter(|(other, _)| *other == client).count();
        let own = count(client);
        let leaver = if open.len() < self.limit {
            (own >= (self.limit / 4).max(SEVERAL)).then_some(client)
        } else {
            let (most, busiest) = open.iter().map(|(other, _)| (count(*other), *other)).max()?;
            let busiest = Some(busiest).filter(|_| most > own + 1);
            Some(busiest.or(Some(client).filter(|_| own >= SEVERAL))?)
        };
        if let Some(leaver) = leaver
            && let Some(oldest) = open.iter().position(|(other, _)| *other == leaver)
        {
            open.remove(oldest).1.cancel();
        }
        open.push((client, stop.clone()));
        Some(Slot { open: Arc::clone(&self.open), stop: stop.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Marked, so that it is found.
        self.stop.cancel();
        lock(&self.open).retain(|(_, stop)| !stop.is_cancelled());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A list is never left half changed, so poison means nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the news of a reload: the names of all sources that run now.
fn reloaded(store: &Store) -> Event {
    let mut data = b"{\"sources\":[".to_vec();
    for (n, section) in store.sections().iter().enumerate() {
        if n > 0 {
            data.push(b',');
        }
        json::write(&mut data, &section.name);
    }
    data.extend_from_slice(b"]}");
    Event::default().event("reload").data(String::from_utf8_lossy(&data))
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

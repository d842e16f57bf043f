//! `/data`: the newest readings.
//!
//! The whole document is encoded once for each state of the store, and shared by all readers. A node of it is encoded
//! for each request.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde_json::value::RawValue;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderValue, Method, Request, StatusCode, header},
    path::Tail,
    reply::Response,
};

use super::{ApiError, memory::Memory, reply};
use crate::{
    Store, json,
    latest::Latest,
    store::{Section, View},
    table::quoted,
};

/// Most names that the message about a missing one lists.
const LISTED: usize = 12;

/// Time for which a document is shown although there are newer readings, where clients hold the memory for another one.
const BRIEFLY: Duration = Duration::from_secs(1);

/// Readings, as clients see them.
pub(super) struct Data {
    store: Arc<Store>,
    /// Distinguishes the versions of this run from those of an earlier one.
    boot: String,
    document: Latest<Document>,
    memory: Memory,
}

/// All sources at one version of the store.
struct Document {
    version: u64,
    encoded: Instant,
    /// Time at which the next source turns stale.
    valid_until: Option<Instant>,
    body: Bytes,
    etag: HeaderValue,
}

/// `/data` and below.
pub(super) fn routes(data: &Arc<Data>) -> BoxedFilter<(Response,)> {
    let this = Arc::clone(data);
    let answer = warp::path::tail()
        .and(reply::known())
        .map(move |path: Tail, known: Option<String>| this.answer(path.as_str(), known.as_deref()));
    warp::path("data").and(reply::readable(answer.boxed())).boxed()
}

impl Data {
    pub(super) fn new(store: Arc<Store>, memory: Memory) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { store, boot: format!("{:x}", since_1970.as_micros()), document: Latest::default(), memory }
    }

    /// Answers a plain `GET /data`, the most frequent request by far. The filters would answer the same, at a tenth
    /// fewer requests per second.
    pub(super) fn shortcut<B>(&self, request: &Request<B>) -> Option<Response> {
        if request.method() != Method::GET || request.uri().path() != "/data" {
            return None;
        }
        let known = request.headers().get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
        Some(self.whole(known))
    }

    fn whole(&self, known: Option<&str>) -> Response {
        match self.document() {
            Some(document) => reply::versioned(document.body.clone(), &document.etag, known),
            None => ApiError::unread().into(),
        }
    }

    /// Returns the whole document as of now; `None` while clients that do not read hold all memory for it.
    fn document(&self) -> Option<Arc<Document>> {
        let now = Instant::now();
        // Read before the batches: a version that is too old only costs another encoding.
        let version = self.store.version();
        if let Some(document) = self.document.get()
            && document.version == version
            && document.valid_until.is_none_or(|end| now < end)
        {
            return Some(document);
        }
        let mut document = self.encode(version, now);
        match self.memory.take(document.body.len()) {
            Ok(None) => {}
            Ok(Some(held)) => document.body = held.with(document.body),
            // The last one is as good for a moment.
            Err(()) => return self.document.get().filter(|last| now < last.encoded + BRIEFLY),
        }
        let document = Arc::new(document);
        self.document.set(Arc::clone(&document));
        Some(document)
    }

    fn encode(&self, version: u64, now: Instant) -> Document {
        let mut body = vec![b'{'];
        let (mut stale, mut valid_until) = (0, None);
        for section in &*self.store.sections() {
            let Some(view) = section.view(now) else { continue };
            if view.stale {
                stale += 1;
            } else {
                valid_until = Some(valid_until.map_or(view.stale_from, |end| view.stale_from.min(end)));
            }
            if body.len() > 1 {
                body.push(b',');
            }
            json::write(&mut body, &section.name);
            body.push(b':');
            view.write_to(&mut body);
        }
        body.push(b'}');
        // Within one version sources only turn stale, so their number identifies the state.
        Document { version, encoded: now, valid_until, body: body.into(), etag: self.etag(version, stale) }
    }

    fn answer(&self, path: &str, known: Option<&str>) -> Response {
        if path.is_empty() {
            return self.whole(known);
        }
        self.node(path, known).unwrap_or_else(Response::from)
    }

    /// Returns one node: a source, a reading, or a member of one.
    fn node(&self, path: &str, known: Option<&str>) -> Result<Response, ApiError> {
        let segments = reply::segments(path)?;
        let Some((name, below)) = segments.split_first() else {
            return Err(ApiError::not_found("ask for /data"));
        };
        let section = self.store.section(name).ok_or_else(|| {
            let sections = self.store.sections();
            missing("section", name, "/data", sections.iter().map(|section| &*section.name))
        })?;
        let view = section.view(Instant::now()).ok_or_else(|| no_reading_yet(&section))?;
        let mut body = Vec::new();
        write_node(&mut body, &view, below)?;
        let etag = self.etag(view.snapshot.number, u32::from(view.stale));
        Ok(reply::versioned(body.into(), &etag, known))
    }

    fn etag(&self, version: u64, stale: u32) -> HeaderValue {
        let stale = if stale == 0 { String::new() } else { format!("-s{stale}") };
        let etag = format!("\"{}-{version}{stale}\"", self.boot);
        // Shared, so that the copy in each answer costs a reference count instead of an allocation.
        HeaderValue::from_maybe_shared(Bytes::from(etag)).expect("letters, digits, dashes and quotes")
    }
}

/// Appends the node at `names` of a source.
fn write_node(out: &mut Vec<u8>, view: &View, names: &[Cow<'_, str>]) -> Result<(), ApiError> {
    let batch = &view.snapshot.batch;
    let section = &view.snapshot.section;
    match names {
        [] => view.write_to(out),
        [name] if name == "timestampUTC" => json::write(out, &json::timestamp(batch.taken_at)),
        [name] if name == "stale" => out.extend_from_slice(if view.stale { b"true" } else { b"false" }),
        [name, below @ ..] => {
            let reading = batch.get(name).ok_or_else(|| {
                let names = batch.readings.iter().map(|reading| &*reading.name);
                missing("reading", name, &format!("/data/{section}"), names)
            })?;
            let start = out.len();
            json::write(out, reading);
            if !below.is_empty() {
                let object = out.split_off(start);
                // A reading without an OBIS code is not an object, and has no members.
                let members: BTreeMap<&str, &RawValue> = serde_json::from_slice(&object).unwrap_or_default();
                let member = below.join("/");
                let found = members.get(&*member).ok_or_else(|| {
                    let names = members.keys().copied();
                    missing("member", &member, &format!("/data/{section}/{name}"), names)
                })?;
                out.extend_from_slice(found.get().as_bytes());
            }
        }
    }
    Ok(())
}

/// Returns a 404 that lists the names that are there, if they are few.
fn missing<'a>(
    what: &str,
    name: &str,
    parent: &str,
    there: impl ExactSizeIterator<Item = &'a str>,
) -> ApiError {
    let there = match there.len() {
        0 => format!("{parent} has none"),
        1..=LISTED => format!("{parent} has {}", quoted(there)),
        _ => format!("see {parent}"),
    };
    ApiError::not_found(format!("no {what} `{name}`: {there}"))
}

fn no_reading_yet(section: &Section) -> ApiError {
    let mut message = format!("`{}` has no reading yet", section.name);
    if let Some(error) = section.health.status.last_error() {
        message.push_str(": ");
        message.push_str(&error.message);
    }
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_reading_yet", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batch, Context, Decimal, Reading};

    fn store(stale_after: Duration) -> Arc<Store> {
        let section = |name| Section::new(name, "test", stale_after, Context::new(name, "").stats().clone());
        let store = Store::new([section("a"), section("b")]);
        for section in &*store.sections() {
            store.publish(section, Batch::now(vec![Reading::number("x", Decimal::from(1))]));
        }
        store
    }

    #[test]
    fn a_document_is_encoded_once_for_each_version() {
        let store = store(Duration::from_secs(3600));
        let data = Data::new(Arc::clone(&store), Memory::default());
        let first = data.document().unwrap();
        assert!(Arc::ptr_eq(&first, &data.document().unwrap()));
        store.publish(&store.sections()[0], Batch::now(vec![]));
        let second = data.document().unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert_ne!(first.etag, second.etag);
        assert!(Arc::ptr_eq(&second, &data.document().unwrap()));
    }

    #[test]
    fn a_document_ends_when_a_section_turns_stale() {
        let before = Instant::now();
        let data = Data::new(store(Duration::from_millis(100)), Memory::default());
        let fresh = data.encode(2, before);
        assert!(!fresh.body.ends_with(b"\"stale\":true}}"));
        // The fresh document is kept now, unless this machine is very slow.
        data.document().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while data.document().unwrap().etag == fresh.etag {
            assert!(Instant::now() < deadline, "the fresh document is still there");
            std::thread::sleep(Duration::from_millis(5));
        }
        let stale = data.encode(2, before + Duration::from_secs(3600));
        assert!(stale.body.ends_with(b"\"stale\":true}}"));
        assert_eq!(stale.valid_until, None);
        assert!(stale.etag.as_bytes().ends_with(b"-2-s2\""), "{:?}", stale.etag);
    }

    #[test]
    fn a_restart_makes_all_versions_new() {
        let store = store(Duration::from_secs(3600));
        let before = Data::new(Arc::clone(&store), Memory::default());
        // The clock that distinguishes them ticks in microseconds.
        let now = SystemTime::now();
        while now.elapsed().is_ok_and(|passed| passed.as_micros() < 2) {}
        let after = Data::new(store, Memory::default());
        assert_eq!(before.document().unwrap().body, after.document().unwrap().body);
        assert_ne!(before.document().unwrap().etag, after.document().unwrap().etag);
    }
}

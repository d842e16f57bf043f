//! `/health`: how each instance fares, for people and for monitoring.

use std::{sync::Arc, time::Instant};

use serde::{Serialize, Serializer};
use warp::{Filter, filters::BoxedFilter, http::StatusCode, reply::Response};

use super::reply;
use crate::{
    Store, Timestamp,
    journal::{Journal, Status},
    json::timestamp,
    store::{Section, State},
};

/// Where the report comes from.
pub(super) struct Report {
    store: Arc<Store>,
    journal: Journal,
    simulated: bool,
    started: String,
    running: Instant,
}

/// `/health`.
pub(super) fn routes(report: &Arc<Report>) -> BoxedFilter<(Response,)> {
    let report = Arc::clone(report);
    let answer = reply::read().map(move || report.answer());
    let answer = answer.or(reply::other_methods(reply::READ)).unify().map(reply::readable_anywhere);
    warp::path("health").and(warp::path::end()).and(answer).boxed()
}

#[derive(Serialize)]
struct Body<'a> {
    status: &'static str,
    simulated: bool,
    version: &'static str,
    started: &'a str,
    uptime_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Kept>,
    instances: Members<&'a str, Instance>,
}

/// How the journal fares.
#[derive(Serialize)]
struct Kept {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<String>,
}

impl From<Status> for Kept {
    fn from(status: Status) -> Self {
        let state = match (status.open, &status.trouble) {
            (_, Some(_)) => "troubled",
            (true, None) => "recording",
            (false, None) => "opening",
        };
        Self { state, trouble: status.trouble, notice: status.notice, clock: status.clock }
    }
}

#[derive(Serialize)]
struct Instance {
    plugin: &'static str,
    state: &'static str,
    last_success: Option<String>,
    last_error: Option<Fault>,
    counts: Members<&'static str, u64>,
    facts: Members<&'static str, String>,
}

#[derive(Serialize)]
struct Fault {
    at: String,
    message: String,
}

/// A JSON object whose members keep their order.
struct Members<K, V>(Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Members<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Report {
    pub(super) fn new(store: Arc<Store>, journal: Journal, simulated: bool) -> Self {
        Self { store, journal, simulated, started: timestamp(Timestamp::now()), running: Instant::now() }
    }

    fn answer(&self) -> Response {
        let now = Instant::now();
        let instances = self.store.sections().iter();
        let instances: Vec<_> = instances.map(|section| (&*section.name, instance(section, now))).collect();
        let ok = instances.iter().all(|(_, instance)| instance.state == State::Delivering.as_str());
        let body = Body {
            status: if ok { "ok" } else { "degraded" },
            simulated: self.simulated,
            version: env!("CARGO_PKG_VERSION"),
            started: &self.started,
            uptime_seconds: now.saturating_duration_since(self.running).as_secs(),
            journal: self.journal.status().map(Kept::from),
            instances: Members(instances),
        };
        let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        reply::json(status, serde_json::to_vec(&body).expect("strings and numbers only"))
    }
}

fn instance(section: &Section, now: Instant) -> Instance {
    let health = &section.health;
    let mut counts = vec![
        ("batches", health.batches.get()),
        ("thinned", health.thinned.get()),
        ("malformed", health.malformed.get()),
        ("reopened", health.reopened.get()),
        ("panics", health.panics.get()),
    ];
    counts.extend(health.stats.counters());
    let facts = health.stats.facts().into_iter();
    Instance {
        plugin: section.plugin,
        state: state(section, now),
        last_success: health.last_success().map(timestamp),
        last_error: health
            .last_error()
            .map(|error| Fault { at: timestamp(error.0), message: error.1.clone() }),
        counts: Members(counts),
        facts: Members(facts.map(|(name, fact)| (name, fact.to_string())).collect()),
    }
}

/// The word for its state; an instance that should deliver but has been silent is `stale`.
fn state(section: &Section, now: Instant) -> &'static str {
    match (section.health.state(), section.view(now)) {
        (State::Delivering, Some(view)) if view.stale => "stale",
        (state, _) => state.as_str(),
    }
}

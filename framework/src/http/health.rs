//! `/health`: status of sources, publishers, endpoints, the journal and its backups, for people and for monitoring.

use std::{
    future::ready,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use serde::Serialize;
use warp::{
    Filter as _,
    filters::BoxedFilter,
    http::{HeaderMap, StatusCode},
    reply::Response,
};

use super::{Members, access::Access, reply};
use crate::{
    Counter, FaultCode, KnownRole, LOG_LINES_DROPPED, SourceRole, Store, Text, Timestamp,
    journal::{Journal, Status},
    json::timestamp,
    nightly::{BackupState, BackupStatus},
    publish::Delivery,
    roster::Roster,
    serving::EndpointStatus,
    store::{Section, State, WorkerStatus},
};

/// Query that asks for status 200, however degraded the program is.
const ALWAYS: &str = "code=200";

/// Everything that `/health` and `/metrics` are made of.
pub(super) struct Report {
    pub(super) store: Arc<Store>,
    pub(super) journal: Journal,
    pub(super) roster: Arc<Roster>,
    simulated: bool,
    pub(super) started: Timestamp,
    running: Instant,
}

/// `/health`.
pub(super) fn routes(report: &Arc<Report>, access: &Arc<Access>) -> BoxedFilter<(Response,)> {
    let (report, access) = (Arc::clone(report), Arc::clone(access));
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let request = query.and(warp::ext::optional::<Stranger>()).and(warp::header::headers_cloned());
    let answer = request.then(move |query: String, stranger: Option<Stranger>, headers: HeaderMap| {
        let has_session = access.has_session(&headers);
        ready(report.answer(&query, stranger.is_some(), has_session))
    });
    warp::path("health").and(warp::path::end()).and(reply::readable(answer.boxed())).boxed()
}

/// Mark of a request without the token that it needs. A monitor still learns whether all is well, and nothing else.
#[derive(Clone, Copy)]
pub(super) struct Stranger;

#[derive(Serialize)]
pub(super) struct Body {
    status: &'static str,
    /// Name of the household.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Text>,
    simulated: bool,
    version: &'static str,
    started: String,
    uptime_seconds: u64,
    /// Whether the browser that asks has logged in, and can log out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    session: bool,
    /// Lines that could not be written, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_lines_dropped: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<JournalHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<BackupHealth>,
    sources: Members<Text, PluginHealth>,
    publishers: Members<Text, PluginHealth>,
    endpoints: Members<Text, PluginHealth>,
}

/// Status of the journal.
#[derive(Serialize)]
struct JournalHealth {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<String>,
}

impl From<Status> for JournalHealth {
    fn from(status: Status) -> Self {
        let state = match (status.open, &status.problem) {
            (_, Some(_)) => "degraded",
            (true, None) => "recording",
            (false, None) => "opening",
        };
        Self { state, problem: status.problem, notice: status.notice, clock: status.clock }
    }
}

/// Status of the backups.
#[derive(Serialize)]
struct BackupHealth {
    state: BackupState,
    /// Folder of the files.
    to: String,
    /// Time at which the newest good one began.
    last_success: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    /// Time of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem_code: Option<FaultCode>,
    /// Time of the last failure, unless a good backup followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl BackupHealth {
    fn of(status: BackupStatus, now: Timestamp) -> Self {
        let (problem_code, problem) = status.problem(now).unzip();
        Self {
            state: status.state(now),
            to: status.folder.display().to_string(),
            last_success: status.last.as_ref().map(|good| timestamp(good.at())),
            size_bytes: status.last.as_ref().map(|good| good.size),
            next: status.next.map(timestamp),
            failed: status.failed_at().map(timestamp),
            file: status.last.map(|good| good.file),
            problem,
            problem_code: problem_code.flatten(),
        }
    }
}

/// Status of a source, publisher or endpoint.
#[derive(Serialize)]
struct PluginHealth {
    plugin: &'static str,
    state: &'static str,
    /// Only a source has them.
    #[serde(flatten)]
    of_source: OfSource,
    /// Only a publisher of records has it.
    #[serde(flatten)]
    waiting: Option<Waiting>,
    /// Only a publisher of history has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_to: Option<Option<String>>,
    /// What a person must look at although it delivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem_code: Option<FaultCode>,
    last_success: Option<String>,
    last_error: Option<Fault>,
    counts: Members<&'static str, u64>,
    facts: Members<&'static str, String>,
}

/// What is known of a source's place in the household.
#[derive(Default, Serialize)]
struct OfSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<SourceRole>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    role_guessed: bool,
}

/// Records that wait for a publisher.
#[derive(Serialize)]
struct Waiting {
    /// Batches.
    backlog: u64,
    oldest: Option<String>,
}

#[derive(Serialize)]
struct Fault {
    at: String,
    code: FaultCode,
    message: String,
}

impl Report {
    pub(super) fn new(store: Arc<Store>, journal: Journal, roster: Arc<Roster>, simulated: bool) -> Self {
        let (started, running) = (Timestamp::now(), Instant::now());
        Self { store, journal, roster, simulated, started, running }
    }

    fn answer(&self, query: &str, is_stranger: bool, has_session: bool) -> Response {
        let body = Body { session: has_session, ..self.body(Instant::now()) };
        // Browsers log any status but 200 as an error of the page.
        let is_ok = body.status == "ok" || query == ALWAYS;
        let status = if is_ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match is_stranger {
            true => reply::serialized(status, &Members(vec![("status", body.status)])),
            false => reply::serialized(status, &body),
        }
    }

    pub(super) fn body(&self, now: Instant) -> Body {
        let sections = self.store.roles();
        let (publishers, endpoints) = (self.roster.publishers(), self.roster.endpoints());
        let sources: Vec<_> = sections
            .iter()
            .map(|(section, role)| (section.name.clone(), source(section, *role, now)))
            .collect();
        let backup = self.roster.backup().map(|status| BackupHealth::of(status, Timestamp::now()));
        let ok = sources.iter().all(|(_, source)| is_healthy(source.state) && source.problem.is_none())
            && publishers.iter().all(|delivery| is_well(delivery))
            && endpoints.iter().all(|endpoint| endpoint.status.state() == State::Delivering)
            && self.journal.status().is_none_or(|journal| journal.problem.is_none())
            && backup.as_ref().is_none_or(|backup| backup.problem.is_none());
        let endpoints = endpoints.iter().map(|status| (status.name.clone(), endpoint(status)));
        let publishers = publishers.iter().map(|delivery| (delivery.name.clone(), publisher(delivery)));
        Body {
            name: self.roster.household(),
            status: if ok { "ok" } else { "degraded" },
            simulated: self.simulated,
            session: false,
            version: env!("CARGO_PKG_VERSION"),
            started: timestamp(self.started),
            uptime_seconds: now.saturating_duration_since(self.running).as_secs(),
            log_lines_dropped: Some(LOG_LINES_DROPPED.load(Relaxed)).filter(|&count| count > 0),
            journal: self.journal.status().map(JournalHealth::from),
            backup,
            sources: Members(sources),
            publishers: Members(publishers.collect()),
            endpoints: Members(endpoints.collect()),
        }
    }
}

fn source(section: &Section, role: Option<KnownRole>, now: Instant) -> PluginHealth {
    let health = &section.health;
    let counts = [
        ("batches", &health.batches),
        ("superseded", &health.superseded),
        ("malformed", &health.malformed),
        ("reopened", &health.reopened),
    ];
    let mut shown = PluginHealth::new(section.plugin, state(section, now), None, &health.status, &counts);
    let rare = [("braked", &health.braked), ("left_out", &health.left_out), ("redated", &health.redated)];
    shown
        .counts
        .0
        .extend(rare.map(|(name, count)| (name, count.get())).into_iter().filter(|(_, count)| *count > 0));
    shown.of_source = OfSource {
        label: section.labels().source.label.clone(),
        role: role.map(|known| known.role),
        role_guessed: role.is_some_and(|known| known.guessed),
    };
    if shown.problem.is_none() {
        (shown.problem_code, shown.problem) = section.problem(now).unzip();
    }
    shown
}

fn publisher(delivery: &Delivery) -> PluginHealth {
    let state = delivery.state().as_str();
    if let Some(delivered_to) = delivery.delivered_to() {
        let counts = [("records", &delivery.records), ("failures", &delivery.failures)];
        let shown = PluginHealth::new(delivery.plugin, state, None, &delivery.status, &counts);
        return PluginHealth { delivered_to: Some(delivered_to.map(timestamp)), ..shown };
    }
    let counts = [
        ("records", &delivery.records),
        ("failures", &delivery.failures),
        ("refused", &delivery.refused),
        ("expired", &delivery.expired),
    ];
    let oldest = delivery.oldest().map(timestamp);
    let waiting = Waiting { backlog: delivery.backlog(), oldest };
    PluginHealth::new(delivery.plugin, state, Some(waiting), &delivery.status, &counts)
}

fn endpoint(endpoint: &EndpointStatus) -> PluginHealth {
    let status = &endpoint.status;
    let mut shown = PluginHealth::new(endpoint.plugin, status.state().as_str(), None, status, &[]);
    shown.facts.0.insert(0, ("listen", endpoint.address.to_string()));
    shown
}

impl PluginHealth {
    fn new(
        plugin: &'static str,
        state: &'static str,
        waiting: Option<Waiting>,
        status: &WorkerStatus,
        counts: &[(&'static str, &Counter)],
    ) -> Self {
        let counts = counts.iter().map(|(name, count)| (*name, count.get()));
        let counts = counts.chain([("panics", status.panics.get())]);
        let facts = status.stats.facts().into_iter().map(|(name, fact)| (name, fact.to_string()));
        Self {
            plugin,
            state,
            of_source: OfSource::default(),
            waiting,
            delivered_to: None,
            problem: status.stats.problem().map(|problem| problem.to_string()),
            problem_code: status.stats.problem_code(),
            last_success: status.last_success().map(timestamp),
            last_error: status.last_error().map(|error| Fault {
                at: timestamp(error.at),
                code: error.code,
                message: error.message.clone(),
            }),
            counts: Members(counts.chain(status.stats.counters()).collect()),
            facts: Members(facts.collect()),
        }
    }
}

/// Returns whether batches arrive and the newest is not stale, or the first turn is still to come.
pub(crate) fn is_delivering(section: &Section, now: Instant) -> bool {
    is_healthy(state(section, now))
}

/// Returns whether a source in this state needs nobody.
pub(crate) fn is_healthy(state: &str) -> bool {
    [State::Delivering, State::Scheduled].iter().any(|healthy| healthy.as_str() == state)
}

/// Returns whether records arrive, or there was none to deliver yet.
pub(crate) fn is_well(delivery: &Delivery) -> bool {
    match delivery.state() {
        State::Delivering => true,
        State::Starting | State::Scheduled => delivery.backlog() == 0,
        State::Waiting | State::Failed | State::Stopped => false,
    }
}

/// Returns the word for its state; a source that should deliver but has been silent is `stale`.
pub(crate) fn state(section: &Section, now: Instant) -> &'static str {
    match section.health.status.state() {
        State::Delivering if section.is_stale(now) => "stale",
        state => state.as_str(),
    }
}

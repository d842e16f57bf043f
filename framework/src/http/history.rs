//! `/history` and `/series`: recorded readings.
//!
//! The journal is read on threads that may block, a few at a time, so that no query holds up `/data`.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use tokio::sync::Semaphore;
use warp::{Filter, filters::BoxedFilter, http::StatusCode, path::Tail, reply::Response};

use super::{
    ApiError,
    columns::{self, Answer, Format},
    reply,
};
use crate::{
    Store, Timestamp,
    journal::{Journal, Micros, Per, ReadError, Step, View, parse_time},
    table::quoted,
};

/// Queries that run at the same time; others wait.
const AT_ONCE: usize = 4;
const PARAMETERS: [&str; 6] = ["from", "to", "step", "per", "format", "unit"];

/// Journal, as clients see it.
pub(super) struct History {
    journal: Journal,
    store: Arc<Store>,
    turns: Arc<Semaphore>,
}

/// `/history/<source>/<name>` and `/series`.
pub(super) fn routes(history: &Arc<History>) -> BoxedFilter<(Response,)> {
    let this = Arc::clone(history);
    let series = reply::read().then(move || {
        let this = Arc::clone(&this);
        async move {
            let store = Arc::clone(&this.store);
            this.answer(move |view| series(view, &store)).await
        }
    });
    let series = series.or(reply::other_methods(reply::READ)).unify();
    let series = warp::path("series").and(warp::path::end()).and(series);

    let this = Arc::clone(history);
    let query = warp::query::<Vec<(String, String)>>();
    let node = warp::path::tail().and(reply::read()).and(query).then(move |path: Tail, query| {
        let this = Arc::clone(&this);
        async move {
            match Question::parse(path.as_str(), query) {
                Ok(question) => this.answer(move |view| question.answer(view)).await,
                Err(error) => error.into(),
            }
        }
    });
    let node = warp::path("history").and(node.or(reply::other_methods(reply::READ)).unify());
    series.or(node).unify().map(reply::readable_anywhere).boxed()
}

impl History {
    pub(super) fn new(journal: Journal, store: Arc<Store>) -> Self {
        Self { journal, store, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Answers with the result of `ask`.
    pub(super) async fn answer(
        &self,
        ask: impl FnOnce(&View<'_>) -> Result<(Format, Bytes), ReadError> + Send + 'static,
    ) -> Response {
        let journal = self.journal.clone();
        let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
            return unavailable("the program is shutting down").into();
        };
        let answer = tokio::task::spawn_blocking(move || {
            let answer = journal.read(ask);
            // Released here, because a query goes on after its client has gone.
            drop(turn);
            answer
        });
        match answer.await {
            Ok(Ok((format, body))) => format.reply(body),
            Ok(Err(error)) => ApiError::from(error).into(),
            Err(_) => failed("the query failed: see the log").into(),
        }
    }
}

fn unavailable(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "journal_unavailable", message)
}

fn failed(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "journal_failed", message)
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound(message) => Self::not_found(message),
            ReadError::BadRequest(message) => Self::bad_request(message),
            ReadError::Unavailable(message) => unavailable(message),
            ReadError::Sqlite(error) => failed(format!("could not read the journal: {error}")),
        }
    }
}

/// Returns all series, and the time since when every reading is kept.
///
/// The newest reading tells more of a series than the journal, which keeps the short form of its code.
fn series(view: &View<'_>, store: &Store) -> Result<(Format, Bytes), ReadError> {
    let mut all = view.series()?;
    for listed in &mut all {
        let name = &listed.name;
        let newest = store.section(&name.section).and_then(|section| section.view(Instant::now()));
        let reading = newest.as_ref().and_then(|newest| newest.snapshot.batch.get(&name.name));
        if let Some(reading) =
            reading.filter(|reading| reading.unit.as_deref().unwrap_or_default() == name.unit)
        {
            listed.meaning = reading.meaning();
        }
    }
    Ok((Format::Json, columns::series(&all, view.raw_from()?)))
}

/// Query for one series.
#[derive(Debug, Default)]
struct Question {
    section: String,
    name: String,
    from: Option<String>,
    to: Option<String>,
    step: Option<Step>,
    per: Option<Per>,
    format: Format,
    unit: Option<String>,
}

impl Question {
    fn parse(path: &str, query: Vec<(String, String)>) -> Result<Self, ApiError> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let names = path.split('/').map(|name| percent_decode_str(name).decode_utf8());
        let names: Vec<_> =
            names.collect::<Result<_, _>>().map_err(|_| ApiError::not_found("the path is not UTF-8"))?;
        let [section, name] = &names[..] else {
            return Err(ApiError::not_found("expected /history/<source>/<name>: see /series"));
        };
        let mut question = Self { section: section.to_string(), name: name.to_string(), ..Self::default() };
        let mut seen = Vec::new();
        for (key, value) in query {
            let Some(known) = PARAMETERS.into_iter().find(|known| *known == key) else {
                let known = quoted(PARAMETERS);
                return Err(ApiError::bad_request(format!("unknown parameter `{key}`: expected {known}")));
            };
            if seen.contains(&known) {
                return Err(ApiError::bad_request(format!("duplicate parameter `{known}`")));
            }
            seen.push(known);
            question.take(known, value)?;
        }
        if question.per.is_some() && question.step.is_some() {
            let message = "`step` (readings) and `per` (consumption) exclude each other";
            return Err(ApiError::bad_request(message));
        }
        Ok(question)
    }

    fn take(&mut self, key: &str, value: String) -> Result<(), ApiError> {
        match key {
            "from" => self.from = Some(value),
            "to" => self.to = Some(value),
            "unit" => self.unit = Some(value),
            "step" => self.step = Some(one_of(key, &value, Step::named(&value), Step::words())?),
            "per" => {
                let per = Per::ALL.into_iter().find(|per| per.word() == value);
                self.per = Some(one_of(key, &value, per, Per::ALL.map(Per::word))?);
            }
            _ => self.format = one_of(key, &value, Format::named(&value), ["json", "csv"])?,
        }
        Ok(())
    }

    fn answer(self, view: &View<'_>) -> Result<(Format, Bytes), ReadError> {
        let now = Timestamp::now().to_zoned(view.zone.clone());
        let read = |key: &str, text: Option<&str>, default: &str| -> Result<Micros, ReadError> {
            let moment = parse_time(text.unwrap_or(default), &now);
            moment
                .map(Timestamp::as_microsecond)
                .map_err(|error| ReadError::BadRequest(format!("`{key}`: {error}")))
        };
        let from = read("from", self.from.as_deref(), "-24h")?;
        let to = read("to", self.to.as_deref(), "now")?;
        let series = view.find(&self.section, &self.name, self.unit.as_deref())?;
        let answer = Answer { name: &series.name, obis: series.obis(), from, to };
        let body = match self.per {
            Some(per) => answer.consumption(self.format, per, view.zone, &series.consumption(from, to, per)?),
            None => answer.history(self.format, &series.history(from, to, self.step)?),
        };
        Ok((self.format, body))
    }
}

/// Returns the parsed word, or an error that lists the valid ones.
fn one_of<T>(
    key: &str,
    value: &str,
    found: Option<T>,
    words: impl IntoIterator<Item = &'static str>,
) -> Result<T, ApiError> {
    found.ok_or_else(|| ApiError::bad_request(format!("`{key}` is `{value}`: expected {}", quoted(words))))
}

//! `/history` and `/series`: recorded readings.
//!
//! The journal is read on threads that may block, a few at a time, so that no query holds up `/data`.

use std::{net::Ipv4Addr, sync::Arc};

use warp::{Filter, filters::BoxedFilter, http::StatusCode, path::Tail, reply::Response};

use super::{
    ApiError, Peer,
    chunks::{self, Chunks},
    columns::{self, Format, Head},
    connections::network,
    parameters::{Day, Parameters, moment},
    reply,
    turns::Turns,
};
use crate::{
    Costs, Store, Tariffs, costs,
    journal::{Per, ReadError, Step, View},
    listed::listed,
};

const PARAMETERS: [&str; 7] = ["from", "to", "step", "per", "cost", "format", "unit"];

/// Journal, as clients see it.
pub(super) struct History {
    costs: Arc<Costs>,
    store: Arc<Store>,
    turns: Turns,
}

/// What answers need beside the journal.
pub(super) struct Known {
    pub(super) store: Arc<Store>,
    pub(super) tariffs: Arc<Tariffs>,
}

/// Parameters of a request.
pub(super) type Query = Vec<(String, String)>;

/// `/history/<source>/<name>` and `/series`.
pub(super) fn routes(history: &Arc<History>) -> BoxedFilter<(Response,)> {
    let series = history.route("series", |_| Ok(()), |(), view, out, known| series(view, out, &known.store));
    let this = Arc::clone(history);
    let peer = warp::ext::optional::<Peer>();
    let node =
        warp::path::tail().and(peer).and(warp::query::<Query>()).then(move |path: Tail, peer, query| {
            let this = Arc::clone(&this);
            async move {
                match Question::parse(path.as_str(), query) {
                    Ok(question) => {
                        let (format, tariffs) = (question.format, this.costs.tariffs());
                        this.answer(peer, format, move |view, out| question.answer(view, &tariffs, out)).await
                    }
                    Err(error) => error.into(),
                }
            }
        });
    series.or(warp::path("history").and(reply::readable(node.boxed()))).unify().boxed()
}

impl History {
    pub(super) fn new(costs: Arc<Costs>, store: Arc<Store>) -> Self {
        Self { costs, store, turns: Turns::default() }
    }

    /// Returns the costs.
    pub(super) fn costs(&self) -> &Arc<Costs> {
        &self.costs
    }

    /// Returns the route of a path with one word: `parse` makes a question of the parameters, and `answer` writes what
    /// the journal answers, when it is the client's turn.
    pub(super) fn route<Q: Send + 'static>(
        self: &Arc<Self>,
        path: &'static str,
        parse: fn(Query) -> Result<Q, ApiError>,
        answer: impl Fn(Q, &View<'_>, &mut Chunks, &Known) -> Result<(), ReadError>
        + Clone
        + Send
        + Sync
        + 'static,
    ) -> BoxedFilter<(Response,)> {
        let this = Arc::clone(self);
        let peer = warp::ext::optional::<Peer>();
        let handler = peer.and(warp::query::<Query>()).then(move |peer, query| {
            let (this, answer) = (Arc::clone(&this), answer.clone());
            async move {
                match parse(query) {
                    Ok(question) => {
                        let known = Known { store: Arc::clone(&this.store), tariffs: this.costs.tariffs() };
                        let ask =
                            move |view: &View<'_>, out: &mut Chunks| answer(question, view, out, &known);
                        this.answer(peer, Format::Json, ask).await
                    }
                    Err(error) => error.into(),
                }
            }
        });
        warp::path(path).and(warp::path::end()).and(reply::readable(handler.boxed())).boxed()
    }

    /// Answers with what `ask` writes.
    pub(super) async fn answer(
        &self,
        peer: Option<Peer>,
        format: Format,
        ask: impl FnOnce(&View<'_>, &mut Chunks) -> Result<(), ReadError> + Send + 'static,
    ) -> Response {
        let journal = self.costs.journal.clone();
        let client = peer.map_or(Ipv4Addr::UNSPECIFIED.into(), |Peer(ip)| network(ip));
        match self.turns.next(client).await {
            Ok(turn) => {
                let write = move |out: &mut Chunks| {
                    let is_wanted = out.is_wanted();
                    journal.read_while(&is_wanted, |view| ask(view, out))
                };
                chunks::answer(turn, format, write).await
            }
            Err(busy) => busy.into(),
        }
    }
}

fn unavailable(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "journal_unavailable", message)
}

pub(super) fn failed(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "journal_failed", message)
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound(message) => Self::not_found(message),
            ReadError::BadRequest(message) => Self::bad_request(message),
            ReadError::Unavailable(message) => unavailable(message),
            error @ ReadError::Unwanted => unavailable(error.to_string()),
            ReadError::Sqlite(error) => failed(format!("could not read the journal: {error}")),
        }
    }
}

/// Returns all series, and the time since when every reading is kept.
fn series(view: &View<'_>, out: &mut Chunks, store: &Store) -> Result<(), ReadError> {
    columns::series(out, &listed(view, store)?, store, view.raw_from()?);
    Ok(())
}

/// Query for one series.
#[derive(Debug)]
struct Question {
    section: String,
    name: String,
    from: Option<String>,
    to: Option<String>,
    step: Option<Step>,
    per: Option<Per>,
    cost: bool,
    format: Format,
    unit: Option<String>,
}

impl Question {
    fn parse(path: &str, query: Vec<(String, String)>) -> Result<Self, ApiError> {
        let names = reply::segments(path)?;
        let [section, name] = &names[..] else {
            return Err(ApiError::not_found("expected /history/<source>/<name>: see /series"));
        };
        let mut given = Parameters::parse(query, &PARAMETERS)?;
        let per = |word: &str| Per::ALL.into_iter().find(|per| per.word() == word);
        let question = Self {
            section: section.to_string(),
            name: name.to_string(),
            step: given.one_of("step", Step::named, Step::words())?,
            per: given.one_of("per", per, Per::ALL.map(Per::word))?,
            cost: given.one_of("cost", |word| word.parse().ok(), ["true", "false"])?.unwrap_or(false),
            format: given.one_of("format", Format::named, ["json", "csv"])?.unwrap_or_default(),
            from: given.take("from"),
            to: given.take("to"),
            unit: given.take("unit"),
        };
        if question.per.is_some() && question.step.is_some() {
            let message = "`step` (readings) and `per` (consumption) exclude each other";
            return Err(ApiError::bad_request(message));
        }
        if question.cost && question.per.is_none() {
            return Err(ApiError::bad_request("`cost=true` needs periods: add `per=day` or another `per`"));
        }
        Ok(question)
    }

    fn answer(self, view: &View<'_>, tariffs: &Tariffs, out: &mut Chunks) -> Result<(), ReadError> {
        let read = |key, text: Option<String>, default| {
            moment(view, key, text.as_deref().unwrap_or(default), Day::Begin)
        };
        let (from, to) = (read("from", self.from, "-24h")?, read("to", self.to, "now")?);
        let series = view.find(&self.section, &self.name, self.unit.as_deref())?;
        let mut head = Head::new(&series.name, series.obis(), from, to);
        if let Some(per) = self.per {
            head.per = Some(per.word());
            head.zone = Some(view.zone.iana_name().unwrap_or("local"));
            let amounts = series.consumption(from, to, per)?;
            if self.cost {
                head.currency = Some(tariffs.currency());
                let costs = costs::costs(view, tariffs, &series, &amounts)?;
                let rows: Vec<_> = amounts.into_iter().zip(costs).collect();
                return head.write(out, self.format, rows.len(), |visit| {
                    let _ = rows.iter().all(visit);
                    Ok(())
                });
            }
            return head.write(out, self.format, amounts.len(), |visit| {
                let _ = amounts.iter().all(visit);
                Ok(())
            });
        }
        let history = series.history(from, to, self.step)?;
        head.step = Some(history.step.word());
        if history.step.is_raw() {
            head.write(out, self.format, history.about, |visit| history.readings(visit))
        } else {
            head.write(out, self.format, history.about, |visit| history.spans(visit))
        }
    }
}

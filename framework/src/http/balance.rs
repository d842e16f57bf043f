//! `/balance`: consumption, self-consumption and self-sufficiency of the household.

use std::sync::Arc;

use serde::Serialize;
use warp::{filters::BoxedFilter, reply::Response};

use super::{
    ApiError,
    chunks::Chunks,
    columns::{decimals, flags, numbers, times},
    history::{History, Known, Query},
    parameters::{Day, Parameters, moment},
};
use crate::{
    Decimal, SourceRole, Text,
    balance::{Balance, Money, Part, Register, Row, balance, consumers, money, parts},
    journal::{Per, ReadError, View, quarter_hours},
    json,
    listed::listed,
    unsure::Reason,
};

const PARAMETERS: [&str; 5] = ["from", "to", "per", "step", "cost"];
/// The only step, the word of `/history` for it.
const STEP: &str = "15m";

/// `/balance`.
pub(super) fn routes(history: &Arc<History>) -> BoxedFilter<(Response,)> {
    history.route("balance", Question::parse, Question::answer)
}

/// Question for a balance.
#[derive(Debug)]
struct Question {
    from: Option<String>,
    to: Option<String>,
    /// Length of the periods; `None` for quarter-hours.
    per: Option<Per>,
    cost: bool,
}

impl Question {
    fn parse(query: Query) -> Result<Self, ApiError> {
        let mut given = Parameters::parse(query, &PARAMETERS)?;
        let named = |word: &str| Per::ALL.into_iter().find(|per| per.word() == word);
        let per = given.one_of("per", named, Per::ALL.map(Per::word))?;
        let step = given.one_of("step", |word| (word == STEP).then_some(()), [STEP])?;
        if per.is_some() && step.is_some() {
            return Err(ApiError::bad_request("`step` and `per` exclude each other"));
        }
        let per = if step.is_some() { None } else { Some(per.unwrap_or(Per::Day)) };
        let words = ["true", "false"];
        let cost =
            given.one_of("cost", |word| words.iter().position(|known| *known == word), words)? == Some(0);
        Ok(Self { from: given.take("from"), to: given.take("to"), per, cost })
    }

    fn answer(self, view: &View<'_>, out: &mut Chunks, known: &Known) -> Result<(), ReadError> {
        let Known { store, tariffs } = known;
        let read = |key, text: &Option<String>, default| {
            moment(view, key, text.as_deref().unwrap_or(default), Day::Begin)
        };
        let (from, to) = (read("from", &self.from, "-24h")?, read("to", &self.to, "now")?);
        let edges = match self.per {
            Some(per) => per.edges(from, to, view.zone)?,
            None => quarter_hours(from, to, view.zone)?,
        };
        let parts = parts(&store.sections(), &listed(view, store)?);
        let Balance { rows, until, since, reason } = balance(view, &parts, &edges)?;
        let money =
            if self.cost { Some(money(view, &parts, tariffs, &rows, &mut || out.goes_on())?) } else { None };
        let head = Head {
            from: from.div_euclid(1000),
            to: to.div_euclid(1000),
            per: self.per.map(Per::word),
            step: self.per.is_none().then_some(STEP),
            zone: view.zone.iana_name().unwrap_or("local"),
            unit: "kWh",
            currency: self.cost.then(|| tariffs.currency()),
            until: until.map(|second| second.saturating_mul(1000)),
            since: since.map(|second| second.saturating_mul(1000)),
            unsure: reason.is_some(),
            reason,
            roles: parts.iter().map(Role::of).collect(),
        };
        json::write(&mut out.buffer, &head);
        out.buffer.pop();
        write(out, &rows, &parts, money.as_deref());
        Ok(())
    }
}

/// Name of a column, and its number in each row.
type Column<R, N> = (&'static str, fn(&R) -> Option<N>);

/// Appends the columns.
fn write(out: &mut Chunks, rows: &[Row], parts: &[Part], money: Option<&[Money]>) {
    let name = |out: &mut Chunks, name: &str| {
        out.buffer.extend_from_slice(format!(",\"{name}\":").as_bytes());
        out.goes_on()
    };
    for (column, second) in [("start", (|row| row.start) as fn(&Row) -> i64), ("end", |row| row.end)] {
        name(out, column);
        times(&mut out.buffer, rows.iter().map(second));
    }
    let columns: [Column<Row, f64>; 9] = [
        ("consumption", |row| row.consumption),
        ("drawn", |row| row.drawn),
        ("fed", |row| row.fed),
        ("produced", |row| row.produced),
        ("self_used", |row| row.self_used),
        ("charged", |row| row.charged),
        ("discharged", |row| row.discharged),
        ("self_consumption", Row::self_consumption),
        ("self_sufficiency", Row::self_sufficiency),
    ];
    for (column, number) in columns {
        name(out, column);
        numbers(&mut out.buffer, rows.iter().map(number));
    }
    name(out, "consumers");
    out.buffer.push(b'[');
    for (at, part) in consumers(parts).enumerate() {
        if at > 0 {
            out.buffer.push(b',');
        }
        let Part { source, label, role, .. } = part;
        json::write(&mut out.buffer, &Consumer { source, label: label.as_ref(), role: *role });
        out.buffer.pop();
        name(out, "amount");
        numbers(&mut out.buffer, rows.iter().map(|row| row.consumers.get(at).copied().flatten()));
        out.buffer.push(b'}');
    }
    out.buffer.push(b']');
    name(out, "other");
    numbers(&mut out.buffer, rows.iter().map(|row| row.other));
    name(out, "gap");
    flags(&mut out.buffer, rows.iter().map(|row| row.gap));
    name(out, "partial");
    flags(&mut out.buffer, rows.iter().map(|row| row.partial));
    if let Some(money) = money {
        let columns: [Column<Money, Decimal>; 3] =
            [("cost", |of| of.cost), ("income", |of| of.income), ("saved", |of| of.saved)];
        for (column, number) in columns {
            name(out, column);
            decimals(&mut out.buffer, money.iter().map(number));
        }
        name(out, "cost_gap");
        flags(&mut out.buffer, money.iter().map(|of| of.gap));
    }
    out.buffer.push(b'}');
}

/// Members before the columns.
#[derive(Serialize)]
struct Head<'a> {
    from: i64,
    to: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    per: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    zone: &'a str,
    unit: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    unsure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    roles: Vec<Role<'a>>,
}

/// Source with its part.
#[derive(Serialize)]
struct Role<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a Text>,
    role: SourceRole,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    import: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    export: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    net: Vec<&'a str>,
}

impl<'a> Role<'a> {
    fn of(part: &'a Part) -> Self {
        let names = |registers: &'a [Register]| registers.iter().map(|of| of.name.as_str()).collect();
        let Part { source, label, role, import, export, net } = part;
        let (import, export, net) = (names(import), names(export), names(net));
        Self { source, label: label.as_ref(), role: *role, import, export, net }
    }
}

#[derive(Serialize)]
struct Consumer<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a Text>,
    role: SourceRole,
}

//! Bill of a source between two moments.

use serde::Serialize;
use tariff::{Number, decimal, local, settle, settle_gross};

use super::{
    MONEY_DECIMALS, Tariffs,
    accounts::{Accounts, Gap},
    asked::{Assumed, asked, no_tariffs, tariffs_of},
    counters::{Billed, billed},
    energies::{Energy, Times, energies},
};
use crate::{
    Decimal,
    journal::{QUARTER_HOUR, ReadError, SECOND, View, quarter_start},
};

/// What else a question for a bill may have where there are no tariffs.
const OR_PRICE: &str = ", or ask with `price=…`";

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct Question {
    /// Source; that of the first tariff without one.
    pub(crate) source: Option<String>,
    /// Start and end in seconds since 1970. The quarter-hours in which they lie belong to it.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Gross price per kWh, and per month, in place of the tariffs.
    pub(crate) price: Option<(Decimal, Option<Decimal>)>,
    /// The present second.
    pub(crate) now: i64,
}

/// Bill, as clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct Bill {
    currency: String,
    source: String,
    from: String,
    to: String,
    /// What was asked, where the bill has other moments: it is made of whole quarter-hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Range>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assumed: Option<Assumed>,
    energy: Vec<Energy>,
    items: Vec<Item>,
    net: Option<Decimal>,
    vat: Option<Decimal>,
    total: Option<Decimal>,
    gaps: Vec<Gap>,
}

/// Two moments.
#[derive(Debug, Serialize)]
struct Range {
    from: String,
    to: String,
}

#[derive(Debug, Serialize)]
struct Item {
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Times>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Decimal>,
    net: Option<Decimal>,
}

/// Returns the bill.
///
/// # Errors
/// Returns an error if nothing says what to pay for, or the journal cannot be read.
pub(crate) fn bill(view: &View<'_>, tariffs: &Tariffs, question: &Question) -> Result<Bill, ReadError> {
    let (source, configured) = tariffs_of(tariffs, question.source.as_deref(), OR_PRICE)?;
    let first_day = local(question.from, view.zone).date();
    let own = question.price.map(|prices| asked(&source, tariffs, &configured, first_day, prices));
    let of_source = own.as_ref().map_or(configured, |(own, _)| vec![own]);
    if of_source.is_empty() {
        return Err(no_tariffs(&source, OR_PRICE));
    }
    let counters = billed(view, &source, &of_source)?;
    let from = quarter_start(question.from);
    let to = end(&counters, from, question.to)?;
    let mut accounts = Accounts::new(view, &source, &of_source, from, to);
    accounts.add(view, &of_source, &counters, (from, to), 0)?;
    // Who asks with a price with tax multiplies it by the amount.
    let settled = if own.is_some() { settle_gross(&accounts.accounts) } else { settle(&accounts.accounts) };
    let shown = |number: Number| decimal(number, MONEY_DECIMALS);
    let instant = |second: i64| crate::journal::utc(second.saturating_mul(1_000_000));
    let range = |from, to| Range { from: instant(from), to: instant(to) };
    let is_other = (from, to) != (question.from, question.to);
    Ok(Bill {
        currency: of_source.first().map_or_else(String::new, |tariff| tariff.currency.clone()),
        from: instant(from),
        to: instant(to),
        asked: is_other.then(|| range(question.from, question.to)),
        energy: energies(view, &accounts, &counters, (from, to), question.now)?,
        net: shown(settled.net),
        vat: shown(settled.vat),
        total: shown(settled.total),
        items: items(settled),
        gaps: accounts.gaps,
        assumed: own.map(|(_, assumed)| assumed),
        source,
    })
}

/// Returns the items of a bill.
fn items(settled: tariff::Bill) -> Vec<Item> {
    let shown = |number: Number| decimal(number, MONEY_DECIMALS);
    let item = |item: tariff::Item| Item {
        kind: item.kind,
        text: item.text,
        window: item.window.as_ref().map(Times::of),
        amount: item.amount.and_then(shown),
        unit: item.unit,
        price: item.price.and_then(shown),
        net: shown(item.net),
    };
    settled.items.into_iter().map(item).collect()
}

/// Returns the end of the quarter-hour in which a moment lies, or its start if nothing was read in it yet.
fn end(counters: &[Billed<'_>], from: i64, to: i64) -> Result<i64, ReadError> {
    let begun = quarter_start(to);
    if begun == to {
        return Ok(to);
    }
    for counter in counters {
        if counter.series.extent()?.is_some_and(|(_, last)| last > begun.saturating_mul(SECOND)) {
            return Ok(begun + QUARTER_HOUR);
        }
    }
    Ok(if begun > from { begun } else { begun + QUARTER_HOUR })
}

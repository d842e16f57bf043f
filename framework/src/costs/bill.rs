//! Bill of a source between two moments.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use tariff::{
    Account, ChargeKind, Number, Per, PriceBasis, Standing, Tariff, TimedPrice, WorkPrice, decimal, local,
    settle,
};

use super::{
    MONEY_DECIMALS, Tariffs,
    counters::{Billed, billed, counts},
    walk::{Piece, Walk},
};
use crate::{
    Decimal,
    journal::{QUARTER_HOUR, ReadError, SECOND, View, quarter_start},
};

/// Most gaps in an answer.
const MAX_GAPS: usize = 100;

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct Question {
    /// Source; that of the first tariff without one.
    pub(crate) source: Option<String>,
    /// Start and end in seconds since 1970. The quarter-hours in which they lie belong to it.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Gross price per kWh and per month, in place of the tariffs.
    pub(crate) price: Option<Decimal>,
    pub(crate) base: Option<Decimal>,
}

/// Bill, as clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct Bill {
    currency: String,
    source: String,
    from: String,
    to: String,
    energy: Vec<Energy>,
    items: Vec<Item>,
    net: Option<Decimal>,
    vat: Option<Decimal>,
    total: Option<Decimal>,
    gaps: Vec<Gap>,
}

/// Energy of one register with one price.
#[derive(Debug, Serialize)]
struct Energy {
    register: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tariff: Option<u8>,
    name: String,
    direction: &'static str,
    /// Milliseconds since 1970.
    from: i64,
    to: i64,
    amount: Option<Decimal>,
    unit: &'static str,
    price: Option<Decimal>,
    net: Option<Decimal>,
    /// Numbers of the counter.
    begin: Option<Decimal>,
    end: Option<Decimal>,
    estimated: bool,
}

#[derive(Debug, Serialize)]
struct Item {
    kind: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Decimal>,
    net: Option<Decimal>,
}

/// Time without a price, or without readings.
#[derive(Debug, Serialize)]
struct Gap {
    register: String,
    /// Milliseconds since 1970.
    from: i64,
    to: i64,
    reason: &'static str,
}

/// Returns the source that is meant, and its tariffs.
pub(super) fn tariffs_of<'t>(
    tariffs: &'t Tariffs,
    source: Option<&str>,
) -> Result<(String, Vec<&'t Tariff>), ReadError> {
    let first = tariffs.first().map(|tariff| tariff.source.as_str());
    let Some(source) = source.or(first) else {
        let message =
            "there are no tariffs: add `[[tariffs]]` to the configuration, or ask with `source=…&price=…`";
        return Err(ReadError::BadRequest(message.to_owned()));
    };
    Ok((source.to_owned(), tariffs.of(source)))
}

/// Sums of one counter under one tariff.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    gap: bool,
    energy: Number,
}

/// Accounts of all tariffs of a source, and what was noticed.
pub(super) struct Accounts<'t> {
    pub(super) accounts: Vec<Account<'t>>,
    gaps: Vec<Gap>,
    seen: BTreeMap<(usize, usize), Seen>,
}

impl<'t> Accounts<'t> {
    /// Accounts of the days of a range, without energy yet.
    pub(super) fn new(view: &View<'_>, source: &str, tariffs: &[&'t Tariff], from: i64, to: i64) -> Self {
        let first = local(from, view.zone).date();
        let end = local(to.saturating_sub(1), view.zone).date().tomorrow().unwrap_or(Date::MAX);
        let held = tariffs.iter().filter_map(|tariff| {
            let (from, to) = (tariff.from.max(first), tariff.to.map_or(end, |to| to.min(end)));
            let account = || match Account::new(tariff, from, to) {
                account if tariff.source == source => account,
                // Its own bill has no base price: the meter before it has.
                account => account.without_standing(),
            };
            (from < to).then(account)
        });
        Self { accounts: held.collect(), gaps: Vec::new(), seen: BTreeMap::new() }
    }

    /// Adds the energy of a range, or of a range `earlier` in its place.
    pub(super) fn add(
        &mut self,
        view: &View<'_>,
        tariffs: &[&'t Tariff],
        counters: &[Billed<'_>],
        (from, to): (i64, i64),
        earlier: i64,
    ) -> Result<(), ReadError> {
        for (n, counter) in counters.iter().enumerate() {
            let walk = Walk { view, counter, tariffs, earlier };
            walk.visit(&[(from, to)], |piece| {
                if counts(counters, counter, piece.tariff) {
                    self.take(n, counter, &piece);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn take(&mut self, n: usize, counter: &Billed<'_>, piece: &Piece<'t>) {
        let name = &counter.series.name.name;
        let Some(amount) = piece.amount else { return self.gap(name, piece, "no_reading") };
        let is_nothing = amount.mantissa() == 0;
        let account = piece.tariff.and_then(|tariff| {
            self.accounts.iter().position(|account| std::ptr::eq(account.tariff(), tariff))
        });
        let (Some(at), Some(energy)) = (account, piece.energy) else {
            if !is_nothing {
                self.gap(name, piece, if piece.tariff.is_none() { "no_tariff" } else { "no_gas_factor" });
            }
            return;
        };
        let seen = self.seen.entry((at, n)).or_default();
        seen.gap |= piece.gap && !is_nothing;
        seen.energy = seen.energy.saturating_add(energy);
        let account = &mut self.accounts[at];
        let has_price = if counter.is_export {
            // Energy that nobody pays for is no gap of the bill.
            account.feed(energy);
            true
        } else {
            account.draw(piece.time, counter.register, energy, piece.spot)
        };
        if !has_price && !is_nothing {
            self.gap(name, piece, "no_price");
        } else if piece.gap && !is_nothing {
            self.gap(name, piece, "estimated");
        }
    }

    fn gap(&mut self, register: &str, piece: &Piece<'_>, reason: &'static str) {
        let (from, to) = (piece.from.saturating_mul(1000), piece.to.saturating_mul(1000));
        if let Some(last) = self.gaps.iter_mut().rev().find(|gap| gap.register == register)
            && last.reason == reason
            && last.to == from
        {
            last.to = to;
        } else if self.gaps.len() < MAX_GAPS {
            self.gaps.push(Gap { register: register.to_owned(), from, to, reason });
        }
    }
}

/// Returns the bill.
///
/// # Errors
/// Returns an error if nothing says what to pay for, or the journal cannot be read.
pub(crate) fn bill(view: &View<'_>, tariffs: &Tariffs, question: &Question) -> Result<Bill, ReadError> {
    let Question { price, base, .. } = *question;
    let (source, configured) = tariffs_of(tariffs, question.source.as_deref())?;
    let own = made_up(&source, tariffs, &configured, price, base);
    let of_source = own.as_ref().map_or(configured, |own| vec![own]);
    if of_source.is_empty() {
        let message = format!(
            "`{source}` has no tariffs: add `[[tariffs]]` with `source = \"{source}\"`, or ask with `price=…`"
        );
        return Err(ReadError::BadRequest(message));
    }
    let counters = billed(view, &source, &of_source)?;
    let from = quarter_start(question.from);
    let to = end(&counters, from, question.to)?;
    let mut accounts = Accounts::new(view, &source, &of_source, from, to);
    accounts.add(view, &of_source, &counters, (from, to), 0)?;
    let settled = settle(&accounts.accounts);
    let shown = |number: Number| decimal(number, MONEY_DECIMALS);
    let items = settled.items.into_iter().map(|item| Item {
        kind: item.kind,
        text: item.text,
        amount: item.amount.and_then(shown),
        unit: item.unit,
        price: item.price.and_then(shown),
        net: shown(item.net),
    });
    let instant = |second: i64| crate::journal::utc(second.saturating_mul(1_000_000));
    Ok(Bill {
        currency: of_source.first().map_or_else(String::new, |tariff| tariff.currency.clone()),
        from: instant(from),
        to: instant(to),
        energy: energies(view, &accounts, &counters, from, to)?,
        items: items.collect(),
        net: shown(settled.net),
        vat: shown(settled.vat),
        total: shown(settled.total),
        gaps: accounts.gaps,
        source,
    })
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

/// Returns the energy of each register and price.
fn energies(
    view: &View<'_>,
    accounts: &Accounts<'_>,
    counters: &[Billed<'_>],
    from: i64,
    to: i64,
) -> Result<Vec<Energy>, ReadError> {
    let mut energies = Vec::new();
    for (at, account) in accounts.accounts.iter().enumerate() {
        let (first, last) = account.days();
        let (from, to) = (view.day_start(first).max(from), view.day_start(last).min(to));
        for (n, counter) in counters.iter().enumerate() {
            let Some(seen) = accounts.seen.get(&(at, n)) else { continue };
            let number = |second: i64| counter.series.register(second.saturating_mul(SECOND));
            let (begin, end) = (number(from)?, number(to)?);
            let row = |amount: Number, price: Option<Number>, net: Number| {
                Ok::<_, ReadError>(Energy {
                    register: counter.series.name.name.to_string(),
                    tariff: counter.register,
                    name: account.tariff().name.clone(),
                    direction: if counter.is_export { "export" } else { "import" },
                    from: from.saturating_mul(1000),
                    to: to.saturating_mul(1000),
                    amount: decimal(amount, MONEY_DECIMALS),
                    unit: "kWh",
                    price: price.and_then(|price| decimal(price, MONEY_DECIMALS)),
                    net: decimal(net, MONEY_DECIMALS),
                    begin: begin.value,
                    end: end.value,
                    estimated: seen.gap || begin.gap || end.gap,
                })
            };
            if counter.is_export {
                let (fed_in, price) = (seen.energy, account.tariff().feed_in);
                energies.push(row(fed_in, price, -fed_in.saturating_mul(price.unwrap_or_default()))?);
                continue;
            }
            for (charge, amount, price, net) in account.charges() {
                if charge.kind == ChargeKind::Work && charge.register == counter.register {
                    energies.push(row(amount, Some(price), net)?);
                }
            }
        }
    }
    Ok(energies)
}

/// Returns a tariff of the prices in the question, if there are any.
fn made_up(
    source: &str,
    tariffs: &Tariffs,
    configured: &[&Tariff],
    price: Option<Decimal>,
    base: Option<Decimal>,
) -> Option<Tariff> {
    if price.is_none() && base.is_none() {
        return None;
    }
    // What is not asked for with a price is free.
    let number = |price: Option<Decimal>| price.map_or(Number::ZERO, tariff::number);
    let newest = configured.last();
    Some(Tariff {
        name: source.to_owned(),
        source: source.to_owned(),
        submeters: Vec::new(),
        from: Date::MIN,
        to: None,
        currency: tariffs.currency().to_owned(),
        vat: newest.map_or(Number::ZERO, |newest| newest.vat),
        prices: PriceBasis::Gross,
        work: WorkPrice::Timed(TimedPrice::single(number(price))),
        levies: Vec::new(),
        base: base.map(|_| Standing { price: number(base), per: Per::Month }),
        feed_in: None,
        gas_factor: newest.and_then(|newest| newest.gas_factor),
        instalment: None,
        holidays: tariff::Holidays::default(),
    })
}

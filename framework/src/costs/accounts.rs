//! Energy of a source by tariff, and what of it is not as it should be.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use tariff::{Account, Tariff, local};

use super::{
    counters::{Billed, counts},
    walk::{Piece, Walk},
};
use crate::journal::{ReadError, View};

/// Most gaps in an answer.
const MAX_GAPS: usize = 100;

/// Time without a price, or without readings.
#[derive(Debug, Serialize)]
pub(super) struct Gap {
    register: String,
    /// Milliseconds since 1970.
    from: i64,
    to: i64,
    reason: &'static str,
}

/// Sums of one counter under one tariff.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Seen {
    /// A part of it was spread evenly over a time without readings.
    pub(super) gap: bool,
}

/// Accounts of all tariffs of a source, and what was noticed.
pub(super) struct Accounts<'t> {
    pub(super) accounts: Vec<Account<'t>>,
    pub(super) gaps: Vec<Gap>,
    /// By the place of the account and that of the counter.
    pub(super) seen: BTreeMap<(usize, usize), Seen>,
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
        let account = &mut self.accounts[at];
        let has_price = if counter.is_export {
            let is_paid = account.feed(piece.time, counter.register, energy, piece.spot);
            // Energy that nobody pays for is no gap of the bill.
            is_paid || account.tariff().feed_in.is_none()
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

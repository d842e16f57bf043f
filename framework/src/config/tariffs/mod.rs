//! `[[tariffs]]`: what energy costs.
//!
//! | file | content |
//! |---|---|
//! | `keys` | the keys, as they are written |
//! | `check` | check of one tariff |
//! | `per_kwh` | check of a price per kWh |
//! | `doubts` | prices that are allowed, and most likely wrong |
//! | `mistakes` | prices and windows, and the mistakes in them |

mod check;
mod doubts;
mod keys;
mod mistakes;
mod per_kwh;

use tariff::Tariff;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub(super) use self::doubts::doubts;
use self::{
    check::check,
    keys::{Keys, SAMPLE},
};
use super::{Entry, Reader};
use crate::{
    Text,
    table::{Built, Table, keys_of},
};

/// Most tariffs.
const MAX_TARIFFS: usize = 500;

/// Returns the keys of a tariff.
pub(crate) fn tariff_keys() -> &'static [&'static str] {
    keys_of::<Keys>()
}

impl<'a> Reader<'a> {
    /// Checks all tariffs. `sources` are the names of all sources.
    pub(super) fn tariffs(&self, entry: Option<Entry<'a>>, sources: &[Text]) -> Vec<Tariff> {
        let Some((key, value)) = entry else { return Vec::new() };
        let at = value.span();
        let DeValue::Array(array) = value.into_inner() else {
            let hint = "write `[[tariffs]]`, with two brackets, above the keys of each tariff".to_owned();
            self.section(at.clone(), DeTable::new()).note(
                at,
                "`tariffs` must be a list of tables",
                Some(hint),
            );
            return Vec::new();
        };
        if array.len() > MAX_TARIFFS {
            let message = format!("{} tariffs are too many, expected at most {MAX_TARIFFS}", array.len());
            self.section(key.span(), DeTable::new()).note(key.span(), message, None);
            return Vec::new();
        }
        let mut tariffs: Vec<(Tariff, Table<'a>)> = Vec::new();
        let elements: Vec<Spanned<DeValue<'a>>> = array.into_iter().collect();
        for element in elements {
            let at = element.span();
            let DeValue::Table(table) = element.into_inner() else {
                let message = "a tariff must be a table";
                self.section(at.clone(), DeTable::new()).note(at, message, None);
                continue;
            };
            let section = Table { sample: SAMPLE, ..self.section(at, table) };
            if let Built::Right(tariff) = section.build(|keys| check(keys, sources)) {
                tariffs.push((tariff, section));
            }
        }
        join(tariffs)
    }
}

/// Ends each tariff where the next one of its source begins, and checks that they fit together.
fn join(tariffs: Vec<(Tariff, Table<'_>)>) -> Vec<Tariff> {
    for (n, (tariff, section)) in tariffs.iter().enumerate() {
        let earlier = &tariffs[..n];
        if let Some((other, _)) = earlier.first().filter(|(other, _)| other.currency != tariff.currency) {
            let message = format!(
                "all tariffs need one currency: this is in `{}`, the first in `{}`",
                tariff.currency, other.currency
            );
            section.note(section.place("currency"), message, None);
        }
        if let Some((other, _)) =
            earlier.iter().rev().find(|(other, _)| other.source == tariff.source && other.from >= tariff.from)
        {
            let message = match other.from == tariff.from {
                true => format!("two tariffs of `{}` begin on {}", tariff.source, tariff.from),
                false => format!(
                    "this tariff of `{}` begins on {}, before the one above it ({})",
                    tariff.source, tariff.from, other.from
                ),
            };
            let hint =
                "write the tariffs of a source in the order of `from`: each ends where the next begins"
                    .to_owned();
            section.note(section.place("from"), message, Some(hint));
        }
        let names = |tariff: &Tariff| [std::slice::from_ref(&tariff.source), &tariff.submeters].concat();
        let of_other = |other: &Tariff| {
            let other_names = names(other);
            tariff
                .submeters
                .iter()
                .find(|name| other.source != tariff.source && other_names.contains(name))
                .cloned()
        };
        let clash = tariffs.iter().find_map(|(other, _)| Some((of_other(other)?, other.source.clone())));
        if let Some((name, other)) = clash {
            let message = format!("`{name}` already has the tariffs of `{other}`");
            let hint = "name it in the tariffs of one source only".to_owned();
            section.note(section.place("submeters"), message, Some(hint));
        }
    }
    let mut tariffs: Vec<_> = tariffs.into_iter().map(|(tariff, _)| tariff).collect();
    for n in 0..tariffs.len() {
        let next =
            tariffs[n + 1..].iter().find(|next| next.source == tariffs[n].source).map(|next| next.from);
        tariffs[n].to = next;
    }
    tariffs
}

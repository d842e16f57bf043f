//! All tariffs of the configuration.

use std::ops::Deref;

use tariff::Tariff;

use crate::journal::View;

/// The tariffs, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tariffs(Vec<Tariff>);

impl Tariffs {
    /// Tariffs in the order of the configuration, which are checked.
    pub fn new(tariffs: Vec<Tariff>) -> Self {
        Self(tariffs)
    }

    /// Returns the currency of all; that of most meters without one.
    pub fn currency(&self) -> &str {
        self.0.first().map_or("EUR", |first| &first.currency)
    }

    /// Returns the tariffs of a source, one after the other: its own, or those of the source before it.
    pub(crate) fn of(&self, source: &str) -> Vec<&Tariff> {
        let own: Vec<_> = self.0.iter().filter(|tariff| tariff.source == source).collect();
        match own.is_empty() {
            true => {
                self.0.iter().filter(|tariff| tariff.submeters.iter().any(|name| name == source)).collect()
            }
            false => own,
        }
    }

    /// Returns the sources that have tariffs of their own.
    pub fn sources(&self) -> Vec<&str> {
        let mut sources = Vec::new();
        for tariff in &self.0 {
            if !sources.contains(&&*tariff.source) {
                sources.push(&*tariff.source);
            }
        }
        sources
    }
}

impl Deref for Tariffs {
    type Target = [Tariff];

    fn deref(&self) -> &[Tariff] {
        &self.0
    }
}

/// Tariffs of a source, each with the seconds since 1970 at which it begins and ends.
#[derive(Debug)]
pub(super) struct Timeline<'t>(Vec<(i64, i64, &'t Tariff)>);

impl<'t> Timeline<'t> {
    pub(super) fn new(tariffs: &[&'t Tariff], view: &View<'_>) -> Self {
        let end = |tariff: &Tariff| tariff.to.map_or(i64::MAX, |to| view.day_start(to));
        Self(tariffs.iter().map(|tariff| (view.day_start(tariff.from), end(tariff), *tariff)).collect())
    }

    /// Returns the tariff that holds at a second; `None` where there is none.
    pub(super) fn at(&self, second: i64) -> Option<&'t Tariff> {
        self.holding(second).map(|(_, _, tariff)| tariff)
    }

    /// Returns the second at which another tariff begins to hold, or none does.
    pub(super) fn next(&self, second: i64) -> i64 {
        match self.holding(second) {
            Some((_, end, _)) => end,
            None => self.0.iter().map(|of| of.0).filter(|begin| *begin > second).min().unwrap_or(i64::MAX),
        }
    }

    fn holding(&self, second: i64) -> Option<(i64, i64, &'t Tariff)> {
        self.0.iter().rev().find(|(begin, end, _)| (*begin..*end).contains(&second)).copied()
    }
}

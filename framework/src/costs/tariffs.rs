//! All tariffs of the configuration.

use std::ops::Deref;

use tariff::Tariff;

use crate::journal::View;

/// The tariffs, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tariffs(Vec<Tariff>);

impl Tariffs {
    pub(crate) fn new(tariffs: Vec<Tariff>) -> Self {
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

/// Returns the second since 1970 at which a tariff begins, and the one at which it ends.
pub(super) fn seconds(tariff: &Tariff, view: &View<'_>) -> (i64, i64) {
    (view.day_start(tariff.from), tariff.to.map_or(i64::MAX, |to| view.day_start(to)))
}

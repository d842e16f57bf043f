//! News that call for an update, found out without a look into the journal.

use std::sync::Arc;

use super::{HOUR, Hours};
use crate::{Labels, Tariffs, Text};

/// What an update depends on, at one moment.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    tariffs: Arc<Tariffs>,
    /// Corrections of the clock in this run.
    corrections: u64,
    /// Each selected source with what people call it, and the hour of its newest batch.
    sources: Vec<(Text, Arc<Labels>, i64)>,
}

impl Seen {
    /// Returns how things are now.
    pub(super) fn now(hours: &Hours) -> Self {
        let sections = hours.store().sections();
        let selected = sections.iter().filter(|section| hours.route().has_source(&section.name));
        let source = |section: &Arc<crate::Section>| {
            let newest = section.health.status.last_success().map_or(0, |time| time.as_second());
            (section.name.clone(), section.labels(), newest.div_euclid(HOUR))
        };
        Self {
            tariffs: hours.costs().tariffs(),
            corrections: hours.costs().journal.corrections(),
            sources: selected.map(source).collect(),
        }
    }

    /// Returns whether what was delivered before may be other now: prices, times or names have changed.
    pub(super) fn changes_past(&self, before: &Self) -> bool {
        let named = |seen: &Self, other: &Self| {
            let is_same = |(name, labels, _): &(Text, Arc<Labels>, i64)| {
                other.sources.iter().all(|(of, known, _)| of != name || **known == **labels)
            };
            seen.sources.iter().all(is_same)
        };
        *self.tariffs != *before.tariffs || self.corrections != before.corrections || !named(self, before)
    }

    /// Returns whether a source has a batch of a later hour, so that one may be complete.
    pub(super) fn has_new_hour(&self, before: &Self) -> bool {
        let is_later = |(name, _, hour): &(Text, Arc<Labels>, i64)| {
            before.sources.iter().all(|(of, _, known)| of != name || known < hour)
        };
        self.sources.iter().any(is_later)
    }
}

//! Selection of readings for one publisher.

use std::time::Duration;

use wildmatch::WildMatch;

use crate::{Reading, Record};

/// Checked values of the framework's keys in a `[publishers.<name>]`.
#[derive(Debug, Clone)]
pub struct Route {
    /// Patterns for names of sources; empty selects all.
    pub sources: Vec<WildMatch>,
    /// Patterns for names of readings; empty selects all.
    pub series: Vec<WildMatch>,
    /// Length of the windows over which records are averaged; `None` delivers each one.
    pub interval: Option<Duration>,
    /// Age beyond which records are no longer delivered.
    pub max_backlog_age: Duration,
    /// Maximum number of records per second.
    pub max_rate: u32,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            series: Vec::new(),
            interval: None,
            max_backlog_age: Duration::from_secs(30 * 86_400),
            max_rate: 50_000,
        }
    }
}

impl Route {
    /// Returns whether the source is selected.
    pub fn has_source(&self, name: &str) -> bool {
        matches_any(&self.sources, name)
    }

    /// Returns whether readings of this name are selected, of a selected source.
    pub fn has_series(&self, name: &str) -> bool {
        matches_any(&self.series, name)
    }

    /// Keeps the selected readings of a record of a selected source. Returns `None` if there are none.
    pub(crate) fn select(&self, mut record: Record) -> Option<Record> {
        record.batch.readings.retain(|reading: &Reading| self.has_series(&reading.name));
        (!record.batch.readings.is_empty()).then_some(record)
    }
}

fn matches_any(patterns: &[WildMatch], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

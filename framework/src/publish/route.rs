//! Which readings a publisher gets, and how often.

use std::time::Duration;

use wildmatch::WildMatch;

use crate::{Reading, Record};

/// The framework's keys of a `[publishers.<name>]`, checked.
#[derive(Debug, Clone)]
pub struct Route {
    /// Names of sources; none = all.
    pub sources: Vec<WildMatch>,
    /// Names of readings; none = all.
    pub series: Vec<WildMatch>,
    /// One record for each source in such a time; `None` = every one.
    pub every: Option<Duration>,
    /// What is older than this is not delivered any more.
    pub max_backlog: Duration,
    /// So many records a second at most.
    pub max_rate: u32,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            series: Vec::new(),
            every: None,
            max_backlog: Duration::from_secs(30 * 86_400),
            max_rate: 50_000,
        }
    }
}

impl Route {
    /// Whether readings of this source are wanted.
    pub fn has_source(&self, name: &str) -> bool {
        fits(&self.sources, name)
    }

    /// Whether readings of this name are wanted, of a source that is.
    pub fn has_series(&self, name: &str) -> bool {
        fits(&self.series, name)
    }

    /// What is wanted of a record of a wanted source; `None` where nothing is.
    pub(crate) fn select(&self, mut record: Record) -> Option<Record> {
        record.batch.readings.retain(|reading: &Reading| self.has_series(&reading.name));
        (!record.batch.readings.is_empty()).then_some(record)
    }
}

fn fits(patterns: &[WildMatch], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
}

//! Comparison of the journal's hours with those of Home Assistant, and import of what differs.
//!
//! Home Assistant queues what it imports, and says nothing about the result. So an hour counts as delivered only when it
//! is read back. It is the only memory of what was delivered: a database that is removed or restored is noticed.

mod importer;
mod rows;

use std::{collections::BTreeMap, ops::Range};

use framework::{HourSeries, PublishError, Scope, Update};
use serde::Deserialize;

use self::{
    importer::Importer,
    rows::{Row, Sums, differing},
};
use crate::{
    client::Client,
    memory::Memory,
    statistics::{SOURCE, Statistic},
};

/// Seconds of an hour.
const HOUR: i64 = 3600;
/// Newest hours of each series that are compared before the older ones of any, so that they are right soon.
const NEWEST: i64 = 31 * 24 * HOUR;

/// Statistics of one Home Assistant.
#[derive(Debug)]
pub(crate) struct Comparison {
    prefix: String,
    /// What Home Assistant had counted before the first hour of the journal, by id: sums go on from there. That is so
    /// where a journal was begun anew.
    bases: BTreeMap<String, f64>,
}

/// Recorder of Home Assistant.
#[derive(Debug, Deserialize)]
struct Info {
    #[serde(default)]
    migration_in_progress: bool,
    #[serde(default)]
    migration_is_live: bool,
    #[serde(default = "yes")]
    thread_running: bool,
}

fn yes() -> bool {
    true
}

/// Statistic that Home Assistant has.
#[derive(Debug, Deserialize)]
struct Known {
    statistic_id: String,
    #[serde(default)]
    source: String,
    name: Option<String>,
    statistics_unit_of_measurement: Option<String>,
}

/// Checks that Home Assistant's recorder can take statistics.
pub(crate) async fn check(client: &mut Client) -> Result<(), PublishError> {
    let info: Info = client.ask_ok("recorder/info", ()).await?;
    let origin = client.origin();
    if info.migration_in_progress && !info.migration_is_live {
        return Err(PublishError::unavailable(format!("`{origin}` is migrating its database")));
    }
    if !info.thread_running {
        return Err(PublishError::unavailable(format!("the recorder of `{origin}` is not running")));
    }
    Ok(())
}

impl Comparison {
    pub(crate) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), bases: BTreeMap::new() }
    }

    /// Brings the statistics up to date.
    pub(crate) async fn run(
        &mut self,
        client: &mut Client,
        update: &Update,
        memory: &mut Memory,
    ) -> Result<(), PublishError> {
        let all = memory.statistics(&update.series, &self.prefix)?;
        let known: Vec<Known> = match update.scope {
            Scope::New => Vec::new(),
            _ => client.ask_ok("recorder/list_statistic_ids", ()).await?,
        };
        if update.scope != Scope::New {
            self.bases.clear();
        }
        let parts = parts(update);
        let of = parts.iter().map(|(_, range)| hours(range)).sum();
        let mut importer = Importer::new(client, update, of);
        for (at, range) in parts {
            let (Some(series), Some(statistic)) = (update.series.get(at), all.get(at)) else { continue };
            let base = self.base(&mut importer, series, statistic).await?;
            compare(&mut importer, series, statistic, range, base).await?;
        }
        for statistic in &all {
            let is_other = |known: &&Known| {
                known.source == SOURCE
                    && known.statistic_id == statistic.id
                    && (known.name.as_deref() != Some(&*statistic.name)
                        || known.statistics_unit_of_measurement != statistic.unit)
            };
            if known.iter().any(|known| is_other(&known)) {
                importer.rename(statistic).await?;
            }
        }
        importer.finish().await
    }

    /// Returns what Home Assistant had counted before the first hour of the journal.
    async fn base(
        &mut self,
        importer: &mut Importer<'_>,
        series: &HourSeries,
        statistic: &Statistic,
    ) -> Result<f64, PublishError> {
        if !statistic.has_sum {
            return Ok(0.0);
        }
        if let Some(base) = self.bases.get(&statistic.id) {
            return Ok(*base);
        }
        let base = importer.sum_before(statistic, series.complete.start).await?.unwrap_or_default();
        self.bases.insert(statistic.id.clone(), base);
        Ok(base)
    }
}

/// Returns the ranges to be compared, each with the place of its series: the newest of each first.
fn parts(update: &Update) -> Vec<(usize, Range<i64>)> {
    let wanted = || update.series.iter().map(|series| update.wanted(series)).enumerate();
    // A short rest is not worth a second question.
    let split = |range: &Range<i64>| match range.end - range.start > 2 * NEWEST {
        true => range.end - NEWEST,
        false => range.start,
    };
    let newest = wanted().map(|(at, range)| (at, split(&range)..range.end));
    let older = wanted().map(|(at, range)| (at, range.start..split(&range)));
    newest.chain(older).filter(|(_, range)| !range.is_empty()).collect()
}

fn hours(range: &Range<i64>) -> u64 {
    u64::try_from((range.end - range.start) / HOUR).unwrap_or_default()
}

/// Compares the hours of a range, and sends those that differ.
async fn compare(
    importer: &mut Importer<'_>,
    series: &HourSeries,
    statistic: &Statistic,
    range: Range<i64>,
    base: f64,
) -> Result<(), PublishError> {
    let is_again = matches!(importer.update().scope, Scope::Again { .. });
    let mut journal = importer.update().hours.rows(series, range.clone());
    let mut sums = Sums::new(base);
    let mut at = range.start;
    loop {
        let hours = journal.next().await?;
        let end = hours.last().map_or(range.end, |hour| hour.start + HOUR);
        let rows: Vec<Row> = hours.iter().map(|hour| Row::of(hour, base)).collect();
        let stored = importer.stored(statistic, at..end).await?;
        let mut differing = differing(&rows, &stored, &mut sums, &hours);
        if is_again {
            differing.extend_from_slice(&rows);
            differing.sort_by_key(|row| row.start);
            differing.dedup_by_key(|row| row.start);
        }
        importer.send(statistic, differing).await?;
        importer.advance(self::hours(&(at..end)));
        at = end;
        if hours.is_empty() {
            return Ok(());
        }
    }
}

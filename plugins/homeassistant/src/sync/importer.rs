//! Import of hours at the pace of Home Assistant's recorder.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    time::Duration,
};

use framework::{PublishError, Update};
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    HOUR,
    rows::{Row, StoredRow, moment},
};
use crate::{
    client::Client,
    statistics::{Metadata, Statistic},
};

/// Hours in one import. Home Assistant checks them in its main loop, at about 30,000 a second, and does nothing else
/// meanwhile.
const CHUNK: usize = 1000;
/// Hours that its recorder may have before it. One of 2024 stores 1000 a second, one of 2026 ten times as many.
const MAX_UNDER_WAY: usize = 4000;
/// Pauses between two looks for what was sent.
const LOOKS: Range<Duration> = Duration::from_millis(20)..Duration::from_millis(500);
/// Time after which hours that were sent should be there.
const LIMIT: Duration = Duration::from_secs(300);

/// Sends hours, and waits until Home Assistant has them.
#[derive(Debug)]
pub(super) struct Importer<'a> {
    client: &'a mut Client,
    update: &'a Update,
    /// Imports that are not confirmed yet, in order.
    under_way: VecDeque<Chunk>,
    done: u64,
    of: u64,
}

#[derive(Debug)]
struct Chunk {
    statistic: Statistic,
    rows: Vec<Row>,
    sent: Instant,
}

#[derive(Serialize)]
struct Import<'a> {
    metadata: Metadata<'a>,
    stats: &'a [Row],
}

#[derive(Serialize)]
struct Period<'a> {
    start_time: String,
    end_time: String,
    statistic_ids: [&'a str; 1],
    period: &'static str,
    types: &'static [&'static str],
}

impl<'a> Importer<'a> {
    pub(super) fn new(client: &'a mut Client, update: &'a Update, of: u64) -> Self {
        Self { client, update, under_way: VecDeque::new(), done: 0, of }
    }

    pub(super) fn update(&self) -> &'a Update {
        self.update
    }

    /// Notes hours that are compared.
    pub(super) fn advance(&mut self, hours: u64) {
        self.done += hours;
        self.update.progress(self.done, self.of);
    }

    /// Returns the hours of a range that Home Assistant has, in order.
    pub(super) async fn stored(
        &mut self,
        statistic: &Statistic,
        range: Range<i64>,
    ) -> Result<Vec<Row>, PublishError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let types: &[&str] = if statistic.has_sum { &["sum", "state"] } else { &["mean", "min", "max"] };
        let period = Period {
            start_time: moment(range.start).to_string(),
            end_time: moment(range.end).to_string(),
            statistic_ids: [&statistic.id],
            period: "hour",
            types,
        };
        let mut found: BTreeMap<String, Vec<StoredRow>> =
            self.client.ask_ok("recorder/statistics_during_period", period).await?;
        let found = found.remove(&statistic.id).unwrap_or_default();
        let mut rows: Vec<Row> = found.into_iter().map(Row::from).collect();
        rows.retain(|row| range.contains(&row.start));
        rows.sort_by_key(|row| row.start);
        Ok(rows)
    }

    /// Sends hours, in order.
    pub(super) async fn send(&mut self, statistic: &Statistic, rows: Vec<Row>) -> Result<(), PublishError> {
        for chunk in rows.chunks(CHUNK) {
            while self.under_way.iter().map(|chunk| chunk.rows.len()).sum::<usize>() + chunk.len()
                > MAX_UNDER_WAY
            {
                self.confirm().await?;
            }
            self.import(statistic, chunk).await?;
            let (statistic, rows) = (statistic.clone(), chunk.to_vec());
            self.under_way.push_back(Chunk { statistic, rows, sent: Instant::now() });
        }
        Ok(())
    }

    /// Gives a statistic its name and unit, and no hours.
    pub(super) async fn rename(&mut self, statistic: &Statistic) -> Result<(), PublishError> {
        self.import(statistic, &[]).await
    }

    /// Waits until Home Assistant has everything that was sent.
    pub(super) async fn finish(mut self) -> Result<(), PublishError> {
        while !self.under_way.is_empty() {
            self.confirm().await?;
        }
        Ok(())
    }

    async fn import(&mut self, statistic: &Statistic, stats: &[Row]) -> Result<(), PublishError> {
        let metadata = statistic.metadata(self.client.version());
        let _: Value = self.client.ask_ok("recorder/import_statistics", Import { metadata, stats }).await?;
        Ok(())
    }

    /// Waits until Home Assistant has the oldest import.
    async fn confirm(&mut self) -> Result<(), PublishError> {
        let Some(Chunk { statistic, rows, sent }) = self.under_way.pop_front() else { return Ok(()) };
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let mut pause = LOOKS.start;
        loop {
            // The last one tells when it is worth to read all of them.
            let newest = self.stored(&statistic, last.start..last.start + HOUR).await?;
            if newest.first().is_some_and(|row| row.is_same(last)) {
                let stored = self.stored(&statistic, first.start..last.start + HOUR).await?;
                let has = |row: &Row| {
                    let at = stored.binary_search_by_key(&row.start, |row| row.start).ok();
                    at.and_then(|at| stored.get(at)).is_some_and(|found| found.is_same(row))
                };
                if rows.iter().all(has) {
                    self.update.delivered(rows.len() as u64);
                    return Ok(());
                }
            }
            if sent.elapsed() > LIMIT {
                let (id, origin) = (&statistic.id, self.client.origin());
                let text =
                    format!("`{origin}` has taken hours of `{id}`, and not stored them within {LIMIT:?}");
                return Err(PublishError::unavailable(text));
            }
            self.update.progress(self.done, self.of);
            sleep(pause).await;
            pause = (pause * 2).min(LOOKS.end);
        }
    }
}

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
/// Longest month.
const MONTH: i64 = 31 * 24 * HOUR + HOUR;
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
        stored(self.client, statistic, range, "hour").await
    }

    /// Returns the sum of the last hour that Home Assistant has before a moment.
    pub(super) async fn sum_before(
        &mut self,
        statistic: &Statistic,
        end: i64,
    ) -> Result<Option<f64>, PublishError> {
        sum_before(self.client, statistic, end).await
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

/// Returns the periods of a range that Home Assistant has, in order.
async fn stored(
    client: &mut Client,
    statistic: &Statistic,
    range: Range<i64>,
    period: &'static str,
) -> Result<Vec<Row>, PublishError> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let types: &[&str] = if statistic.has_sum { &["sum", "state"] } else { &["mean", "min", "max"] };
    let question = Period {
        start_time: moment(range.start).to_string(),
        end_time: moment(range.end).to_string(),
        statistic_ids: [&statistic.id],
        period,
        types,
    };
    let mut found: BTreeMap<String, Vec<StoredRow>> =
        client.ask_ok("recorder/statistics_during_period", question).await?;
    let found = found.remove(&statistic.id).unwrap_or_default();
    let mut rows: Vec<Row> = found.into_iter().map(Row::from).collect();
    rows.retain(|row| range.contains(&row.start));
    rows.sort_by_key(|row| row.start);
    Ok(rows)
}

/// Returns the sum of the last hour before a moment. Decades of hours are too long for one answer: the months tell where
/// hours are, and only those of the last are read. Home Assistant answers with whole months, so that the last may have
/// hours after the moment alone.
async fn sum_before(
    client: &mut Client,
    statistic: &Statistic,
    end: i64,
) -> Result<Option<f64>, PublishError> {
    for month in stored(client, statistic, 0..end, "month").await?.iter().rev() {
        let hours = stored(client, statistic, month.start..end.min(month.start + MONTH), "hour").await?;
        if let Some(sum) = hours.iter().rev().find_map(|hour| hour.sum) {
            return Ok(Some(sum));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use framework::{Figure, HourSeries, Meaning};
    use futures_util::{SinkExt as _, StreamExt as _};
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio_tungstenite::{accept_async, tungstenite::Message};

    use super::*;
    use crate::{Config, statistics::Ids};

    /// Home Assistant that has an hour of a counter at each of these moments, with the number of the hour as its sum.
    async fn home_assistant(hours: Vec<i64>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept_async(stream).await.unwrap();
            let version = "2026.11.0";
            let hello = json!({"type": "auth_required", "ha_version": version});
            socket.send(Message::text(hello.to_string())).await.unwrap();
            while let Some(Ok(Message::Text(text))) = socket.next().await {
                let asked: Value = serde_json::from_str(&text).unwrap();
                let answer = match asked["type"].as_str().unwrap() {
                    "auth" => json!({"type": "auth_ok", "ha_version": version}),
                    "auth/current_user" => {
                        let user = json!({"name": "Admin", "is_admin": true});
                        json!({"id": asked["id"], "type": "result", "success": true, "result": user})
                    }
                    _ => {
                        let moment = |key: &str| {
                            asked[key].as_str().unwrap().parse::<framework::Timestamp>().unwrap().as_second()
                        };
                        let mut range = moment("start_time")..moment("end_time");
                        let is_month = asked["period"] == "month";
                        let length = if is_month { 30 * 24 * HOUR } else { HOUR };
                        range.end = (range.end + length - 1) / length * length;
                        let mut rows = BTreeMap::new();
                        for hour in hours.iter().filter(|hour| range.contains(hour)) {
                            rows.insert(hour / length * length, hour / HOUR);
                        }
                        let rows = rows.iter().map(|(start, sum)| {
                            json!({"start": start * 1000, "end": (start + length) * 1000, "sum": sum, "state": null})
                        });
                        let result = json!({ "smartmeter:grid_e": rows.collect::<Vec<_>>() });
                        json!({"id": asked["id"], "type": "result", "success": true, "result": result})
                    }
                };
                if socket.send(Message::text(answer.to_string())).await.is_err() {
                    return;
                }
            }
        });
        url
    }

    async fn found(hours: Vec<i64>, end: i64) -> Option<f64> {
        let keys = json!({"url": home_assistant(hours).await, "token": "secret"});
        let settings = serde_json::from_value::<Config>(keys).unwrap().settings().unwrap();
        let mut client = Client::connect(settings.address.as_ref().unwrap(), &settings).await.unwrap();
        let series = HourSeries {
            source: "grid".into(),
            name: "E".into(),
            unit: "kWh".into(),
            source_label: None,
            label: None,
            meaning: Meaning::of("E", Some("kWh"), None),
            figure: Figure::Counted,
            complete: end..end + HOUR,
        };
        let [statistic] = &Ids::default().statistics(&[series], "")[..] else { panic!() };
        sum_before(&mut client, statistic, end).await.unwrap()
    }

    #[tokio::test]
    async fn the_sum_before_a_journal_is_found_after_twenty_years_of_hours() {
        let hours = 20 * 365 * 24;
        let all: Vec<_> = (0..hours).map(|hour| hour * HOUR).collect();
        let end = (hours - 10) * HOUR;
        assert_eq!(found(all, end).await, Some((hours - 11) as f64));
    }

    #[tokio::test]
    async fn the_sum_before_a_journal_is_found_across_a_gap_and_a_month_without_older_hours() {
        let month = 30 * 24;
        let end = (50 * month + 5) * HOUR;
        assert_eq!(found(vec![7 * HOUR, end, end + HOUR], end).await, Some(7.0));
        assert_eq!(found(vec![end], end).await, None);
    }
}

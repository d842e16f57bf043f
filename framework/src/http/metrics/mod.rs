//! `/metrics`: readings and status, for Prometheus.
//!
//! Each metric has one unit, without a prefix, which is part of its name: energy is in joules, so that its `rate()` is
//! in watts. Numbers are converted exactly.

mod exposition;
mod process;
mod reading;

use std::{future::ready, sync::Arc, time::Instant};

use warp::{
    filters::BoxedFilter,
    http::{HeaderValue, StatusCode, header},
    reply::Response,
};

use self::exposition::{Exposition, Family, families};
use super::{
    health::{self, Report},
    reply,
};
use crate::{Scaled, Timestamp, nightly::BackupStatus, publish::Delivery, store::Section};

families! {
    LAST_READING: gauge "meter_last_reading_timestamp_seconds" "Time of the newest readings.";
    READER_UP: gauge "meter_reader_up" "1 while readings arrive and are not stale, else 0.";
    TELEGRAMS: counter "meter_telegrams_total" "Telegrams by result.";
    EVENTS: counter "meter_plugin_events_total" "Events counted by the plugin.";
    REOPENED: counter "meter_reader_reopened_total" "Reopenings of the device after a fault.";
    READER_PANICS: counter "meter_reader_panics_total" "Panics of the source.";
    PUBLISHER_UP: gauge "smartmeter_publisher_up" "1 while records arrive or there was none yet, else 0.";
    RECORDS: counter "smartmeter_publisher_records_total" "Records delivered, or hours by a publisher of history.";
    FAILURES: counter "smartmeter_publisher_failures_total" "Failed attempts.";
    REFUSED: counter "smartmeter_publisher_refused_total" "Records rejected permanently by the server.";
    EXPIRED: counter "smartmeter_publisher_expired_total" "Records that became too old to deliver.";
    PUBLISHER_PANICS: counter "smartmeter_publisher_panics_total" "Panics of the publisher.";
    PUBLISHER_EVENTS: counter "smartmeter_publisher_events_total" "Events counted by the plugin.";
    BACKLOG: gauge "smartmeter_publisher_backlog" "Batches in the journal that the publisher has not looked at yet.";
    OLDEST: gauge "smartmeter_publisher_oldest_seconds" "Age of the oldest reading that waits; 0 if none does.";
    DELIVERED_TO: gauge "smartmeter_publisher_delivered_to_timestamp_seconds" "End of the hours that a publisher of history has delivered.";
    LAST_SUCCESS: gauge "smartmeter_publisher_last_success_timestamp_seconds" "Time of the last delivery.";
    JOURNAL_UP: gauge "smartmeter_journal_up" "1 while readings are recorded safely, else 0.";
    BACKUP_UP: gauge "smartmeter_backup_up" "1 while the newest backup is good and not overdue, else 0.";
    BACKUP_AGE: gauge "smartmeter_backup_age_seconds" "Age of the newest good backup.";
    BACKUP_SIZE: gauge "smartmeter_backup_size_bytes" "Length of the newest good backup.";
    OMITTED: gauge "smartmeter_readings_omitted" "Readings left out, as this answer would be too long.";
    BUILD: gauge "smartmeter_build_info" "The value 1, labelled with the program's version.";
}

/// Content type of the exposition format 0.0.4.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Most readings of a source that are shown: a meter that makes up registers must not fill a database.
const MOST_READINGS: usize = 500;
/// Length of an answer, in bytes, from which on further readings are left out: 30,000 readings of real meters. The
/// memory for an answer must not depend on what meters send.
const LONGEST: usize = 4 << 20;

/// `/metrics`.
pub(super) fn routes(report: &Arc<Report>) -> BoxedFilter<(Response,)> {
    let report = Arc::clone(report);
    reply::read_only("metrics", move |_| ready(answer(&report)))
}

fn answer(report: &Report) -> Response {
    let now = Instant::now();
    let mut out = Exposition::default();
    let mut omitted = 0;
    for section in &*report.store.sections() {
        add_section(&mut out, section, now, &mut omitted);
    }
    if omitted > 0 {
        out.add(&OMITTED, &[], omitted);
    }
    for publisher in &*report.roster.publishers() {
        add_publisher(&mut out, publisher, Timestamp::now());
    }
    if let Some(status) = report.journal.status() {
        out.add(&JOURNAL_UP, &[], u8::from(status.open && status.problem.is_none()));
    }
    if let Some(backup) = report.roster.backup() {
        add_backup(&mut out, &backup, Timestamp::now());
    }
    out.add(&BUILD, &[("version", env!("CARGO_PKG_VERSION"))], 1);
    process::add(&mut out, report.started);
    let mut response = reply::json(StatusCode::OK, out.text());
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response
}

fn add_section(out: &mut Exposition, section: &Section, now: Instant, omitted: &mut usize) {
    let (meter, health) = (("meter", &*section.name), &section.health);
    let view = section.view(now);
    // A stale reading is absent, because a level line in a graph would be wrong.
    if let Some(view) = view.as_ref().filter(|view| !view.stale) {
        let readings = view.snapshot.batch.readings.iter();
        for reading in readings.take(MOST_READINGS) {
            match out.length() < LONGEST {
                true => reading::add(out, meter.1, reading),
                false => *omitted += 1,
            }
        }
    }
    if let Some(view) = &view {
        out.add(&LAST_READING, &[meter], Scaled::seconds(view.snapshot.batch.taken_at));
    }
    out.add(&READER_UP, &[meter, ("plugin", section.plugin)], u8::from(health::is_delivering(section, now)));
    for (result, count) in
        [("ok", &health.batches), ("malformed", &health.malformed), ("superseded", &health.superseded)]
    {
        out.add(&TELEGRAMS, &[meter, ("result", result)], count.get());
    }
    for (event, count) in health.status.stats.counters() {
        out.add(&EVENTS, &[meter, ("event", event)], count);
    }
    out.add(&REOPENED, &[meter], health.reopened.get());
    out.add(&READER_PANICS, &[meter], health.status.panics.get());
}

fn add_backup(out: &mut Exposition, backup: &BackupStatus, now: Timestamp) {
    out.add(&BACKUP_UP, &[], u8::from(backup.problem(now).is_none()));
    if let Some((age, good)) = backup.age(now).zip(backup.last.as_ref()) {
        out.add(&BACKUP_AGE, &[], age.as_secs());
        out.add(&BACKUP_SIZE, &[], good.size);
    }
}

fn add_publisher(out: &mut Exposition, publisher: &Delivery, now: Timestamp) {
    let name = ("publisher", &*publisher.name);
    out.add(&PUBLISHER_UP, &[name, ("plugin", publisher.plugin)], u8::from(health::is_well(publisher)));
    for (family, count) in [
        (&RECORDS, &publisher.records),
        (&FAILURES, &publisher.failures),
        (&REFUSED, &publisher.refused),
        (&EXPIRED, &publisher.expired),
        (&PUBLISHER_PANICS, &publisher.status.panics),
    ] {
        out.add(family, &[name], count.get());
    }
    for (event, count) in publisher.status.stats.counters() {
        out.add(&PUBLISHER_EVENTS, &[name, ("event", event)], count);
    }
    match publisher.delivered_to() {
        None => {
            out.add(&BACKLOG, &[name], publisher.backlog());
            let oldest = publisher.oldest();
            let waits = oldest.map_or(0, |oldest| now.as_second().saturating_sub(oldest.as_second()));
            out.add(&OLDEST, &[name], waits.max(0));
        }
        Some(end) => {
            if let Some(end) = end {
                out.add(&DELIVERED_TO, &[name], Scaled::seconds(end));
            }
        }
    }
    if let Some(at) = publisher.status.last_success() {
        out.add(&LAST_SUCCESS, &[name], Scaled::seconds(at));
    }
}

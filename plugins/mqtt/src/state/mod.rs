//! State messages: one JSON object for each record, and its topic.

use std::{
    collections::BTreeMap,
    iter,
    sync::Arc,
    time::{Duration, Instant},
};

use framework::{Batch, PublisherContext, Reading, Record, Route, Store, Text, Timestamp, Value, json};
use serde::Serializer as _;
use tokio::sync::watch;

use crate::{
    config::{Late, Settings},
    connection::Message,
    topics::Topics,
};

/// Age at delivery above which a record is late, unless the device shows nothing newer.
const LATE: Duration = Duration::from_secs(30);
/// Difference below which two times mean the same batch: the journal dates one of two simultaneous batches a little
/// later.
const SAME: Duration = Duration::from_secs(1);
/// Maximum number of members in a source's object. Only a device that makes up names has more.
const MAX_MEMBERS: usize = 2500;

/// Readings that were seen, by source and name, each as it came first.
pub(crate) type Seen = BTreeMap<Text, BTreeMap<Text, Reading>>;

/// Makes messages of records, and remembers the last value of each reading.
#[derive(Debug)]
pub(crate) struct Sections {
    store: Arc<Store>,
    route: Arc<Route>,
    topics: Topics,
    late: Late,
    retain: bool,
    sections: BTreeMap<Text, Section>,
    seen: watch::Sender<Seen>,
}

/// Members of a source's object.
#[derive(Debug, Default)]
struct Section {
    /// Time of the newest record without a time of its own.
    taken_at: Option<Timestamp>,
    members: BTreeMap<Text, Value>,
}

impl Sections {
    pub(crate) fn new(cx: &PublisherContext, settings: &Settings) -> Self {
        Self {
            store: Arc::clone(&cx.store),
            route: Arc::clone(&cx.route),
            topics: settings.topics.clone(),
            late: settings.keys.late,
            retain: settings.keys.retain,
            sections: BTreeMap::new(),
            seen: watch::Sender::new(Seen::new()),
        }
    }

    /// Subscribes to the readings that were seen.
    pub(crate) fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Returns the names of all selected sources.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.store.sections().iter().map(|section| section.name.as_str());
        names.filter(|name| self.route.has_source(name))
    }

    /// Returns the message for a record at the time `now`, or `None` if none is sent.
    pub(crate) fn message(&mut self, record: &Record, now: Timestamp) -> Option<Message> {
        let view = self.store.section(&record.section).and_then(|section| section.view(Instant::now()));
        let shown = view.as_ref().map(|view| &view.snapshot.batch);
        let own_time = shown.is_some_and(|shown| has_own_time(record, shown));
        if is_late(record, shown, own_time, now) {
            match self.late {
                Late::Skip => return None,
                Late::History => {
                    let members = record.batch.readings.iter().map(|reading| (&reading.name, &reading.value));
                    let payload = object(record.batch.taken_at, members);
                    return Some(Message {
                        topic: self.topics.history(&record.section),
                        payload,
                        retain: false,
                    });
                }
                Late::State => {}
            }
        }
        let section = self.sections.entry(record.section.clone()).or_default();
        let texts = shown.into_iter().flat_map(|shown| &shown.readings);
        // The numbers in the record are selected already.
        let texts = texts.filter(|reading| {
            matches!(reading.value, Value::Text(_)) && self.route.has_series(&reading.name)
        });
        for reading in record.batch.readings.iter().chain(texts) {
            if section.set(&reading.name, &reading.value) {
                self.seen.send_modify(|seen| {
                    let names = seen.entry(record.section.clone()).or_default();
                    names.insert(reading.name.clone(), reading.clone());
                });
            }
        }
        if own_time {
            let time = Value::Text(json::timestamp(record.batch.taken_at).into());
            for reading in &record.batch.readings {
                section.set(&format!("{}_timestampUTC", reading.name), &time);
            }
        } else {
            section.taken_at = Some(record.batch.taken_at);
        }
        let payload = object(section.taken_at.unwrap_or(record.batch.taken_at), &section.members);
        Some(Message { topic: self.topics.state(&record.section), payload, retain: self.retain })
    }
}

impl Section {
    /// Sets a member. Returns whether it is a new one.
    fn set(&mut self, name: &str, value: &Value) -> bool {
        if let Some(member) = self.members.get_mut(name) {
            member.clone_from(value);
            return false;
        }
        let room = self.members.len() < MAX_MEMBERS;
        if room {
            self.members.insert(name.into(), value.clone());
        }
        room
    }
}

/// Returns whether the device itself dates the registers of a record, such as a gas meter's. They have a record of
/// their own.
fn has_own_time(record: &Record, shown: &Batch) -> bool {
    let dated = |reading: &Reading| shown.get(&reading.name).and_then(own_time).is_some();
    record.batch.readings.iter().all(dated)
}

fn own_time(reading: &Reading) -> Option<Timestamp> {
    reading.time.as_ref().and_then(|time| time.utc)
}

/// Returns whether a record is so late that it must not pass for the current state. The current state may be old too:
/// of a meter that is read once an hour, or of a gas register that is updated once an hour.
fn is_late(record: &Record, shown: Option<&Batch>, own: bool, now: Timestamp) -> bool {
    let taken_at = record.batch.taken_at;
    let newest = shown.and_then(|shown| match own {
        true => record.batch.readings.iter().filter_map(|reading| own_time(shown.get(&reading.name)?)).max(),
        false => Some(shown.taken_at),
    });
    let before = |other: Timestamp, by: Duration| {
        Duration::try_from(other.duration_since(taken_at)).is_ok_and(|behind| behind > by)
    };
    before(now, LATE) && newest.is_none_or(|newest| before(newest, SAME))
}

/// Returns `{"timestampUTC":"…","POWER_IMPORT":4457.153,…}`.
fn object<'m>(taken_at: Timestamp, members: impl IntoIterator<Item = (&'m Text, &'m Value)>) -> Vec<u8> {
    let time = Value::Text(json::timestamp(taken_at).into());
    let members = members.into_iter().map(|(name, value)| (name.as_str(), value));
    let mut out = Vec::new();
    // Writing into memory cannot fail.
    let _ =
        serde_json::Serializer::new(&mut out).collect_map(iter::once(("timestampUTC", &time)).chain(members));
    out
}

#[cfg(test)]
mod tests;

//! State messages: one JSON object for each record, and its topic.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use framework::{Batch, PublisherContext, Reading, Record, Route, Store, Text, Timestamp, Value, json};
use serde::{Serializer as _, ser::SerializeMap as _};
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
pub(crate) const MAX_MEMBERS: usize = 2500;

/// Readings that were seen, by source and name, each as it came first.
pub(crate) type Seen = BTreeMap<Text, BTreeMap<Text, Reading>>;

/// Name of a state's time. That of a reading ends with it.
const TIME: &str = "timestampUTC";

/// Makes messages of records, and remembers the last value of each reading.
#[derive(Debug)]
pub(crate) struct Sections {
    store: Arc<Store>,
    route: Arc<Route>,
    topics: Topics,
    late: Late,
    retain: bool,
    /// Start of this run. Of an earlier run's states nothing else is known if the broker retains none.
    opened: Timestamp,
    /// Times in the newest state of each topic.
    shown: BTreeMap<String, Shown>,
    sections: BTreeMap<Text, Section>,
    /// Newest late record of each source that nothing newer is shown of, until the broker has acknowledged its state.
    held: BTreeMap<Text, Record>,
    /// Topics whose state was sent without a record of its own, until the broker has acknowledged it: no record comes
    /// again for it.
    unsure: BTreeSet<String>,
    seen: watch::Sender<Seen>,
}

/// Members of a source's object.
#[derive(Debug, Default)]
struct Section {
    /// Time of the newest record without a time of its own.
    taken_at: Option<Timestamp>,
    members: BTreeMap<Text, Member>,
}

/// Last value of a reading.
#[derive(Debug)]
struct Member {
    value: Value,
    time: Timestamp,
    /// Whether the device itself dates it.
    own_time: bool,
}

/// Times in a state, by the names of their members.
#[derive(Debug, Default, Clone)]
pub(crate) struct Shown(BTreeMap<String, Timestamp>);

impl Shown {
    /// Reads the times of a state. `None` if it is not one of this plugin's.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let members: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(payload).ok()?;
        let times = members.into_iter().filter(|(name, _)| name.ends_with(TIME));
        let times: BTreeMap<_, _> =
            times.filter_map(|(name, time)| Some((name, time.as_str()?.parse().ok()?))).collect();
        times.contains_key(TIME).then_some(Self(times))
    }

    /// Returns the time of the state itself.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.0.get(TIME).copied()
    }

    fn set(&mut self, name: &str, time: Timestamp) {
        match self.0.get_mut(name) {
            Some(shown) => *shown = time,
            None => drop(self.0.insert(name.to_owned(), time)),
        }
    }

    /// Returns whether a member with this time would go back. A time in the future is void: the clock was ahead.
    fn is_ahead(&self, name: &str, time: Timestamp, now: Timestamp) -> bool {
        self.0.get(name).is_some_and(|shown| *shown > time && *shown <= now)
    }
}

impl Sections {
    pub(crate) fn new(cx: &PublisherContext, settings: &Settings) -> Self {
        Self {
            store: Arc::clone(&cx.store),
            route: Arc::clone(&cx.route),
            topics: settings.topics.clone(),
            late: settings.keys.late,
            retain: settings.keys.retain,
            opened: Timestamp::now(),
            shown: BTreeMap::new(),
            sections: BTreeMap::new(),
            held: BTreeMap::new(),
            unsure: BTreeSet::new(),
            seen: watch::Sender::new(Seen::new()),
        }
    }

    /// Subscribes to the readings that were seen.
    pub(crate) fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.subscribe()
    }

    /// Returns the names of all selected sources.
    pub(crate) fn names(&self) -> Vec<Text> {
        let sections = self.store.sections();
        let names = sections.iter().map(|section| section.name.clone());
        names.filter(|name| self.route.has_source(name)).collect()
    }

    /// Takes the states that the broker retains, by topic. It may lack those that were sent last.
    pub(crate) fn found(&mut self, retained: BTreeMap<String, Shown>) {
        self.unsure.retain(|topic| !retained.contains_key(topic));
        self.shown.extend(retained);
    }

    /// Remembers that the broker has acknowledged a state. One without an acknowledgement is sent again.
    pub(crate) fn acknowledged(&mut self, Message { topic, time, .. }: &Message) {
        if time.is_some() && self.unsure.remove(topic) {
            self.held.retain(|name, record| {
                *time < Some(record.batch.taken_at) || self.topics.state(name) != *topic
            });
        }
    }

    /// Returns the states to send before these records, which have waited: of each source whose newest batch comes after
    /// them. Nobody has to wait for the newest state until a backlog is delivered.
    pub(crate) fn ahead_of(&mut self, records: &[Record], now: Timestamp) -> Vec<Message> {
        let has_waited = records.first().is_some_and(|first| is_before(first.batch.taken_at, now, LATE));
        // Averages come of few batches, and not of a single one.
        if !has_waited || self.late == Late::State || self.route.interval.is_some() {
            return Vec::new();
        }
        let mut messages = Vec::new();
        for name in self.names() {
            let view = self.store.section(&name).and_then(|section| section.view(Instant::now()));
            let Some(view) = view else { continue };
            let current = &view.snapshot.batch;
            let mut of_source = records.iter().rev().filter(|record| record.section == name);
            let comes = of_source.any(|record| !is_before(record.batch.taken_at, current.taken_at, LATE));
            let shown = self.shown.get(&self.topics.state(&name)).and_then(Shown::time);
            let is_shown = shown.is_some_and(|shown| !is_before(shown, current.taken_at, SAME));
            if comes || is_shown && !self.unsure.contains(&self.topics.state(&name)) {
                continue;
            }
            let selected = current.readings.iter().filter(|reading| {
                matches!(reading.value, Value::Number(_)) && self.route.has_series(&reading.name)
            });
            let (dated, numbers): (Vec<_>, Vec<_>) =
                selected.cloned().partition(|reading| own_time(reading).is_some());
            if numbers.is_empty() {
                continue;
            }
            // The state has the registers that the device dates, before their own records come.
            let topic = self.topics.state(&name);
            self.unsure.insert(topic.clone());
            let shown = self.shown.entry(topic).or_default();
            let section = self.sections.entry(name.clone()).or_default();
            for reading in &dated {
                if let Some(time) = own_time(reading)
                    && !shown.is_ahead(&time_name(&reading.name), time, now)
                {
                    shown.set(&time_name(&reading.name), time);
                    if section.set(reading, time, true) {
                        see(&self.seen, &name, reading);
                    }
                }
            }
            let batch = Batch { taken_at: current.taken_at, readings: numbers };
            messages.extend(self.message(&Record { section: name, batch }, now).filter(Message::is_state));
        }
        messages
    }

    /// Returns the states to send when no record waits any more: late ones that nothing newer came after. The device
    /// may be silent, or be read once an hour.
    pub(crate) fn left_behind(&mut self) -> Vec<Message> {
        let Self { topics, shown, unsure, sections, held, .. } = self;
        let mut messages = Vec::new();
        held.retain(|name, record| {
            let (topic, taken_at) = (topics.state(name), record.batch.taken_at);
            let shown = shown.entry(topic.clone()).or_default();
            let is_shown = match shown.time() {
                Some(shown) if shown == taken_at => !unsure.contains(&topic),
                Some(shown) => shown > taken_at,
                None => false,
            };
            if is_shown {
                return false;
            }
            // The state has all other members, too: a consumer takes one that is absent for an empty one.
            let view = self.store.section(name).and_then(|section| section.view(Instant::now()));
            let texts = view.as_ref().map(|view| texts(&view.snapshot.batch, &self.route));
            let section = sections.entry(name.clone()).or_default();
            for reading in record.batch.readings.iter().chain(texts.into_iter().flatten()) {
                if section.set(reading, taken_at, false) {
                    see(&self.seen, name, reading);
                }
            }
            section.taken_at = Some(taken_at);
            shown.set(TIME, taken_at);
            let payload = section.object(taken_at);
            unsure.insert(topic.clone());
            messages.push(Message { topic, payload, retain: self.retain, time: Some(taken_at) });
            true
        });
        messages
    }

    /// Returns the message for a record at the time `now`, or `None` if none is sent.
    ///
    /// The state only moves forward. An older record goes to the history: it is late, or it comes again after the
    /// program or the connection has ended.
    pub(crate) fn message(&mut self, record: &Record, now: Timestamp) -> Option<Message> {
        let view = self.store.section(&record.section).and_then(|section| section.view(Instant::now()));
        let current = view.as_ref().map(|view| &view.snapshot.batch);
        let own_time = current.is_some_and(|current| has_own_time(record, current));
        let newest = current.and_then(|current| newest(record, current, own_time));
        let taken_at = record.batch.taken_at;
        let is_newest = newest.is_some_and(|newest| !is_before(taken_at, newest, SAME));
        let is_unknown = !self.retain && taken_at < self.opened;
        let is_late =
            !is_newest && (is_unknown || self.late != Late::State && is_before(taken_at, now, LATE));
        let topic = self.topics.state(&record.section);
        let section = self.sections.entry(record.section.clone()).or_default();
        let shown = match self.shown.get_mut(&topic) {
            Some(shown) => shown,
            None => self.shown.entry(topic.clone()).or_default(),
        };
        let numbers = &record.batch.readings;
        let is_old = is_late
            || match own_time {
                true => {
                    numbers.iter().any(|reading| shown.is_ahead(&time_name(&reading.name), taken_at, now))
                }
                false => shown.is_ahead(TIME, taken_at, now),
            };
        // A register joins the state of all others, and has to wait for one that is new enough.
        let time = section.taken_at.filter(|_| own_time).unwrap_or(taken_at);
        let must_wait = own_time && shown.is_ahead(TIME, time, now);
        if !is_old {
            // The numbers in the record are selected already.
            let texts = current.into_iter().flat_map(|current| texts(current, &self.route));
            let numbers = numbers.iter().map(|reading| (reading, taken_at, own_time));
            for (reading, time, own_time) in numbers.chain(texts.map(|text| (text, time, false))) {
                if section.set(reading, time, own_time) {
                    see(&self.seen, &record.section, reading);
                }
            }
        }
        if is_late && !own_time && self.late != Late::State {
            self.held.insert(record.section.clone(), record.clone());
        } else if !is_old {
            self.held.remove(&record.section);
        }
        if is_old || must_wait {
            let members = numbers.iter().map(|reading| (&*reading.name, &reading.value, None));
            let (topic, payload) = (self.topics.history(&record.section), object(taken_at, members));
            return (self.late != Late::Skip).then_some(Message {
                topic,
                payload,
                retain: false,
                time: None,
            });
        }
        if own_time {
            numbers.iter().for_each(|reading| shown.set(&time_name(&reading.name), taken_at));
        } else {
            section.taken_at = Some(taken_at);
        }
        shown.set(TIME, time);
        Some(Message { topic, payload: section.object(time), retain: self.retain, time: Some(time) })
    }
}

impl Section {
    /// Sets a member. Returns whether it is a new one.
    fn set(&mut self, reading: &Reading, time: Timestamp, own_time: bool) -> bool {
        if let Some(member) = self.members.get_mut(&reading.name) {
            member.value.clone_from(&reading.value);
            (member.time, member.own_time) = (time, own_time);
            return false;
        }
        let room = self.members.len() < MAX_MEMBERS;
        if room {
            let member = Member { value: reading.value.clone(), time, own_time };
            self.members.insert(reading.name.clone(), member);
        }
        room
    }

    /// Returns the state with all members at a time. One of another time has its own beside it.
    fn object(&self, time: Timestamp) -> Vec<u8> {
        let members = self.members.iter().map(|(name, Member { value, time: dated, own_time })| {
            (&**name, value, Some(*dated).filter(|dated| *own_time || *dated != time))
        });
        object(time, members)
    }
}

/// Adds a reading to those that were seen.
fn see(seen: &watch::Sender<Seen>, source: &Text, reading: &Reading) {
    seen.send_modify(|seen| {
        let names = seen.entry(source.clone()).or_default();
        names.insert(reading.name.clone(), reading.clone());
    });
}

/// Returns the selected texts of a batch. Records have only numbers.
fn texts<'b>(batch: &'b Batch, route: &'b Route) -> impl Iterator<Item = &'b Reading> {
    let is_text = |reading: &&Reading| matches!(reading.value, Value::Text(_));
    batch.readings.iter().filter(is_text).filter(|reading| route.has_series(&reading.name))
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

/// Returns the time of the newest record of this kind. It may be old: of a meter that is read once an hour, or of a gas
/// register that is updated once an hour.
fn newest(record: &Record, current: &Batch, own: bool) -> Option<Timestamp> {
    match own {
        true => {
            record.batch.readings.iter().filter_map(|reading| own_time(current.get(&reading.name)?)).max()
        }
        false => Some(current.taken_at),
    }
}

/// Returns whether a time is before another by more than `by`.
fn is_before(time: Timestamp, other: Timestamp, by: Duration) -> bool {
    Duration::try_from(other.duration_since(time)).is_ok_and(|behind| behind > by)
}

/// Returns the name of the member with a reading's time.
fn time_name(reading: &str) -> String {
    format!("{reading}_{TIME}")
}

/// Returns `{"timestampUTC":"…","POWER_IMPORT":4457.153,…}`. A member may have a time of its own.
pub(crate) fn object<'m>(
    time: Timestamp,
    members: impl IntoIterator<Item = (&'m str, &'m Value, Option<Timestamp>)>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut out);
    let write = || {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(TIME, &json::timestamp(time))?;
        for (name, value, time) in members {
            map.serialize_entry(name, value)?;
            if let Some(time) = time {
                map.serialize_entry(&time_name(name), &json::timestamp(time))?;
            }
        }
        map.end()
    };
    // Writing into memory cannot fail.
    let _: Result<(), serde_json::Error> = write();
    out
}

#[cfg(test)]
mod tests;

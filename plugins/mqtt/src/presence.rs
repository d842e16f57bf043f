//! Everything beside the records: availability of the sources, discovery, and incoming messages.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use framework::{PublisherContext, Reading, Section, State, Text, Timestamp, Value};
use rumqttc::{ClientError, Publish};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use crate::{
    commands::Runner,
    config::{Discovery, Settings},
    connection::{Connection, Link, Message},
    discovery::Announcer,
    state::{self, Seen},
};

/// Interval of checks for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reports the sources while there is a connection, and handles incoming messages.
pub(crate) struct Presence {
    settings: Arc<Settings>,
    cx: PublisherContext,
    link: Link,
    seen: watch::Receiver<Seen>,
    announcer: Announcer,
    runner: Runner,
    /// Availability of each source, as sent on this connection.
    available: BTreeMap<Text, bool>,
    /// Time of the newest state of each source without numbers, as sent on this connection.
    texts: BTreeMap<Text, Timestamp>,
    /// Whether the subscriptions were made on this connection.
    subscribed: bool,
}

impl Presence {
    pub(crate) fn new(
        settings: Arc<Settings>,
        cx: PublisherContext,
        link: Link,
        seen: watch::Receiver<Seen>,
    ) -> Self {
        let runner = Runner::new(cx.clone());
        Self {
            settings,
            cx,
            link,
            seen,
            announcer: Announcer::default(),
            runner,
            available: BTreeMap::new(),
            texts: BTreeMap::new(),
            subscribed: false,
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Publish>) {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.link.changed() => {
                    self.available.clear();
                    self.texts.clear();
                    self.subscribed = false;
                    self.announcer.reset();
                }
                _ = checks.tick() => {}
                Some(message) = inbox.recv() => {
                    self.receive(&message);
                    continue;
                }
            }
            if let Some(connection) = self.link.now() {
                // A full queue accepts the rest with the next check.
                let _ = self.report(&connection);
            }
        }
    }

    fn report(&mut self, connection: &Connection) -> Result<(), ClientError> {
        let Settings { topics, keys, .. } = &*self.settings;
        if !self.subscribed && connection.may_subscribe() {
            if keys.discovery != Discovery::Off {
                connection.subscribe(topics.birth())?;
            }
            if keys.allow_commands {
                connection.subscribe(topics.commands())?;
            }
            self.subscribed = true;
        }
        let wanted = |name: &str| self.cx.route.has_source(name);
        let sections = self.cx.store.sections();
        for section in sections.iter().filter(|section| wanted(&section.name)) {
            let available = match section.view(std::time::Instant::now()) {
                Some(view) => !view.stale,
                None => has_no_readings(section),
            };
            if self.available.get(&section.name) != Some(&available) {
                let word = if available { "online" } else { "offline" };
                connection.send(Message::retained(topics.availability(&section.name), word))?;
                self.available.insert(section.name.clone(), available);
            }
        }
        // A reload may have removed a source.
        let is_gone = |name: &Text| !sections.iter().any(|section| section.name == *name);
        for (name, available) in
            self.available.iter_mut().filter(|(name, available)| **available && is_gone(name))
        {
            connection.send(Message::retained(topics.availability(name), "offline"))?;
            *available = false;
        }
        self.report_texts(connection)?;
        let Settings { keys, .. } = &*self.settings;
        if keys.discovery != Discovery::Off {
            for section in sections.iter().filter(|section| self.cx.route.has_source(&section.name)) {
                if keys.allow_commands && has_no_readings(section) {
                    self.announcer.learn(&Seen::from([(section.name.clone(), BTreeMap::new())]));
                }
            }
            if self.seen.has_changed().unwrap_or(false) {
                self.announcer.learn(&self.seen.borrow_and_update());
            }
            self.announcer.update(&self.settings, &self.cx, connection)?;
        }
        Ok(())
    }

    /// Sends the state of each source without numbers. The journal has numbers only, so there are no records of it.
    fn report_texts(&mut self, connection: &Connection) -> Result<(), ClientError> {
        let Self { settings, cx, link, seen, announcer, texts, .. } = self;
        let is_number = |reading: &&Reading| matches!(reading.value, Value::Number(_));
        let sections = cx.store.sections();
        let sections = sections.iter().filter(|section| cx.route.has_source(&section.name));
        for Section { name, .. } in sections.map(|section| &**section) {
            let view = cx.store.section(name).and_then(|section| section.view(std::time::Instant::now()));
            let Some(view) = view else { continue };
            let batch = &view.snapshot.batch;
            let readings = batch.readings.iter().filter(|reading| cx.route.has_series(&reading.name));
            let readings: Vec<_> = readings.take(state::MAX_MEMBERS).collect();
            let has_records =
                seen.borrow().get(name).is_some_and(|seen| seen.values().any(|one| is_number(&one)));
            if readings.is_empty()
                || has_records
                || readings.iter().any(is_number)
                || texts.get(name) == Some(&batch.taken_at)
            {
                continue;
            }
            let members = readings.iter().map(|reading| (&*reading.name, &reading.value, None));
            let message = Message {
                topic: settings.topics.state(name),
                payload: state::object(batch.taken_at, members),
                retain: settings.keys.retain,
                time: Some(batch.taken_at),
            };
            connection.send(message.clone())?;
            link.sent(&message);
            texts.insert(name.clone(), batch.taken_at);
            let readings = readings.into_iter().map(|reading| (reading.name.clone(), reading.clone()));
            announcer.learn(&Seen::from([(name.clone(), readings.collect())]));
        }
        Ok(())
    }

    fn receive(&mut self, message: &Publish) {
        let Settings { topics, keys, .. } = &*self.settings;
        let Ok(topic) = std::str::from_utf8(&message.topic) else { return };
        if topic == topics.birth() {
            if &*message.payload == b"online" {
                self.announcer.announce_again();
            }
        } else if topic.starts_with(&topics.discovery) && topic.ends_with("/config") {
            // A message that is not retained is the plugin's own, on its way to Home Assistant.
            if message.retain && !message.payload.is_empty() {
                self.announcer.found(topic);
            }
        } else if keys.allow_commands {
            self.runner.call(topics, topic, message);
        }
    }
}

/// Returns whether a source works without any readings: it has commands only.
fn has_no_readings(section: &Section) -> bool {
    section.health.status.state() == State::Delivering && section.view(std::time::Instant::now()).is_none()
}

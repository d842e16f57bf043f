//! What is said beside the records: whether a section is there, what Home Assistant must know of it; and what is heard.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use framework::{PublisherContext, Text};
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
    state::Seen,
};

/// How often it is looked for changes.
const LOOK: Duration = Duration::from_secs(1);

/// Speaks for the house while there is a connection.
pub(crate) struct Presence {
    settings: Arc<Settings>,
    house: PublisherContext,
    link: Link,
    seen: watch::Receiver<Seen>,
    announcer: Announcer,
    runner: Runner,
    /// What was said of each section on this connection.
    available: BTreeMap<Text, bool>,
    /// Whether everything was subscribed on this connection.
    subscribed: bool,
}

impl Presence {
    pub(crate) fn new(
        settings: Arc<Settings>,
        house: PublisherContext,
        link: Link,
        seen: watch::Receiver<Seen>,
    ) -> Self {
        let runner = Runner::new(settings.instance.clone(), house.clone());
        Self {
            settings,
            house,
            link,
            seen,
            announcer: Announcer::default(),
            runner,
            available: BTreeMap::new(),
            subscribed: false,
        }
    }

    /// Goes on until it is dropped.
    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Publish>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.link.changed() => {
                    self.available.clear();
                    self.subscribed = false;
                    self.announcer.reset();
                }
                _ = looks.tick() => {}
                Some(message) = inbox.recv() => {
                    self.hear(&message);
                    continue;
                }
            }
            if let Some(connection) = self.link.now() {
                // What the connection does not take now is said the next time.
                let _ = self.speak(&connection);
            }
        }
    }

    fn speak(&mut self, connection: &Connection) -> Result<(), ClientError> {
        let Settings { topics, discovery, allow_commands, .. } = &*self.settings;
        if !self.subscribed && connection.hears() {
            if *discovery != Discovery::Off {
                connection.subscribe(topics.birth())?;
            }
            if *allow_commands {
                connection.subscribe(topics.commands())?;
            }
            self.subscribed = true;
        }
        let wanted = |name: &str| self.house.route.has_source(name);
        for section in self.house.store.sections().iter().filter(|section| wanted(&section.name)) {
            let available = section.view(std::time::Instant::now()).is_some_and(|view| !view.stale);
            if self.available.get(&section.name) != Some(&available) {
                let word = if available { "online" } else { "offline" };
                connection.send(Message::retained(topics.availability(&section.name), word))?;
                self.available.insert(section.name.clone(), available);
            }
        }
        if *discovery != Discovery::Off {
            if self.seen.has_changed().unwrap_or(false) {
                self.announcer.learn(&self.seen.borrow_and_update());
            }
            self.announcer.look(&self.settings, &self.house, connection)?;
        }
        Ok(())
    }

    fn hear(&mut self, message: &Publish) {
        let Settings { topics, allow_commands, .. } = &*self.settings;
        let Ok(topic) = std::str::from_utf8(&message.topic) else { return };
        if topic == topics.birth() {
            if &*message.payload == b"online" {
                self.announcer.again();
            }
        } else if topic.starts_with(&topics.discovery) && topic.ends_with("/config") {
            // What is not kept is our own, on its way to Home Assistant.
            if message.retain && !message.payload.is_empty() {
                self.announcer.found(topic);
            }
        } else if *allow_commands {
            self.runner.call(topics, topic, message);
        }
    }
}

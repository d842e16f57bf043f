//! Tells Home Assistant what there is, and keeps it told.
//!
//! A section is announced when its readings have been the same for a while. Before that, the messages of the other form
//! are looked for, which an earlier configuration may have left at the broker: they are handed over, not left as twins.

mod classes;
mod entities;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use framework::{CommandSpec, PublisherContext, Reading, Text};
use rumqttc::ClientError;
use tokio::time::Instant;

use self::entities::{Device, number, object};
use crate::{
    config::{Discovery, Settings},
    connection::{Connection, Message},
    state::Seen,
};

/// So long nothing new must have been seen of a section. Home Assistant loses changes that come while it is still busy
/// with those before.
const QUIET: Duration = Duration::from_secs(3);
/// Home Assistant's word for: let go of these entities, another message will take them.
const HAND_OVER: &str = r#"{"migrate_discovery":true}"#;

/// Announces sections.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    sections: BTreeMap<Text, Section>,
}

/// What is known of a section, and what of it was announced.
#[derive(Debug)]
struct Section {
    readings: BTreeMap<Text, Reading>,
    /// When the last of them was new.
    grown: Instant,
    /// The meter's number, and how good it is.
    number: Option<(usize, Text)>,
    id: String,
    step: Step,
    /// Whether there is more than was announced.
    news: bool,
    /// What was announced, by topic.
    announced: BTreeMap<String, Vec<u8>>,
    /// Topics of the other form that the broker has messages of.
    others: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Messages of the other form are to be asked for.
    Ask,
    /// They come within a second, if there are any.
    Wait,
    /// Ours are in their place.
    Done,
}

impl Announcer {
    /// A new connection: the broker may have forgotten everything.
    pub(crate) fn reset(&mut self) {
        for section in self.sections.values_mut() {
            section.step = Step::Ask;
            section.others.clear();
            section.news = true;
        }
    }

    /// Home Assistant was started: it is told again.
    pub(crate) fn again(&mut self) {
        self.sections.values_mut().for_each(|section| section.news = true);
    }

    /// Takes over what was seen.
    pub(crate) fn learn(&mut self, seen: &Seen) {
        for (name, readings) in seen {
            let section = self.sections.entry(name.clone()).or_insert_with(Section::new);
            for (name, reading) in readings {
                if !section.readings.contains_key(name) {
                    section.readings.insert(name.clone(), reading.clone());
                    section.grown = Instant::now();
                    section.news = true;
                }
            }
        }
    }

    /// A message of discovery that the broker had kept. Only those of the other form are asked for.
    pub(crate) fn found(&mut self, topic: &str) {
        for section in self.sections.values_mut() {
            if section.step == Step::Wait && topic.split('/').any(|level| level == section.id) {
                section.others.insert(topic.to_owned());
            }
        }
    }

    /// Does what is to be done now; once a second.
    ///
    /// # Errors
    /// Where the connection takes nothing more. The rest is done the next time.
    pub(crate) fn look(
        &mut self,
        settings: &Settings,
        house: &PublisherContext,
        connection: &Connection,
    ) -> Result<(), ClientError> {
        self.identify(settings, house);
        for (name, section) in &mut self.sections {
            if section.id.is_empty() || section.grown.elapsed() < QUIET {
                continue;
            }
            section.go_on(name, settings, house, connection)?;
        }
        Ok(())
    }

    /// Finds the identifiers of all sections that a batch was seen of.
    fn identify(&mut self, settings: &Settings, house: &PublisherContext) {
        for (name, section) in &mut self.sections {
            let view = house.store.section(name).and_then(|section| section.view(std::time::Instant::now()));
            let Some(view) = view else { continue };
            let readings = &view.snapshot.batch.readings;
            if let Some((rank, text)) = number(readings, &house.route)
                && section.number.as_ref().is_none_or(|(known, _)| rank <= *known)
            {
                section.number = Some((rank, text));
            }
            // The journal's readings have no medium in their codes; these have.
            for reading in readings {
                if let Some(known) = section.readings.get_mut(&reading.name) {
                    known.clone_from(reading);
                }
            }
            if section.id.is_empty() {
                section.id = object(&format!("{}_{name}", settings.topics.prefix));
            }
        }
        // One meter that is read in two ways is two devices.
        let mut counts = BTreeMap::<Text, usize>::new();
        let numbers = self.sections.values().filter_map(|section| section.number.as_ref());
        numbers.for_each(|(_, number)| *counts.entry(number.clone()).or_default() += 1);
        for (name, section) in &mut self.sections {
            let Some((_, number)) = &section.number else { continue };
            let id = match counts.get(number) {
                Some(2..) => object(&format!("smartmeter_{number}_{name}")),
                _ => object(&format!("smartmeter_{number}")),
            };
            if id != section.id {
                section.id = id;
                section.step = Step::Ask;
                section.news = true;
            }
        }
    }
}

impl Section {
    fn new() -> Self {
        Self {
            readings: BTreeMap::new(),
            grown: Instant::now(),
            number: None,
            id: String::new(),
            step: Step::Ask,
            news: true,
            announced: BTreeMap::new(),
            others: BTreeSet::new(),
        }
    }

    fn go_on(
        &mut self,
        name: &str,
        settings: &Settings,
        house: &PublisherContext,
        connection: &Connection,
    ) -> Result<(), ClientError> {
        let Settings { topics, discovery, allow_commands, .. } = settings;
        match self.step {
            Step::Ask => {
                connection.subscribe(match discovery {
                    Discovery::Device => topics.entity("+", &self.id, "+"),
                    Discovery::Entity | Discovery::Off => topics.device(&self.id),
                })?;
                self.step = Step::Wait;
                return Ok(());
            }
            Step::Wait => {
                while let Some(topic) = self.others.first() {
                    let hand_over =
                        Message { topic: topic.clone(), payload: HAND_OVER.into(), retain: false };
                    connection.send(hand_over)?;
                    // An empty message that follows ours would be a conflict for Home Assistant: first theirs goes.
                    connection.send(Message::retained(topic.clone(), ""))?;
                    self.others.pop_first();
                }
            }
            Step::Done if !self.news => return Ok(()),
            Step::Done => {}
        }
        let device = Device {
            id: &self.id,
            section: name,
            number: self.number.as_ref().map(|(_, number)| number.as_str()),
            readings: self.readings.values().collect(),
            commands: if *allow_commands { commands(house, name) } else { Vec::new() },
        };
        self.announce(device.messages(*discovery, topics), connection)?;
        self.step = Step::Done;
        Ok(())
    }

    fn announce(
        &mut self,
        messages: BTreeMap<String, Vec<u8>>,
        connection: &Connection,
    ) -> Result<(), ClientError> {
        // With another identifier, those before are in the way.
        while let Some((topic, _)) = self.announced.iter().find(|(topic, _)| !messages.contains_key(*topic)) {
            let topic = topic.clone();
            connection.send(Message::retained(topic.clone(), ""))?;
            self.announced.remove(&topic);
        }
        for (topic, payload) in &messages {
            connection.send(Message::retained(topic.clone(), payload.clone()))?;
        }
        self.announced = messages;
        self.news = false;
        Ok(())
    }
}

/// The commands of a section.
fn commands<'h>(house: &'h PublisherContext, section: &str) -> Vec<&'h CommandSpec> {
    let of_section =
        |full_name: &str| full_name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
    let all = house.commands.all().iter();
    all.filter(|entry| of_section(&entry.full_name)).map(|entry| entry.command.spec()).collect()
}

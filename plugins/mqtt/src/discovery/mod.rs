//! Home Assistant discovery: announcements of sources and their readings.
//!
//! A source is announced once its readings have been the same for a while. Before that, the announcer looks for
//! messages of the other form, which an earlier configuration may have left at the broker. It hands their entities
//! over: they would otherwise exist twice.
//!
//! ```text
//!            no news for 3 s             a second later
//! Subscribe ─────────────────▶ Collect ─────────────────▶ Announced ──▶ again after news
//!     ▲      to the other form          hand over, announce   │
//!     └────────────── new connection, new identifier ─────────┘
//! ```

mod classes;
mod entities;
#[cfg(test)]
mod tests;

pub use self::classes::{Class, class};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use framework::{CommandSpec, InstalledCommand, Labels, PublisherContext, Reading, Text};
use rumqttc::ClientError;
use tokio::time::Instant;

pub(crate) use self::entities::main_arg;
use self::entities::{Device, number, object};
use crate::{
    config::{Config, Discovery, Settings},
    connection::{Connection, Message},
    state::Seen,
};

/// Time without a new reading after which a source is announced. Home Assistant loses changes that come while it is
/// still busy with earlier ones.
const QUIET: Duration = Duration::from_secs(3);
/// Payload with which Home Assistant releases the entities of a message, for another message to take them.
const HAND_OVER: &str = r#"{"migrate_discovery":true}"#;

/// Announces sources to Home Assistant.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    sections: BTreeMap<Text, Section>,
}

/// Known and announced facts about a source.
#[derive(Debug, Default)]
struct Section {
    readings: BTreeMap<Text, Reading>,
    /// Time of the newest of these readings.
    grown: Option<Instant>,
    /// The meter's number, with its rank among the readings that may be one.
    number: Option<(usize, Text)>,
    id: String,
    step: Step,
    /// Topics of the announcement.
    announced: BTreeSet<String>,
    /// Topics with retained messages of the other form.
    others: BTreeSet<String>,
    /// What people call the source and its readings.
    labels: Arc<Labels>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Messages of the other form must be subscribed to.
    #[default]
    Subscribe,
    /// They arrive within a second, if there are any. The messages of the configured form follow.
    Collect,
    /// Everything known is announced.
    Announced,
}

/// Next action for a source.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    Subscribe(String),
    /// The announcement is the retained, non-empty part of it.
    Send(Vec<Message>),
}

impl Announcer {
    /// Starts again on a new connection: the broker may have forgotten everything.
    pub(crate) fn reset(&mut self) {
        for section in self.sections.values_mut() {
            section.step = Step::Subscribe;
            section.others.clear();
        }
    }

    /// Announces everything again, as Home Assistant was started.
    pub(crate) fn announce_again(&mut self) {
        self.sections.values_mut().for_each(Section::has_news);
    }

    /// Adds the readings that were seen; none of a source that has commands only.
    pub(crate) fn learn(&mut self, seen: &Seen) {
        for (name, readings) in seen {
            let section = self.sections.entry(name.clone()).or_default();
            section.grown.get_or_insert_with(Instant::now);
            for (name, reading) in readings {
                if !section.readings.contains_key(name) {
                    section.readings.insert(name.clone(), reading.clone());
                    section.grown = Some(Instant::now());
                    section.has_news();
                }
            }
        }
    }

    /// Takes a retained discovery message. Only those of the other form are subscribed to.
    pub(crate) fn found(&mut self, topic: &str) {
        for section in self.sections.values_mut() {
            if section.step == Step::Collect && topic.split('/').any(|level| level == section.id) {
                section.others.insert(topic.to_owned());
            }
        }
    }

    /// Takes the next step for each source. Called once a second.
    ///
    /// # Errors
    /// Fails if the connection accepts nothing more. The step is repeated with the next call.
    pub(crate) fn update(
        &mut self,
        settings: &Settings,
        cx: &PublisherContext,
        connection: &Connection,
    ) -> Result<(), ClientError> {
        self.identify(settings, cx);
        self.take_labels(cx);
        for (name, section) in &mut self.sections {
            let plan = section.plan(name, settings, cx);
            match &plan {
                Plan::Nothing => continue,
                Plan::Subscribe(filter) => connection.subscribe(filter.clone())?,
                Plan::Send(messages) => {
                    messages.iter().try_for_each(|message| connection.send(message.clone()).map(|_| ()))?
                }
            }
            section.done(plan);
        }
        Ok(())
    }

    /// Announces the sources again that people call otherwise since a reload.
    fn take_labels(&mut self, cx: &PublisherContext) {
        for (name, section) in &mut self.sections {
            let Some(labels) = cx.store.section(name).map(|section| section.labels()) else { continue };
            if *labels != *section.labels {
                section.labels = labels;
                section.has_news();
            }
        }
    }

    /// Determines the identifiers of all sources with a batch.
    fn identify(&mut self, settings: &Settings, cx: &PublisherContext) {
        for (name, section) in &mut self.sections {
            let view = cx.store.section(name).and_then(|section| section.view(std::time::Instant::now()));
            if view.is_none() && !section.readings.is_empty() {
                continue;
            }
            let readings = view.as_ref().map_or(&[][..], |view| &view.snapshot.batch.readings);
            if let Some((rank, text)) = number(readings, &cx.route)
                && section.number.as_ref().is_none_or(|(known, _)| rank <= *known)
            {
                section.number = Some((rank, text));
            }
            // The journal's readings lack the medium in their OBIS codes; these have it.
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
                section.step = Step::Subscribe;
            }
        }
    }
}

impl Section {
    /// Announces it again.
    fn has_news(&mut self) {
        if self.step == Step::Announced {
            self.step = Step::Collect;
        }
    }

    /// Returns the next action.
    fn plan(&self, name: &str, settings: &Settings, cx: &PublisherContext) -> Plan {
        let Settings { topics, keys: Config { discovery, allow_commands, .. }, .. } = settings;
        if self.id.is_empty() || self.grown.is_none_or(|grown| grown.elapsed() < QUIET) {
            return Plan::Nothing;
        }
        match self.step {
            Step::Subscribe => {
                return Plan::Subscribe(match discovery {
                    Discovery::Device => topics.entity("+", &self.id, "+"),
                    Discovery::Entity | Discovery::Off => topics.device(&self.id),
                });
            }
            Step::Collect => {}
            Step::Announced => return Plan::Nothing,
        }
        let all = cx.commands.all();
        let device = Device {
            id: &self.id,
            section: name,
            name: self.labels.source.label.as_deref().unwrap_or(name),
            labels: &self.labels,
            number: self.number.as_ref().map(|(_, number)| number.as_str()),
            readings: self.readings.values().collect(),
            commands: if *allow_commands { commands(&all, name) } else { Vec::new() },
        };
        let announcement = device.messages(*discovery, topics);
        let remove = |topic: &String| Message::retained(topic.clone(), "");
        // An empty message after the announcement would be a conflict for Home Assistant, so the others go first.
        let others = self.others.iter().flat_map(|topic| {
            [Message { retain: false, ..Message::retained(topic.clone(), HAND_OVER) }, remove(topic)]
        });
        // Topics with an earlier identifier.
        let old = self.announced.iter().filter(|topic| !announcement.contains_key(*topic)).map(remove);
        let removed: Vec<_> = others.chain(old).collect();
        let new = announcement.into_iter().map(|(topic, payload)| Message::retained(topic, payload));
        Plan::Send(removed.into_iter().chain(new).collect())
    }

    /// Notes that the connection has accepted all of a plan.
    fn done(&mut self, plan: Plan) {
        match plan {
            Plan::Nothing => {}
            Plan::Subscribe(_) => self.step = Step::Collect,
            Plan::Send(messages) => {
                let announced = messages.into_iter().filter(|sent| sent.retain && !sent.payload.is_empty());
                self.announced = announced.map(|message| message.topic).collect();
                self.others.clear();
                self.step = Step::Announced;
            }
        }
    }
}

/// Returns the commands of a source.
fn commands<'a>(all: &'a [InstalledCommand], section: &str) -> Vec<&'a CommandSpec> {
    let of_section =
        |full_name: &str| full_name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
    all.iter().filter(|entry| of_section(&entry.full_name)).map(|entry| entry.command.spec()).collect()
}

//! Labels: what people call a source and its readings, and what they say that these measure.

use wildmatch::WildMatch;

use crate::{SourceRole, Text};

/// What a person has said about a source or a reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// Its name for people, if it has one.
    pub label: Option<Text>,
    /// Part of the household that it measures, if that was said.
    pub role: Option<SourceRole>,
}

/// What a person has said about a source and its readings. A reload replaces it while the source goes on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    /// Of the source.
    pub source: Label,
    /// Of readings whose names fit a pattern; the first one that fits counts.
    readings: Vec<(WildMatch, Label)>,
}

impl Labels {
    /// Those of a source and of readings whose names fit a pattern. The first one that fits counts.
    pub fn new(source: Label, readings: impl IntoIterator<Item = (impl AsRef<str>, Label)>) -> Self {
        let readings = readings.into_iter().map(|(name, label)| (WildMatch::new(name.as_ref()), label));
        Self { source, readings: readings.collect() }
    }

    /// Those of a source alone.
    pub fn of_source(label: Option<Text>, role: Option<SourceRole>) -> Self {
        Self { source: Label { label, role }, readings: Vec::new() }
    }

    /// Returns what was said about a reading.
    pub fn reading(&self, name: &str) -> Label {
        let fitting = self.readings.iter().find(|(pattern, _)| pattern.matches(name));
        fitting.map(|(_, label)| label.clone()).unwrap_or_default()
    }

    /// Returns what is shown with a reading: what was said about itself, else about its source.
    pub fn shown(&self, name: &str) -> Label {
        let Label { label, role } = self.reading(name);
        Label { label: label.or_else(|| self.source.label.clone()), role: role.or(self.source.role) }
    }
}

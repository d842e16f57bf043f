//! Errors that go beyond a wrong type, with the name that was probably meant.

use super::Place;

/// A mistake in a configuration whose types are right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// The key with the wrong value; `None` if the section as a whole is wrong.
    pub key: Option<&'static str>,
    /// The mistake, and what was expected: lower case, user input in backticks.
    pub message: String,
    /// Advice: the text to write instead.
    pub hint: Option<String>,
    /// The place, where it is known more closely than by the key.
    pub(super) place: Option<Place>,
    /// Further mistakes.
    others: Vec<ConfigError>,
}

/// Returns words for a message: each in backticks, a comma between.
pub(crate) fn quoted<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// Returns the end of a message about a name that is none of `known`.
pub(crate) fn expected<'k>(known: impl IntoIterator<Item = &'k str>) -> String {
    match quoted(known) {
        none if none.is_empty() => "there is none".to_owned(),
        names => format!("expected one of {names}"),
    }
}

impl ConfigError {
    /// A wrong value of a key. A value in a list or a table has a path: `format!("registers[{n}].unit")`.
    pub fn key(key: impl Into<Place>, message: impl Into<String>) -> Self {
        Self::section(message).at(key)
    }

    /// A mistake of the whole section: keys that contradict each other, or a key that needs another one.
    pub fn section(message: impl Into<String>) -> Self {
        Self { key: None, message: message.into(), hint: None, place: None, others: Vec::new() }
    }

    /// A name in the value of `key` that is none of `known`: `what` is the kind of thing that it names.
    pub fn unknown<'k>(
        key: impl Into<Place>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'k str, IntoIter: Clone>,
    ) -> Self {
        let known = known.into_iter();
        let hint = did_you_mean(name, known.clone());
        Self { hint, ..Self::key(key, format!("unknown {what} `{name}`, {}", expected(known))) }
    }

    /// Moves it to a place: the value of a key or of a path, or a part of a text.
    #[must_use]
    pub fn at(self, place: impl Into<Place>) -> Self {
        match place.into() {
            Place::Key(key) => Self { key: Some(key), place: None, ..self },
            place => Self { key: None, place: Some(place), ..self },
        }
    }

    /// Joins both mistakes: a user sees all of them at once.
    pub fn and(mut self, other: Self) -> Self {
        self.others.push(other);
        self
    }

    /// Joins all mistakes.
    ///
    /// # Errors
    /// Returns the mistakes, if there are any.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        errors.into_iter().reduce(Self::and).map_or(Ok(()), Err)
    }

    /// Returns each mistake.
    pub(crate) fn each(&self) -> Vec<&Self> {
        let mut all = vec![self];
        all.extend(self.others.iter().flat_map(Self::each));
        all
    }

    /// Adds a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Old names of keys of the framework and of plugins, with the names of today.
const RENAMED: &[(&str, &str)] = &[
    ("batch", "batch_size"),
    ("commit_every", "sync_interval"),
    ("every", "interval"),
    ("flush_every", "flush_interval"),
    ("keep_raw", "raw_retention"),
    ("max_backlog", "max_backlog_age"),
    ("speed", "replay_speed"),
    ("sync_every", "sync_interval"),
];

/// Returns a hint if `key` is the old name of one of `known`.
pub(super) fn new_name<'k>(key: &str, mut known: impl Iterator<Item = &'k str>) -> Option<String> {
    let (_, new) = RENAMED.iter().find(|(old, new)| *old == key && known.any(|known| known == *new))?;
    Some(format!("it is now called `{new}`"))
}

/// Returns a hint if one of `known` is close to what was written.
pub(crate) fn did_you_mean<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    known
        .map(|word| (strsim::damerau_levenshtein(written, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| format!("did you mean `{word}`?"))
}

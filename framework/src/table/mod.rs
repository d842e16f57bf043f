//! Deserializes a configuration table, collecting all errors.

mod config_error;
mod deserialize;
mod diagnostic;
mod pass;
mod place;

use std::{cell::RefCell, ops::Range, time::Duration};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub use self::{
    config_error::ConfigError,
    diagnostic::{Diagnostics, Mistake, MistakeCode},
    place::{ConfigString, Place},
};
use self::{
    config_error::new_name,
    deserialize::Value,
    pass::{ErrorKind, Pass, Spot, Wrong},
    place::{Step, steps},
};
pub(crate) use self::{
    config_error::{did_you_mean, expected, quoted},
    deserialize::keys_of,
    diagnostic::{ConfigText, Diagnostic},
};
use crate::Period;

/// A table whose mistakes are collected.
pub(crate) struct Table<'a> {
    pub(crate) text: &'a ConfigText,
    /// Place of its header.
    pub(crate) span: Range<usize>,
    pub(crate) table: DeTable<'a>,
    /// Keys of the framework, which are taken out before a plugin reads the rest.
    pub(crate) known: &'static [&'static str],
    /// A configuration that works, for examples of its keys.
    pub(crate) sample: &'static str,
    pub(crate) mistakes: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Table<'a> {
    /// Returns the place of a key's value; that of the section where it lacks the key.
    pub(crate) fn place(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span.clone(), Spanned::span)
    }

    /// Takes a key out of the table and reads it. A mistake is noted, and counts as an absent key.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.table.remove(key)?;
        let (read, wrong) = self.read(&value, key, Wrong::default())?;
        wrong.is_empty().then_some(read)
    }

    /// Takes a duration out of the table.
    pub(crate) fn take_period(&mut self, key: &str) -> Option<Duration> {
        let at = self.place(key);
        let period = self.take::<Period>(key)?;
        if period.is_zero() {
            self.note(at, format!("`{key}` must be greater than 0"), None);
            return None;
        }
        Some(*period)
    }

    /// Reads the table, and builds what it configures. The mistakes of both are noted.
    pub(crate) fn build<C: DeserializeOwned, T>(
        &self,
        build: impl Fn(C) -> Result<T, ConfigError>,
    ) -> Built<T> {
        let whole = Spanned::new(self.span.clone(), DeValue::Table(self.table.clone()));
        let Some((config, mut wrong)) = self.read(&whole, "", Wrong::default()) else {
            return Built::Wrong(None);
        };
        let error = match build(config) {
            Ok(built) if wrong.is_empty() => return Built::Right(built),
            Ok(built) => return Built::Wrong(Some(built).filter(|_| !wrong.has_placeholders)),
            Err(error) => error,
        };
        let touched = self.table.iter().filter(|(key, value)| wrong.has(key.span().start, value));
        let touched = touched.map(|(key, _)| &**key.get_ref());
        let missing = wrong.missing.iter().filter(|(of, _)| of.is_none()).map(|(_, key)| *key);
        let left_out: Vec<_> = touched.chain(missing).map(|key| format!("`{key}`")).collect();
        let mut refused = Vec::new();
        for error in error.each() {
            // Of a value that was left out, nothing is known.
            let text = [Some(&error.message), error.hint.as_ref()];
            let names = |key: &String| text.into_iter().flatten().any(|text| text.contains(key));
            let found = self.find(error, &wrong);
            if !found.is_left_out && !left_out.iter().any(names) {
                self.note(found.at, &error.message, error.hint.clone());
            }
            refused.extend(found.entry);
        }
        wrong.entries.extend(refused);
        // The rest of it is compared with other sections.
        let mistakes = RefCell::default();
        let (span, table) = (self.span.clone(), self.table.clone());
        let silent = Table { span, table, mistakes: &mistakes, ..*self };
        let rest = silent.read(&whole, "", wrong).filter(|(_, wrong)| !wrong.has_placeholders);
        Built::Wrong(rest.and_then(|(config, _)| build(config).ok()))
    }

    /// Reads a value once for each mistake in it, so that all of them are noted. Returns it without the entries that
    /// are wrong, and those.
    fn read<T: DeserializeOwned>(
        &self,
        value: &Spanned<DeValue<'a>>,
        key: &str,
        wrong: Wrong,
    ) -> Option<(T, Wrong)> {
        let pass = Pass::new(self, wrong);
        loop {
            let error = match T::deserialize(Value::whole(value, &pass)) {
                Ok(read) => return Some((read, pass.into_wrong())),
                Err(error) => error,
            };
            let Spot { at, entry, parent } =
                error.spot.clone().unwrap_or_else(|| Value::whole(value, &pass).spot());
            let is_placeholder = entry.is_some_and(|entry| pass.replaced.borrow().contains(&entry));
            match &error.kind {
                ErrorKind::LeftOut(entry) if pass.replaced.borrow_mut().insert(*entry) => continue,
                ErrorKind::LeftOut(_) => return None,
                _ if is_placeholder => {}
                ErrorKind::Missing(key) => {
                    self.note_as(MistakeCode::MissingKey, at, error.to_string(), self.example(key));
                    if pass.wrong.borrow_mut().missing.insert((entry, key)) {
                        continue;
                    }
                    return None;
                }
                ErrorKind::Other(message) => {
                    self.note_quoting(MistakeCode::WrongValue, at, message, false, None);
                }
                ErrorKind::Word { message, hint } => {
                    self.note_quoting(MistakeCode::UnknownWord, at, message, false, hint.clone());
                }
                ErrorKind::Type { message, of_text } => {
                    let named = self.table.keys().find(|key| Some(key.span().start) == entry);
                    let key = named.map_or(key, |key| &**key.get_ref());
                    self.note_quoting(MistakeCode::WrongType, at, message, *of_text, self.example(key));
                }
            }
            let leave_out = |entry| pass.wrong.borrow_mut().entries.insert(entry);
            let goes_on = match is_placeholder {
                false => leave_out(entry?),
                true => pass.hopeless.borrow_mut().insert(entry?) || leave_out(parent?),
            };
            if !goes_on {
                return None;
            }
        }
    }

    /// Returns a hint with an example of a key.
    fn example(&self, key: &str) -> Option<String> {
        let example = example(self.sample, key).or_else(|| example(EXAMPLES, key));
        example.map(|line| format!("write {line}"))
    }

    /// Notes a key that is none of `known`, with the new name of a renamed one, or the one that was probably meant.
    pub(crate) fn unknown_key<'k>(
        &self,
        at: Range<usize>,
        key: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let hint = new_name(key, known.clone()).or_else(|| did_you_mean(key, known.clone()));
        let message = format!("unknown key `{key}`, expected one of {}", quoted(known));
        self.note_as(MistakeCode::UnknownKey, at, message, hint);
    }

    pub(crate) fn note(&self, at: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.note_as(MistakeCode::WrongValue, at, message, hint);
    }

    /// Notes a mistake of a kind.
    pub(crate) fn note_as(
        &self,
        code: MistakeCode,
        at: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        self.mistakes.borrow_mut().push(Diagnostic::new(self.text, at, message, hint).with_code(code));
    }

    fn note_quoting(
        &self,
        code: MistakeCode,
        at: Range<usize>,
        message: &str,
        no_text: bool,
        hint: Option<String>,
    ) {
        let mistake = Diagnostic::quoting(self.text, at, message, no_text, hint);
        self.mistakes.borrow_mut().push(mistake.with_code(code));
    }

    /// Notes the mistakes that a plugin found.
    pub(crate) fn refuse(&self, error: &ConfigError) {
        error.each().into_iter().for_each(|error| self.note_error(error));
    }

    fn note_error(&self, error: &ConfigError) {
        self.note(self.find(error, &Wrong::default()).at, &error.message, error.hint.clone());
    }

    /// Finds the place of a mistake in what was read without the entries that are `wrong`.
    fn find(&self, error: &ConfigError, wrong: &Wrong) -> Found {
        let path = match (error.key, &error.place) {
            (Some(key), _) => key,
            (None, Some(Place::Path(path))) => path,
            (None, Some(Place::Bytes(bytes))) => {
                return Found { at: bytes.clone(), entry: None, is_left_out: false };
            }
            _ => "",
        };
        let whole = Spanned::new(self.span.clone(), DeValue::Table(self.table.clone()));
        let (mut value, mut found) =
            (&whole, Found { at: self.span.clone(), entry: None, is_left_out: false });
        for step in steps(path) {
            let inside = match (step, value.get_ref()) {
                (Step::Key(key), DeValue::Table(table)) => {
                    found.is_left_out |= wrong.missing.iter().any(|missing| *missing == (found.entry, key));
                    table.get_key_value(key).map(|(key, value)| (key.span().start, value))
                }
                (Step::Index(index), DeValue::Array(array)) => {
                    let entries = array.iter().map(|value| (value.span().start, value));
                    entries.filter(|(entry, _)| !wrong.entries.contains(entry)).nth(index)
                }
                _ => None,
            };
            let Some((entry, inner)) = inside else { return found };
            found.is_left_out |= wrong.entries.contains(&entry);
            (value, found.at, found.entry) = (inner, inner.span(), Some(entry));
        }
        found.is_left_out |= found.entry.is_some_and(|entry| wrong.has(entry, value));
        found
    }
}

/// Place of a mistake that a plugin found.
struct Found {
    at: Range<usize>,
    /// Start of the innermost entry or element.
    entry: Option<usize>,
    /// Whether that was left out, or a part of it: nothing is known of it.
    is_left_out: bool,
}

/// What a section configures.
pub(crate) enum Built<T> {
    Right(T),
    /// The section has mistakes: what it is without them, if that can be known. For comparisons only.
    Wrong(Option<T>),
}

impl<T> Built<T> {
    /// Returns it, if the section has no mistake.
    pub(crate) fn right(self) -> Option<T> {
        match self {
            Self::Right(built) => Some(built),
            Self::Wrong(_) => None,
        }
    }

    /// Returns it, if it is known, and whether the section has no mistake.
    pub(crate) fn known(self) -> (Option<T>, bool) {
        match self {
            Self::Right(built) => (Some(built), true),
            Self::Wrong(built) => (built, false),
        }
    }
}

/// Examples of the framework's own keys.
const EXAMPLES: &str = r#"
name = "Miller family"
listen = "127.0.0.1:8080"
token = "a long random text"
token_file = "/etc/smartmeter/token"
allow_get_commands = false
command_origins = ["http://panel.home"]
state_dir = "/var/lib/smartmeter"
enabled = true
label = "Heat pump"
role = "consumer"
path = "/var/lib/smartmeter/journal.db"
sync_interval = "60s"
raw_retention = "30d"
plugin = "d0"
interval = "5s"
daily = "03:00"
cron = "*/15 6-22 * * Mon-Fri"
timeout = "30s"
stale_after = "1m"
sources = ["meter"]
series = ["POWER_*"]
max_backlog_age = "30d"
max_rate = 1000
"#;

/// Returns the example of a key in a sample, where it may be commented out: `` `baud = 9600` ``.
fn example(sample: &str, key: &str) -> Option<String> {
    sample.lines().find_map(|line| {
        let line = line.trim_start_matches(['#', ' ']);
        let is_key = line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='));
        let table = is_key.then(|| DeTable::parse(line).ok())??;
        let value = table.get_ref().get(key)?.span();
        Some(format!("`{key} = {}`", line.get(value)?))
    })
}

//! Deserializes a configuration table, collecting all errors.

mod config_error;
mod deserialize;
mod diagnostic;

use std::{cell::RefCell, ops::Range, time::Duration};

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

pub use self::{config_error::ConfigError, diagnostic::Diagnostics};
use self::{
    config_error::new_name,
    deserialize::{ErrorKind, Pass, Value},
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
        self.read(&value)
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

    /// Reads the table.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Option<T> {
        self.read(&Spanned::new(self.span.clone(), DeValue::Table(self.table.clone())))
    }

    /// Reads the table, and builds what it configures. The mistakes of both are noted.
    pub(crate) fn build<C: DeserializeOwned, T>(
        &self,
        build: impl FnOnce(C) -> Result<T, ConfigError>,
    ) -> Option<T> {
        build(self.parse()?).map_err(|error| self.refuse(&error)).ok()
    }

    /// Reads a value once for each mistake in it, so that all of them are noted.
    fn read<T: DeserializeOwned>(&self, value: &Spanned<DeValue<'a>>) -> Option<T> {
        let pass = Pass::new(self);
        loop {
            let error = match T::deserialize(Value::whole(value, &pass)) {
                Ok(read) => return pass.wrong.borrow().is_empty().then_some(read),
                Err(error) => error,
            };
            let at = error.place.clone().map_or_else(|| value.span(), |(at, _)| at);
            match &error.kind {
                ErrorKind::Consequence => {}
                ErrorKind::Missing(_) => self.note(at, error.to_string(), None),
                ErrorKind::NoText(message) => self.note_quoting(at, message, true),
                ErrorKind::Other(message) => self.note_quoting(at, message, false),
            }
            if !error.place.is_some_and(|(_, entry)| pass.wrong.borrow_mut().insert(entry)) {
                return None;
            }
        }
    }

    /// Notes a key that is none of `known`, with the new name of a renamed one, or the one that was probably meant.
    pub(crate) fn unknown_key<'k>(
        &self,
        at: Range<usize>,
        key: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let hint = new_name(key, known.clone()).or_else(|| did_you_mean(key, known.clone()));
        self.note(at, format!("unknown key `{key}`, expected one of {}", quoted(known)), hint);
    }

    pub(crate) fn note(&self, at: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.mistakes.borrow_mut().push(Diagnostic::new(self.text, at, message, hint));
    }

    fn note_quoting(&self, at: Range<usize>, message: &str, no_text: bool) {
        self.mistakes.borrow_mut().push(Diagnostic::quoting(self.text, at, message, no_text));
    }

    /// Notes the mistakes that a plugin found.
    pub(crate) fn refuse(&self, error: &ConfigError) {
        for error in error.each() {
            let at = error.key.map_or_else(|| self.span.clone(), |key| self.place(key));
            self.note(at, &error.message, error.hint.clone());
        }
    }
}

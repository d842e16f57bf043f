//! One table of the file, on its way into a plugin's own type.

use std::{cell::RefCell, ops::Range};

use serde::de::{DeserializeOwned, IntoDeserializer as _};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::diagnostic::{Diagnostic, Text};
use crate::{ConfigError, error::quoted};

/// A table whose mistakes are collected, not thrown.
pub(crate) struct Section<'a> {
    pub(crate) source: &'a Text,
    /// Where the table stands: its header.
    pub(crate) span: Range<usize>,
    pub(crate) table: DeTable<'a>,
    /// Keys that were taken out before, and count as known in messages.
    pub(crate) known: &'static [&'static str],
    pub(crate) mistakes: &'a RefCell<Vec<Diagnostic>>,
}

impl<'a> Section<'a> {
    /// Takes a key out of the table.
    pub(crate) fn take(&mut self, key: &str) -> Option<Spanned<DeValue<'a>>> {
        self.table.remove(key)
    }

    /// Takes a key out of the table and reads it; a mistake is noted, and is as if the key were absent.
    pub(crate) fn take_as<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.take(key)?;
        let span = value.span();
        match T::deserialize(value.into_deserializer()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.quote(error.span().unwrap_or(span), error.message());
                None
            }
        }
    }

    pub(crate) fn note(&self, span: Range<usize>, message: impl Into<String>, hint: Option<String>) {
        self.mistakes.borrow_mut().push(Diagnostic::new(self.source, span, message, hint));
    }

    fn quote(&self, span: Range<usize>, message: &str) {
        self.mistakes.borrow_mut().push(Diagnostic::quoting(self.source, span, message));
    }

    /// Reads the table. serde stops at the first mistake: the key that it names is noted and taken out, and
    /// the rest is read again, so that a user sees every mistake at once.
    pub(crate) fn parse<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut rest = self.table.clone();
        let mut spoilt = false;
        loop {
            let value = Spanned::new(self.span.clone(), DeValue::Table(rest.clone()));
            let error = match T::deserialize(value.into_deserializer()) {
                Ok(config) => return (!spoilt).then_some(config),
                Err(error) => error,
            };
            // `span` is that of the key, of its value, or of something inside the value.
            let at = error.span().unwrap_or_else(|| self.span.clone());
            let culprit = rest.iter().find(|(key, value)| key.span() == at || contains(&value.span(), &at));
            let Some(culprit) = culprit.map(|(key, _)| key.get_ref().to_string()) else {
                // A missing key, unless it is one that was taken out as wrong.
                let message = error.message();
                let missing = message.strip_prefix("missing field `").and_then(|m| m.split('`').next());
                if !missing.is_some_and(|missing| self.table.contains_key(missing)) {
                    self.note(self.span.clone(), message, None);
                }
                return None;
            };
            if error.message().starts_with("unknown field") {
                let (message, hint) = self.unknown_field(error.message(), &culprit);
                self.note(at, message, hint);
            } else {
                self.quote(at, error.message());
            }
            rest.remove(culprit.as_str());
            spoilt = true;
        }
    }

    /// Adds to serde's list of fields those that were taken out before, and what may have been meant.
    fn unknown_field(&self, message: &str, culprit: &str) -> (String, Option<String>) {
        let fields: Vec<_> = expected(message).chain(self.known.iter().copied()).collect();
        let list = quoted(fields.iter().copied());
        (
            format!("unknown field `{culprit}`, expected one of {list}"),
            did_you_mean(culprit, fields.iter().copied()),
        )
    }

    /// Notes what a plugin says of its configuration.
    pub(crate) fn refuse(&self, error: &ConfigError) {
        for error in error.each() {
            let key = error.key.and_then(|key| self.table.get(key));
            self.note(key.map_or(self.span.clone(), Spanned::span), &error.message, error.hint.clone());
        }
    }
}

/// The words that serde says it expected.
pub(crate) fn expected(message: &str) -> impl Iterator<Item = &str> {
    let list = message.split_once("expected").map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2)
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// A hint, where one of `known` is close to what was written.
pub(crate) fn did_you_mean<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    known
        .map(|word| (strsim::damerau_levenshtein(written, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| format!("did you mean `{word}`?"))
}

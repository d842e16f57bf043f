//! Arguments of a call.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::{ArgKind, CommandError, CommandSpec};
use crate::{Decimal, Text, table::quoted};

/// Value of an argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ArgValue {
    /// A number, also a whole one.
    Number(Decimal),
    /// `true` or `false`.
    Bool(bool),
    /// A text.
    Text(Text),
}

impl std::fmt::Display for ArgValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Bool(word) => word.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Arguments of a call, checked against the command's spec; defaults are filled in. It serializes as an object.
#[derive(Debug, Clone, Default)]
pub struct Args(Vec<(Text, ArgValue)>);

impl Args {
    /// Checks arguments: none is unknown, no required one is missing, and each has its type and is within its limits.
    /// An optional one was left out if it is `null`, or an empty text where a text is not expected, as in the links of
    /// raspend's clients.
    ///
    /// # Errors
    /// Returns [`CommandError::BadArgument`] with the argument's name and what was expected.
    pub fn check(given: Map<String, Json>, spec: &CommandSpec) -> Result<Self, CommandError> {
        if let Some(unknown) = given.keys().find(|key| spec.args.iter().all(|arg| arg.name != **key)) {
            let expected = match &spec.args[..] {
                [] => "no arguments".to_owned(),
                args => quoted(args.iter().map(|arg| arg.name.as_str())),
            };
            let message = format!("unknown argument `{unknown}`, expected {expected}");
            return Err(CommandError::BadArgument(message));
        }
        let mut args = Vec::with_capacity(spec.args.len());
        for arg in &spec.args {
            let is_any_text = arg.kind == ArgKind::Text && arg.choices.is_empty();
            let says_nothing = |value: &Json| value.is_null() || (!is_any_text && value == "");
            let value = given.get(arg.name.as_str()).filter(|value| !(arg.optional && says_nothing(value)));
            match value.or(arg.default.as_ref()) {
                Some(value) => args.push((arg.name.clone(), arg.check(value)?)),
                None if arg.optional => {}
                None => {
                    let message = format!("missing argument `{}`: {}", arg.name, arg.description());
                    return Err(CommandError::BadArgument(message));
                }
            }
        }
        Ok(Self(args))
    }

    /// Returns all of them, in the order of the spec.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ArgValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the argument `name`; `None` if it is an optional one that was left out.
    pub fn get(&self, name: &str) -> Option<&ArgValue> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Returns the argument `name`, if it has the type that `read` reads.
    fn typed<'a, T>(
        &'a self,
        name: &str,
        kind: &str,
        read: impl FnOnce(&'a ArgValue) -> Option<T>,
    ) -> Result<T, CommandError> {
        self.get(name)
            .and_then(read)
            .ok_or_else(|| CommandError::BadArgument(format!("missing argument `{name}`: {kind}")))
    }

    /// Returns the number `name`; for an optional one, `.ok()` is `None` if it was left out.
    ///
    /// # Errors
    /// Fails if it was left out, or is not a number.
    pub fn number(&self, name: &str) -> Result<Decimal, CommandError> {
        self.typed(name, "a number", |value| match value {
            ArgValue::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// Returns the whole number `name`; for an optional one, `.ok()` is `None` if it was left out.
    ///
    /// # Errors
    /// Fails if it was left out, or is not a whole number.
    pub fn integer(&self, name: &str) -> Result<i64, CommandError> {
        self.typed(name, "a whole number", |value| match value {
            ArgValue::Number(number) => number.to_integer(),
            _ => None,
        })
    }

    /// Returns the truth value `name`; for an optional one, `.ok()` is `None` if it was left out.
    ///
    /// # Errors
    /// Fails if it was left out, or is neither true nor false.
    pub fn bool(&self, name: &str) -> Result<bool, CommandError> {
        self.typed(name, "true or false", |value| match value {
            ArgValue::Bool(word) => Some(*word),
            _ => None,
        })
    }

    /// Returns the text `name`; for an optional one, `.ok()` is `None` if it was left out.
    ///
    /// # Errors
    /// Fails if it was left out, or is not a text.
    pub fn text(&self, name: &str) -> Result<&str, CommandError> {
        self.typed(name, "a text", |value| match value {
            ArgValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

impl Serialize for Args {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

//! Commands: actions of a source that clients call over `/cmd`, the page or MQTT.

use reading::words;
use serde_json::{Map, Value as Json};

use crate::{Decimal, table::quoted};

/// An action of a source.
#[async_trait::async_trait]
pub trait Command: Send + Sync + 'static {
    /// Returns name and arguments.
    fn spec(&self) -> &CommandSpec;

    /// Carries out the action. The arguments have been checked against the [spec](Self::spec).
    ///
    /// # Errors
    /// The caller gets the error as its answer.
    async fn run(&self, args: Args) -> Result<Json, CommandError>;
}

/// Name and arguments of a command.
#[derive(Debug, Clone)]
pub struct CommandSpec {
    /// The short name, unique in its source: `set_s0`.
    pub name: &'static str,
    /// Further names, for older clients; one with a dot is a full name.
    pub aliases: &'static [&'static str],
    /// One sentence for people.
    pub about: &'static str,
    /// The arguments, in the order of `/cmds`.
    pub args: &'static [ArgSpec],
}

/// Argument of a command; all are required.
#[derive(Debug, Clone)]
pub struct ArgSpec {
    /// Its name.
    pub name: &'static str,
    /// One sentence for people, with the unit.
    pub about: &'static str,
    /// Its type.
    pub kind: ArgKind,
}

words! {
    /// Type of an argument, with its word in `/cmds`, an annotation of Python.
    ArgKind {
        /// A number, or its text: raspend's clients send only texts.
        Number = "float",
        /// Any text.
        Text = "str",
    }
}

/// Arguments of a call, checked against the command's spec.
#[derive(Debug, Clone, Default)]
pub struct Args(Map<String, Json>);

impl Args {
    /// Checks arguments: none is missing or unknown, and each has its type.
    ///
    /// # Errors
    /// Returns [`CommandError::BadArgument`] with the argument's name and what was expected.
    pub fn check(given: Map<String, Json>, spec: &CommandSpec) -> Result<Self, CommandError> {
        if let Some(unknown) = given.keys().find(|key| spec.args.iter().all(|arg| arg.name != *key)) {
            let expected = match spec.args {
                [] => "no arguments".to_owned(),
                args => quoted(args.iter().map(|arg| arg.name)),
            };
            let message = format!("unknown argument `{unknown}`, expected {expected}");
            return Err(CommandError::BadArgument(message));
        }
        let args = Self(given);
        for ArgSpec { name, about, kind } in spec.args {
            if !args.0.contains_key(*name) {
                return Err(CommandError::BadArgument(format!("missing argument `{name}`: {about}")));
            }
            match kind {
                ArgKind::Number => args.number(name).map(drop)?,
                ArgKind::Text => args.text(name).map(drop)?,
            }
        }
        Ok(args)
    }

    /// Returns the number `name`.
    ///
    /// # Errors
    /// Fails if it is missing, or not a plain decimal number.
    pub fn number(&self, name: &str) -> Result<Decimal, CommandError> {
        let number = match self.0.get(name) {
            Some(Json::Number(number)) => {
                // `as_f64` prints back as the shortest decimal, which is what the client wrote.
                number.as_i64().map(Decimal::from).or_else(|| number.as_f64().and_then(Decimal::from_f64))
            }
            Some(Json::String(text)) => Decimal::parse(text.trim().as_bytes()),
            _ => None,
        };
        number.ok_or_else(|| {
            CommandError::BadArgument(format!("argument `{name}` must be a number, such as 13756.57"))
        })
    }

    /// Returns the text `name`.
    ///
    /// # Errors
    /// Fails if it is missing, or not a string.
    pub fn text(&self, name: &str) -> Result<&str, CommandError> {
        self.0
            .get(name)
            .and_then(Json::as_str)
            .ok_or_else(|| CommandError::BadArgument(format!("argument `{name}` must be a string")))
    }
}

/// Reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// A mistake of the caller: status 400.
    #[error("{0}")]
    BadArgument(String),
    /// Any other failure: status 500.
    #[error("{0}")]
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: CommandSpec = CommandSpec {
        name: "set",
        aliases: &[],
        about: "sets it",
        args: &[ArgSpec { name: "value", about: "energy in kWh", kind: ArgKind::Number }],
    };

    fn check(json: &str) -> Result<String, String> {
        let Ok(Json::Object(given)) = serde_json::from_str(json) else { panic!("{json}") };
        Args::check(given, &SPEC)
            .and_then(|args| args.number("value"))
            .map(|number| number.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn arguments_are_checked() {
        assert_eq!(check(r#"{"value": 13756.57}"#).unwrap(), "13756.57");
        assert_eq!(check(r#"{"value": "13756.57"}"#).unwrap(), "13756.57");
        assert_eq!(check(r#"{"value": 3}"#).unwrap(), "3");
        assert_eq!(check("{}").unwrap_err(), "missing argument `value`: energy in kWh");
        assert_eq!(check(r#"{"value": 1, "x": 2}"#).unwrap_err(), "unknown argument `x`, expected `value`");
        for bad in [r#"{"value": "NaN"}"#, r#"{"value": ""}"#, r#"{"value": null}"#, r#"{"value": 1e300}"#] {
            assert!(check(bad).unwrap_err().contains("must be a number"), "{bad}");
        }
    }
}

//! What clients may ask a source to do.

use serde_json::{Map, Value as Json};

use crate::{Decimal, section::quoted};

/// An action of an instance, called over `/cmd`.
#[async_trait::async_trait]
pub trait Command: Send + Sync + 'static {
    /// Name and arguments.
    fn spec(&self) -> &CommandSpec;

    /// Does it. The arguments have been checked against the [spec](Self::spec).
    ///
    /// # Errors
    /// What the caller is told.
    async fn run(&self, args: Args) -> Result<Json, CommandError>;
}

/// A command's name and arguments.
#[derive(Debug, Clone)]
pub struct CommandSpec {
    /// The short name, unique within its instance: `set_s0`.
    pub name: &'static str,
    /// Further names that older clients use; one with a dot is a full name.
    pub aliases: &'static [&'static str],
    /// One sentence for people.
    pub about: &'static str,
    /// The arguments, in the order in which they are shown.
    pub args: &'static [ArgSpec],
}

/// One argument of a command; all are required.
#[derive(Debug, Clone)]
pub struct ArgSpec {
    /// Its name.
    pub name: &'static str,
    /// One sentence for people, with the unit.
    pub about: &'static str,
    /// What it may be.
    pub kind: ArgKind,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgKind {
    /// A number, or its text: raspend's clients send text only.
    Number,
    /// Any text.
    Text,
}

impl ArgKind {
    /// The word that `/cmds` shows, as Python's annotations do.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "float",
            Self::Text => "str",
        }
    }
}

/// A call's arguments, checked against the command's spec.
#[derive(Debug, Clone, Default)]
pub struct Args(Map<String, Json>);

impl Args {
    /// Takes `given` if it fits `spec`: nothing missing, nothing unknown, everything of its kind.
    ///
    /// # Errors
    /// [`CommandError::BadArgument`], which names the argument and what was expected.
    pub fn check(given: Map<String, Json>, spec: &CommandSpec) -> Result<Self, CommandError> {
        let expected = || match spec.args {
            [] => "no arguments".to_owned(),
            args => quoted(args.iter().map(|arg| arg.name)),
        };
        if let Some(unknown) = given.keys().find(|key| spec.args.iter().all(|arg| arg.name != *key)) {
            return Err(CommandError::BadArgument(format!(
                "unknown argument `{unknown}`, expected {}",
                expected()
            )));
        }
        let args = Self(given);
        for arg in spec.args {
            match (args.0.get(arg.name), arg.kind) {
                (None, _) => {
                    return Err(CommandError::BadArgument(format!(
                        "missing argument `{}`: {}",
                        arg.name, arg.about
                    )));
                }
                (Some(_), ArgKind::Number) => {
                    args.number(arg.name)?;
                }
                (Some(_), ArgKind::Text) => {
                    args.text(arg.name)?;
                }
            }
        }
        Ok(args)
    }

    /// The number `name`.
    ///
    /// # Errors
    /// Where it is missing or is no plain decimal number.
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

    /// The text `name`.
    ///
    /// # Errors
    /// Where it is missing or is no string.
    pub fn text(&self, name: &str) -> Result<&str, CommandError> {
        self.0
            .get(name)
            .and_then(Json::as_str)
            .ok_or_else(|| CommandError::BadArgument(format!("argument `{name}` must be a string")))
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The caller's mistake: 400.
    #[error("{0}")]
    BadArgument(String),
    /// It could not be done: 500.
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

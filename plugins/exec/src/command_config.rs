//! Commands in the configuration: `[sources.<name>.commands.<command>]`.

use framework::{Arg, CommandSpec, ConfigError, ConfigString, Decimal, Text};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::commands::{Part, parts};

/// Keys of a command.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandConfig {
    about: Text,
    command: Option<Vec<ConfigString>>,
    write: Option<ConfigString>,
    shown_by: Option<Text>,
    #[serde(default)]
    args: Vec<ArgConfig>,
}

/// Keys of an argument.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArgConfig {
    name: Text,
    about: Option<Text>,
    kind: Option<Kind>,
    unit: Option<Text>,
    min: Option<Decimal>,
    max: Option<Decimal>,
    step: Option<Decimal>,
    choices: Option<Vec<Text>>,
    #[serde(default)]
    optional: bool,
    default: Option<Json>,
}

/// Type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Number,
    Integer,
    Bool,
    Text,
}

/// A checked command.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) spec: CommandSpec,
    pub(crate) work: Work,
}

/// What a command does.
#[derive(Debug)]
pub(crate) enum Work {
    /// It runs a program with these items.
    Run(Vec<Part>),
    /// It writes a line; `None`: JSON.
    Write(Option<Vec<Part>>),
}

impl CommandConfig {
    /// Checks what a type cannot.
    pub(crate) fn plan(self, name: &str, is_stream: bool) -> Result<Plan, ConfigError> {
        let wrong = |message: String| ConfigError::key("commands", message);
        if self.about.trim().is_empty() {
            let message = format!("`about` of the command `{name}` is empty: write a sentence for people");
            return Err(wrong(message));
        }
        let mut spec = CommandSpec::new(name, self.about);
        spec.shown_by = self.shown_by;
        for arg in self.args {
            spec.args.push(arg.arg(name)?);
        }
        if let Some(mistake) = spec.mistake() {
            return Err(wrong(mistake));
        }
        let work = match (self.command, self.write) {
            (Some(_), Some(line)) => {
                let message = format!("the command `{name}` has `command` and `write`: keep one of them");
                return Err(line.error(0..line.as_str().len(), message));
            }
            (Some(items), None) => Work::Run(run(name, &items, &spec)?),
            (None, write) if is_stream => Work::Write(write.map(|line| checked(&line, &spec)).transpose()?),
            (None, _) => {
                let hint = "write the program that it runs: `command = [\"/opt/heatpump.py\", \"--set\", \"{value}\"]`";
                let message = format!(
                    "the command `{name}` has no program to write to: that needs `mode = \"stream\"`"
                );
                return Err(wrong(message).hint(hint));
            }
        };
        Ok(Plan { spec, work })
    }
}

/// Returns the items of a program. A placeholder is a whole item, so that no value can become more than one argument.
fn run(name: &str, items: &[ConfigString], spec: &CommandSpec) -> Result<Vec<Part>, ConfigError> {
    let mut found = Vec::new();
    for item in items {
        let whole = 0..item.as_str().len();
        if item.as_str().contains('\0') {
            return Err(item.error(whole, "no argument may contain a NUL"));
        }
        match &mut checked(item, spec)?[..] {
            [] => found.push(Part::Text(String::new())),
            [part] => found.push(part.clone()),
            _ => {
                let message =
                    format!("a placeholder must be an item of its own, not a part of `{}`", item.as_str());
                let hint = "write two items, or let the program read the variable SMARTMETER_ARG_<NAME>";
                return Err(item.error(whole, message).hint(hint));
            }
        }
    }
    match found.first() {
        Some(Part::Text(program)) if !program.is_empty() => Ok(found),
        _ => Err(ConfigError::key("commands", format!("the program of the command `{name}` is missing"))),
    }
}

/// Splits a text at its placeholders, each of which must be an argument.
fn checked(text: &ConfigString, spec: &CommandSpec) -> Result<Vec<Part>, ConfigError> {
    let whole = text.as_str();
    if whole.contains(['\n', '\r']) {
        return Err(text.error(0..whole.len(), "it must be one line"));
    }
    let found = parts(whole);
    for part in &found {
        let Part::Argument(name) = part else { continue };
        if spec.args.iter().all(|arg| arg.name != **name) {
            let known = spec.args.iter().map(|arg| arg.name.as_str());
            let error = ConfigError::unknown("commands", "argument", name, known);
            let at = whole.find(&format!("{{{name}}}")).unwrap_or(0);
            return Err(error.at(text.place(at..at + name.len() + 2)));
        }
    }
    Ok(found)
}

impl ArgConfig {
    /// Returns the argument of the command `command`.
    fn arg(self, command: &str) -> Result<Arg, ConfigError> {
        let Self { name, about, kind, unit, min, max, step, choices, optional, default } = self;
        let place = format!("argument `{name}` of the command `{command}`");
        let wrong = |message: &str| ConfigError::key("commands", format!("{place}: {message}"));
        if about.as_ref().is_some_and(|about| about.trim().is_empty()) {
            return Err(wrong("`about` is empty: write a few words for people, or leave it out"));
        }
        if choices.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong("`choices` is empty: write the possible texts, or leave it out"));
        }
        let choices = choices.unwrap_or_default();
        let repeated =
            choices.iter().enumerate().find(|(n, choice)| choices[..*n].iter().any(|other| other == *choice));
        if let Some((_, choice)) = repeated {
            return Err(wrong(&format!("`choices` has `{choice}` twice")));
        }
        let kind = kind.unwrap_or(if choices.is_empty() { Kind::Number } else { Kind::Text });
        let is_number = matches!(kind, Kind::Number | Kind::Integer);
        if !is_number && (unit.is_some() || min.is_some() || max.is_some() || step.is_some()) {
            return Err(wrong("`unit`, `min`, `max` and `step` are for numbers"));
        }
        if kind != Kind::Text && !choices.is_empty() {
            return Err(wrong("`choices` are texts: leave `kind` out"));
        }
        if step.is_some_and(|step| step.mantissa() <= 0) {
            return Err(wrong("`step` must be greater than 0"));
        }
        let about = about.unwrap_or_else(|| name.clone());
        let mut arg = match kind {
            Kind::Number => Arg::number(name, about),
            Kind::Integer => Arg::integer(name, about),
            Kind::Bool => Arg::bool(name, about),
            Kind::Text => Arg::one_of(name, about, choices),
        };
        (arg.unit, arg.min, arg.max, arg.step) = (unit, min, max, step);
        arg.optional = optional || default.is_some();
        arg.default = default;
        Ok(arg)
    }
}

//! Commands: actions of a source that clients call over `/cmd`, the page or MQTT.

mod arg;
mod args;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value as Json;

pub use self::{
    arg::{Arg, ArgKind},
    args::{ArgValue, Args},
};
use crate::{ConfigError, Text};

/// An action of a source. [`CommandSpec::run`] makes one of a closure.
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
///
/// ```
/// # use framework::{Arg, Command, CommandSpec};
/// # let target = std::sync::Arc::new(std::sync::Mutex::new(None));
/// let command = CommandSpec::new("set_target", "sets the temperature of the room")
///     .arg(Arg::number("value", "temperature").unit("°C").min(-5).max(30).step(0.5))
///     .shown_by("target")
///     .run(async move |args| {
///         *target.lock().unwrap() = Some(args.number("value")?);
///         Ok(true)
///     });
/// # assert_eq!(command.spec().args[0].description(), "temperature in °C, -5 to 30, in steps of 0.5");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSpec {
    /// The short name, unique in its source: `set_s0`.
    pub name: Text,
    /// Further names, for older clients; one with a dot is a full name.
    pub aliases: Vec<Text>,
    /// One sentence for people.
    pub about: Text,
    /// The arguments, in the order of `/cmds`.
    pub args: Vec<Arg>,
    /// The reading of the same source that shows the effect: a switch's state, a temperature that was set.
    pub shown_by: Option<Text>,
}

impl CommandSpec {
    /// A command without arguments.
    pub fn new(name: impl Into<Text>, about: impl Into<Text>) -> Self {
        Self { name: name.into(), about: about.into(), aliases: Vec::new(), args: Vec::new(), shown_by: None }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: Arg) -> Self {
        self.args.push(arg);
        self
    }

    /// Adds a further name, for older clients; one with a dot is a full name.
    pub fn alias(mut self, name: impl Into<Text>) -> Self {
        self.aliases.push(name.into());
        self
    }

    /// Names the reading of the same source that shows the effect of the command.
    pub fn shown_by(mut self, reading: impl Into<Text>) -> Self {
        self.shown_by = Some(reading.into());
        self
    }

    /// Returns the mistake in the spec itself, which a test of the plugin or its user's configuration made.
    pub fn mistake(&self) -> Option<String> {
        let expected = "expected lower case letters, digits and `_`";
        if !is_word(&self.name) {
            return Some(format!("command `{}`: {expected}", self.name));
        }
        self.args.iter().enumerate().find_map(|(n, arg)| {
            let problem = match arg.name.as_str() {
                "name" => "`name` is taken: `/cmd?name=…` names the command".to_owned(),
                name if !is_word(name) => expected.to_owned(),
                name if self.args[..n].iter().any(|other| other.name == name) => {
                    "there are two of it".to_owned()
                }
                _ => arg.mistake()?,
            };
            Some(format!("argument `{}` of the command `{}`: {problem}", arg.name, self.name))
        })
    }

    /// Returns the command that runs `action`: `async move |args| { …; Ok(true) }`. Each call runs a clone, so what it
    /// captures is shared by an `Arc` or a channel.
    pub fn run<Action, Running, Answer>(self, action: Action) -> impl Command
    where
        Action: FnOnce(Args) -> Running + Clone + Send + Sync + 'static,
        Running: Future<Output = Result<Answer, CommandError>> + Send,
        Answer: Into<Json>,
    {
        Closure { spec: self, action }
    }
}

/// Checks the specs of a source's commands: a configuration may have made them.
///
/// # Errors
/// Returns the mistakes.
pub(crate) fn check_commands(commands: &[Arc<dyn Command>]) -> Result<(), ConfigError> {
    let specs = || commands.iter().map(|command| command.spec());
    ConfigError::all(specs().enumerate().filter_map(|(n, spec)| {
        let is_second = specs().take(n).any(|other| other.name == spec.name);
        let twice = is_second.then(|| format!("two commands are called `{}`", spec.name));
        spec.mistake().or(twice).map(ConfigError::section)
    }))
}

/// Returns whether a text is a name of commands, arguments and plugins.
pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A command made of a closure.
struct Closure<Action> {
    spec: CommandSpec,
    action: Action,
}

#[async_trait::async_trait]
impl<Action, Running, Answer> Command for Closure<Action>
where
    Action: FnOnce(Args) -> Running + Clone + Send + Sync + 'static,
    Running: Future<Output = Result<Answer, CommandError>> + Send,
    Answer: Into<Json>,
{
    fn spec(&self) -> &CommandSpec {
        &self.spec
    }

    async fn run(&self, args: Args) -> Result<Json, CommandError> {
        (self.action.clone())(args).await.map(Into::into)
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

/// `?` in a command: it failed.
impl From<std::io::Error> for CommandError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

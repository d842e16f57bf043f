//! Commands of the configuration: each runs a program, or writes a line to the one that runs.

use std::{sync::Arc, time::Duration};

use framework::{ArgValue, Args, Command, CommandError, CommandSpec, async_trait};
use serde::Serialize;
use serde_json::Value as Json;
use subprocess::{ErrorLog, Process, Program, in_words};
use tokio::time::timeout;

use crate::{
    input::Input,
    poll::{NoOutput, run},
};

/// Longest run of a program. The framework gives a command 10 s.
const LIMIT: Duration = Duration::from_secs(8);
/// Longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// A command of a source.
pub(crate) struct ExecCommand {
    pub(crate) spec: CommandSpec,
    pub(crate) action: Action,
}

/// What a command does.
pub(crate) enum Action {
    /// It runs a program. An item is an argument of the command, or a text.
    Run { program: Program, items: Vec<Part>, log: ErrorLog },
    /// It writes a line to the standard input of the program that runs; by default one of JSON.
    Write { line: Option<Vec<Part>>, input: Arc<Input> },
}

/// Part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    /// The value of the argument of this name.
    Argument(String),
}

/// Line of JSON for a program that runs.
#[derive(Serialize)]
struct Call<'a> {
    command: &'a str,
    args: &'a Args,
}

#[async_trait]
impl Command for ExecCommand {
    fn spec(&self) -> &CommandSpec {
        &self.spec
    }

    async fn run(&self, args: Args) -> Result<Json, CommandError> {
        match &self.action {
            Action::Run { program, items, log } => run_program(program, items, &args, log).await,
            Action::Write { line, input } => {
                let mut line = match line {
                    Some(parts) => written(parts, &args)?,
                    None => {
                        let call = Call { command: &self.spec.name, args: &args };
                        serde_json::to_string(&call)
                            .map_err(|error| CommandError::Failed(error.to_string()))?
                    }
                };
                line.push('\n');
                input.write(line).await.map_err(CommandError::Failed)?;
                Ok(Json::Bool(true))
            }
        }
    }
}

/// Runs a program with the arguments of a call. Its output is the answer.
async fn run_program(
    program: &Program,
    items: &[Part],
    args: &Args,
    log: &ErrorLog,
) -> Result<Json, CommandError> {
    // An optional argument that was left out is no item.
    let line: Vec<_> = items
        .iter()
        .filter_map(|item| match item {
            Part::Text(text) => Some(text.clone()),
            Part::Argument(name) => args.get(name).map(ToString::to_string),
        })
        .collect();
    let mut program = program.with_line(line);
    for (name, value) in args.iter() {
        let value = value.to_string();
        if value.contains('\0') {
            return Err(CommandError::BadArgument(format!("argument `{name}` must not contain a NUL")));
        }
        program.set(format!("SMARTMETER_ARG_{}", name.to_ascii_uppercase()), value);
    }
    let failed = |reason: String| CommandError::Failed(format!("{} {reason}", program.name()));
    let start = Process::start(&program, false, None, Arc::clone(log));
    let mut process = start.map_err(|error| failed(format!("could not be started: {error}")))?;
    let Ok((status, output)) = timeout(LIMIT, run(&mut process)).await else {
        process.end().await;
        return Err(failed(format!("did not finish within {LIMIT:?}, and was ended")));
    };
    let output = match output {
        Ok(output) if output.len() <= MAX_ANSWER => output,
        Ok(_) | Err(NoOutput::TooMuch) => {
            return Err(failed(format!("answered with more than {MAX_ANSWER} bytes")));
        }
        Err(NoOutput::Failed(error)) => return Err(error.into()),
    };
    let status = status?;
    if !status.success() {
        let exit = in_words(status);
        return Err(failed(match process.stderr.last().await {
            last if last.is_empty() => format!("ended with {exit}"),
            last => format!("ended with {exit}; standard error: {last}"),
        }));
    }
    Ok(answer(&output))
}

/// Returns what a program wrote: JSON, or a text; nothing is `true`.
fn answer(output: &[u8]) -> Json {
    let text = String::from_utf8_lossy(output.trim_ascii());
    if text.is_empty() {
        return Json::Bool(true);
    }
    serde_json::from_str(&text).unwrap_or_else(|_| Json::String(text.into_owned()))
}

/// Returns the line of a call. A text with a line end would be a second command.
fn written(parts: &[Part], args: &Args) -> Result<String, CommandError> {
    let mut line = String::new();
    for part in parts {
        match part {
            Part::Text(text) => line += text,
            Part::Argument(name) => match args.get(name) {
                Some(ArgValue::Text(text)) if text.chars().any(char::is_control) => {
                    let message = format!("argument `{name}` must be one line, without control characters");
                    return Err(CommandError::BadArgument(message));
                }
                Some(value) => line += &value.to_string(),
                None => {}
            },
        }
    }
    Ok(line)
}

/// Splits a text at its placeholders: `{word}`. Other braces are text.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        plain += before;
        match placeholder(after) {
            Some((name, after)) => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Argument(name.to_owned()));
                rest = after;
            }
            None => {
                plain.push('{');
                rest = &after[1..];
            }
        }
    }
    plain += rest;
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('{')?.split_once('}')?;
    let is_word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    (is_word && !name.is_empty()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_words_in_braces() {
        let text = |text: &str| Part::Text(text.to_owned());
        let argument = |name: &str| Part::Argument(name.to_owned());
        for (line, expected) in [
            ("", vec![]),
            ("on", vec![text("on")]),
            ("{value}", vec![argument("value")]),
            ("set {a} {b}!", vec![text("set "), argument("a"), text(" "), argument("b"), text("!")]),
            (r#"{"flow": {value}}"#, vec![text(r#"{"flow": "#), argument("value"), text("}")]),
            ("{} {A} {{x}} {", vec![text("{} {A} {"), argument("x"), text("} {")]),
        ] {
            assert_eq!(parts(line), expected, "{line}");
        }
    }
}

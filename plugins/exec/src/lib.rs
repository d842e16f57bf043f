//! Programs in any language as sources.
//!
//! ```text
//!            ┌ stdout ──▶ lines ──▶ format ──▶ readings ──▶ batch
//! program ◀──┤
//! (process)  ├ stderr ──▶ log, /health
//!            └ stdin  ◀── input ◀── commands
//! ```
//!
//! `format` does no I/O. The library `subprocess` ends the whole process group of a program with its source.

mod command_config;
mod commands;
mod config;
mod format;
mod input;
mod outcome;
mod poll;
mod recent;
mod stream;

use std::{sync::Arc, time::Duration};

use framework::{ConfigError, Mode, Source, SourceContext, SourcePlugin};

pub use crate::config::Config;
use crate::{
    command_config::Work,
    commands::{Action, ExecCommand},
    config::RunMode,
    input::Input,
    outcome::Outcome,
    poll::Poll,
    stream::Stream,
};

/// The plugin `exec`.
#[derive(Debug)]
pub struct Exec;

impl SourcePlugin for Exec {
    const KIND: &'static str = "exec";
    const ABOUT: &'static str = "a program in any language that writes JSON or InfluxDB lines";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(config: &Config) -> Mode {
        match config.mode {
            RunMode::Poll => Mode::Poll(Duration::from_secs(60)),
            RunMode::Stream => Mode::Push,
        }
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let settings = config.settings(cx)?;
        let (outcome, input) = (Outcome::new(cx, &settings), Arc::new(Input::default()));
        let commands: Vec<_> = settings
            .plans
            .iter()
            .map(|plan| {
                let action = match &plan.work {
                    Work::Run(items) => Action::Run {
                        program: settings.program.clone(),
                        items: items.clone(),
                        log: outcome.log(),
                    },
                    Work::Write(line) => Action::Write { line: line.clone(), input: Arc::clone(&input) },
                };
                ExecCommand { spec: plan.spec.clone(), action }
            })
            .collect();
        let program = settings.has_program.then(|| settings.program.name().to_owned());
        let source = match settings.mode {
            _ if !settings.has_program => Source::commands_only(),
            RunMode::Poll => Source::new(Poll::new(settings, outcome)),
            // A door's sensor has news once a week: only the user knows how long silence may last.
            RunMode::Stream => Source::new(Stream::new(settings, outcome, input)).timeout(Duration::MAX),
        };
        let source = match program {
            Some(program) => source.program(program),
            None => source,
        };
        Ok(commands.into_iter().fold(source, Source::command))
    }
}

framework::register_source!(Exec);

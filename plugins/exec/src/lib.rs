//! Programs in any language as sources.
//!
//! ```text
//!            ┌ stdout ──▶ lines ──▶ format ──▶ readings ──▶ batch
//! program ◀──┤
//! (process)  └ stderr ──▶ log, /health
//! ```
//!
//! `format` does no I/O. `process` ends the whole process group of a program with its source.

mod config;
mod format;
mod lines;
mod outcome;
mod poll;
mod process;
mod program;
mod stderr;
mod stream;

use std::time::Duration;

use framework::{ConfigError, Mode, Source, SourceContext, SourcePlugin};

pub use crate::config::Config;
use crate::{config::RunMode, outcome::Outcome, poll::Poll, stream::Stream};

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
        let outcome = Outcome::new(cx);
        Ok(match settings.mode {
            RunMode::Poll => Source::new(Poll::new(settings, outcome)),
            RunMode::Stream => Source::new(Stream::new(settings, outcome)),
        })
    }
}

framework::register_source!(Exec);

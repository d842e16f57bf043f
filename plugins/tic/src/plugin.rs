//! `plugin = "tic"` in the configuration.

use std::time::Duration;

use framework::{ConfigError, Mode, Period, Source, SourceContext, SourcePlugin};
use jiff::SignedDuration;
use serde::Deserialize;
use telegram::{Anonymised, Decoder as _, ProtocolRegistration, config};
use transport::Line;

use crate::{anonymise::anonymise, decoder::Decoder, power::Powers};

/// Lines of the modes, the usual one first. 7E1 is read as 8N1: its parity shows in bit 7.
const LINES: [Line; 2] = [Line::plain(9600), Line::plain(1200)];
/// More than the connection of any household carries: 60 A on three phases.
const MAX_POWER: &str = "45kW";

/// Source plugin of French meters with a customer output.
pub struct Tic;

/// Keys of a source with this plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Serial port of the adapter, `tcp://host:port`, or `replay:FILE`.
    port: String,
    /// Baud rate; without it, it is searched for.
    baud: Option<u32>,
    /// Most that the household's connection can carry: a counter that rises faster is implausible.
    max_power: Option<String>,
    /// Time without a byte after which the port is closed and opened again.
    silent_after: Option<Period>,
    /// Speed of a replay, in multiples of that of the recording.
    replay_speed: Option<f64>,
}

impl SourcePlugin for Tic {
    const KIND: &'static str = "tic";
    const ABOUT: &'static str =
        "French electricity meters, Linky and older ones, at their customer output (TIC)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let Config { port, baud, max_power, silent_after, replay_speed } = config;
        let lines = config::lines(baud, None, &LINES);
        let hint = "9600 in the mode standard, 1200 in the mode historique";
        let foreign = baud
            .filter(|baud| LINES.iter().all(|line| line.baud != *baud))
            .map(|baud| ConfigError::key("baud", format!("no meter sends at {baud} baud here")).hint(hint));
        let wrong = config::check_baud("baud", baud, hint).or(foreign);
        let max_power = max_power.as_deref().unwrap_or(MAX_POWER);
        let mut settings =
            config::settings(&port, replay_speed, Some(max_power), silent_after, lines, wrong)?;
        // Stamps say whether they are of summer or of winter, in France.
        settings.time_shift = Some(SignedDuration::ZERO);
        let device = settings.port.to_string();
        let source = telegram::Source::new(Decoder::completing(), settings, cx);
        let mut powers = Powers::default();
        // Within a replay, time passes faster or slower.
        let speed = replay_speed.unwrap_or(1.0);
        let source = source.completed_by(move |batch, now| {
            let passed = Duration::try_from_secs_f64(now.as_secs_f64() * speed);
            powers.complete(batch, passed.unwrap_or(now));
        });
        Ok(source.into_source().exclusive(device))
    }
}

framework::register_source!(Tic);

telegram::register_protocol!(ProtocolRegistration {
    kind: Tic::KIND,
    protocols: Decoder::PROTOCOLS,
    decode: |bytes, _, found| telegram::decode(Decoder::default(), bytes, found),
    describe: None,
    anonymise: Some(|bytes, _| Ok(Anonymised::in_place(bytes, anonymise))),
    lines: &LINES,
    polling: &[],
});

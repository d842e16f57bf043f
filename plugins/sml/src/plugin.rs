//! `plugin = "sml"` in the configuration.

use framework::{ConfigError, Mode, Period, Source, SourceContext, SourcePlugin};
use serde::Deserialize;
use telegram::{Anonymised, Decoder as _, ProtocolRegistration, config};
use transport::Line;

use crate::{
    anonymise::anonymise,
    decoder::Decoder,
    quirks::{Crc, PowerSign, Quirks},
};

/// Lines at which meters push, the usual one first.
const LINES: [Line; 7] = [
    Line::plain(9600),
    Line::plain(115_200),
    Line::plain(57_600),
    Line::plain(19_200),
    Line::plain(38_400),
    Line::plain(4800),
    Line::plain(2400),
];

/// Source plugin of meters that push SML.
pub struct Sml;

/// Keys of a source with this plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Serial port of the head, `tcp://host:port`, or `replay:FILE`.
    port: String,
    /// Baud rate; without it, it is searched for.
    baud: Option<u32>,
    /// Kind of the meter's checksums.
    #[serde(default)]
    crc: Crc,
    /// Place of the direction in which power flows.
    #[serde(default)]
    power_sign: PowerSign,
    /// Whether signed powers of less than four bytes are unsigned; without it, by the number of the meter.
    unsigned_power: Option<bool>,
    /// Most that the household's connection can carry: a counter that rises faster is implausible.
    max_power: Option<String>,
    /// Time without a byte after which the port is closed and opened again.
    silent_after: Option<Period>,
    /// Speed of a replay, in multiples of that of the recording.
    replay_speed: Option<f64>,
}

impl SourcePlugin for Sml {
    const KIND: &'static str = "sml";
    const ABOUT: &'static str = "electricity meters that push SML (infrared head, ser2net)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let Config { port, baud, replay_speed, max_power, silent_after, crc, power_sign, unsigned_power } =
            config;
        let lines = config::lines(baud, None, &LINES);
        let wrong = config::check_baud("baud", baud, "nearly all meters use 9600");
        let max_power = max_power.as_deref();
        let settings = config::settings(&port, replay_speed, max_power, silent_after, lines, wrong)?;
        let device = settings.port.to_string();
        let decoder = Decoder::new(Quirks { crc, power_sign, unsigned_power });
        Ok(telegram::Source::new(decoder, settings, cx).into_source().exclusive(device))
    }
}

framework::register_source!(Sml);

telegram::register_protocol!(ProtocolRegistration {
    kind: Sml::KIND,
    protocols: Decoder::PROTOCOLS,
    decode: |bytes, _, found| telegram::decode(Decoder::default(), bytes, found),
    describe: None,
    anonymise: Some(|bytes, _| Ok(Anonymised::in_place(bytes, anonymise))),
    lines: &[Line::plain(9600)],
    polling: &[],
});

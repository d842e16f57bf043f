//! `plugin = "wmbus"` in the configuration.

use std::time::Duration;

use framework::{ConfigError, Mode, Source, SourceContext, SourcePlugin};
use telegram::{Protocol, ProtocolRegistration};
use transport::Line;

use crate::{
    config::{Config, Origin},
    decode,
    source::WmbusSource,
};

/// Source plugin of meters that send by radio.
#[derive(Debug)]
pub struct Wmbus;

impl SourcePlugin for Wmbus {
    const KIND: &'static str = "wmbus";
    const ABOUT: &'static str =
        "meters that send by radio: water, heat, gas (wireless M-Bus: stick, rtl_wmbus, rtl_433)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let settings = config.settings(cx)?;
        let name = match &settings.origin {
            Origin::Port(port, _) => Ok(port.to_string()),
            Origin::Program(program) => Err(program.name().to_owned()),
        };
        // Meters send once in hours: only `silent_after` says how long silence may last.
        let source = Source::new(WmbusSource::new(settings, cx)).timeout(Duration::MAX);
        Ok(match name {
            Ok(device) => source.exclusive(device),
            Err(program) => source.program(program),
        })
    }
}

framework::register_source!(Wmbus);

telegram::register_protocol!(ProtocolRegistration {
    kind: Wmbus::KIND,
    protocols: &[Protocol::WirelessMbus],
    decode: decode::decode,
    describe: Some(decode::describe),
    anonymise: Some(decode::anonymise),
    lines: &[Line::plain(57_600), Line::plain(9600), Line::plain(38_400), Line::plain(19_200)],
    polling: &[],
});

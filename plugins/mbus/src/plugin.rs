//! `plugin = "mbus"` in the configuration.

use framework::{ConfigError, Mode, Source, SourceContext, SourcePlugin};

use telegram::{Anonymised, Protocol, ProtocolRegistration};

use crate::{anonymise::anonymise, config::Config, decode::decode, meter::Meter, source::MbusSource};

/// Source plugin of meters on a wired M-Bus.
pub struct Mbus;

impl SourcePlugin for Mbus {
    const KIND: &'static str = "mbus";
    const ABOUT: &'static str =
        "heat, water, gas and electricity meters on a wired M-Bus (level converter, TCP)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(config: &Config) -> Mode {
        Mode::Poll(config.interval())
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let period = config.interval();
        let settings = config.check()?;
        let device = settings.port.to_string();
        let parts = settings.meters.iter().map(Meter::place).collect::<Vec<_>>();
        let source = MbusSource::new(settings, period, cx);
        let limit = source.limit();
        let source = Source::new(source).timeout(limit).shared(device);
        Ok(parts.into_iter().fold(source, |source, (meter, place)| source.part(meter, place)))
    }
}

framework::register_source!(Mbus);

telegram::register_protocol!(ProtocolRegistration {
    kind: Mbus::KIND,
    protocols: &[Protocol::Mbus],
    decode,
    describe: None,
    anonymise: Some(|bytes, _| Ok(Anonymised::in_place(bytes, anonymise))),
    // Meters on a bus are polled.
    lines: &[],
    polling: &[],
});

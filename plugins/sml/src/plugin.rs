//! `plugin = "sml"` in the configuration.

use std::time::Duration;

use framework::{ConfigError, Context, Instance, Pace, Period, Plugin, Probe};
use line::Port;
use meter::{DEFAULT_MAX_POWER, Settings, Source, watts};
use serde::Deserialize;

use crate::{
    anonymise::anonymise,
    decoder::Decoder,
    quirks::{Crc, PowerSign, Quirks},
};

/// The speeds that a meter may speak at, the usual one first.
const BAUDS: [u32; 7] = [9600, 115_200, 57_600, 19_200, 38_400, 4800, 2400];

/// The plugin.
pub struct Sml;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The head's serial port, `tcp://host:port`, or `replay:FILE`.
    port: String,
    /// Bits a second; absent: found out.
    baud: Option<u32>,
    /// How the meter computes its checksums.
    #[serde(default)]
    crc: Crc,
    /// Where the meter says in which direction power flows.
    #[serde(default)]
    power_sign: PowerSign,
    /// Signed powers of less than four bytes are unsigned; absent: by the number of the meter.
    unsigned_power: Option<bool>,
    /// The most that the house's connection can carry: a counter that rises faster is not believed.
    max_power: Option<String>,
    /// A meter that says nothing for so long has its port closed and opened again.
    #[serde(default = "default_silent_after")]
    silent_after: Period,
    /// Times as fast as it was recorded: for `port = "replay:…"` only.
    #[serde(default = "default_speed")]
    speed: f64,
}

fn default_silent_after() -> Period {
    Period(Duration::from_secs(30))
}

fn default_speed() -> f64 {
    1.0
}

impl Plugin for Sml {
    const KIND: &'static str = "sml";
    const ABOUT: &'static str = "electricity meters that push SML (infrared head, ser2net)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    const PACE: Pace = Pace::Pushed;
    const DECODE: Option<framework::DecodeFn> = Some(meter::decode::<Decoder>);
    const ANONYMISE: Option<framework::AnonymiseFn> = Some(anonymise);
    const PROBE: Option<Probe> = Some(Probe { bauds: &[9600], asking: &[] });
    type Config = Config;

    fn build(config: Config, cx: &Context) -> Result<Instance, ConfigError> {
        let port =
            config.port.parse::<Port>().map_err(|error| ConfigError::key("port", error)).and_then(|port| {
                port.at_speed(config.speed).map_err(|error| ConfigError::key("speed", error))
            });
        let max_power = config.max_power.map_or(Ok(DEFAULT_MAX_POWER), |text| {
            let wrong = || ConfigError::key("max_power", format!("`{text}` is no power"));
            watts(&text).ok_or_else(|| wrong().hint("write watts or kilowatts: `43kW`, `11000W`"))
        });
        let baud = config.baud.filter(|baud| !(50..=4_000_000).contains(baud)).map(|baud| {
            ConfigError::key("baud", format!("{baud} is no baud rate")).hint("nearly all meters use 9600")
        });
        let silent_after = config
            .silent_after
            .is_zero()
            .then(|| ConfigError::key("silent_after", "`silent_after` must be longer than nothing"));
        let found = [port.as_ref().err(), max_power.as_ref().err(), baud.as_ref(), silent_after.as_ref()];
        ConfigError::all(found.into_iter().flatten().cloned())?;
        let (port, max_power_w) = (port?, max_power?);
        let quirks =
            Quirks { crc: config.crc, power_sign: config.power_sign, unsigned_power: config.unsigned_power };
        let device = port.to_string();
        let settings = Settings {
            port,
            bauds: config.baud.map_or(BAUDS.to_vec(), |baud| vec![baud]),
            max_power_w,
            silent_after: *config.silent_after,
        };
        Ok(Instance::new(Source::new(Decoder::new(quirks), settings, cx)).device(device))
    }
}

framework::register!(Sml);

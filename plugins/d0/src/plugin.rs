//! `plugin = "d0"` in the configuration.

use framework::{ConfigError, Context, Instance, Pace, Period, Plugin};
use serde::Deserialize;

use crate::{decode, framing::Framing, guard::DEFAULT_MAX_POWER, source::Source};

/// The plugin.
pub struct D0;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The head's serial port, or `tcp://host:port`.
    port: String,
    /// Bits a second.
    #[serde(default = "default_baud")]
    baud: u32,
    /// How the meter frames a character.
    #[serde(default)]
    framing: FramingKey,
    /// The most that the house's connection can carry: a counter that rises faster is not believed.
    max_power: Option<String>,
    /// A meter that says nothing for so long has its port closed and opened again.
    #[serde(default = "default_silent_after")]
    silent_after: Period,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FramingKey {
    #[default]
    Auto,
    #[serde(rename = "7e1")]
    SevenEven,
    #[serde(rename = "7o1")]
    SevenOdd,
    #[serde(rename = "8n1")]
    Eight,
}

fn default_baud() -> u32 {
    9600
}

fn default_silent_after() -> Period {
    Period(std::time::Duration::from_secs(30))
}

impl Plugin for D0 {
    const KIND: &'static str = "d0";
    const ABOUT: &'static str =
        "electricity and heat meters that push IEC 62056-21 text (infrared head, ser2net)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    const PACE: Pace = Pace::Pushed;
    const DECODE: Option<framework::DecodeFn> = Some(decode);
    type Config = Config;

    fn build(config: Config, cx: &Context) -> Result<Instance, ConfigError> {
        let port = config.port.parse::<line::Port>().map_err(|error| ConfigError::key("port", error));
        let max_power = config.max_power.map_or(Ok(DEFAULT_MAX_POWER), |text| {
            let wrong = || ConfigError::key("max_power", format!("`{text}` is no power"));
            watts(&text).ok_or_else(|| wrong().hint("write watts or kilowatts: `43kW`, `11000W`"))
        });
        let baud = (!(50..=4_000_000).contains(&config.baud)).then(|| {
            ConfigError::key("baud", format!("{} is no baud rate", config.baud))
                .hint("push meters use 9600, a few 2400")
        });
        let silent_after = config
            .silent_after
            .is_zero()
            .then(|| ConfigError::key("silent_after", "`silent_after` must be longer than nothing"));
        let found = [port.as_ref().err(), max_power.as_ref().err(), baud.as_ref(), silent_after.as_ref()];
        ConfigError::all(found.into_iter().flatten().cloned())?;
        let (port, max_power) = (port?, max_power?);
        let framing = match config.framing {
            FramingKey::Auto => None,
            FramingKey::SevenEven => Some(Framing::SevenEven),
            FramingKey::SevenOdd => Some(Framing::SevenOdd),
            FramingKey::Eight => Some(Framing::Eight),
        };
        let device = port.to_string();
        let source = Source::new(port, config.baud, framing, max_power, *config.silent_after, cx);
        Ok(Instance::new(source).device(device))
    }
}

framework::register!(D0);

/// `43kW` or `11000W` in watts.
fn watts(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, factor) = match text.strip_suffix("kW") {
        Some(number) => (number, 1000.0),
        None => (text.strip_suffix('W')?, 1.0),
    };
    let watts = number.trim().parse::<f64>().ok()? * factor;
    (watts.is_finite() && watts > 0.0).then_some(watts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_read() {
        assert_eq!(watts("43kW"), Some(43_000.0));
        assert_eq!(watts("11000 W"), Some(11_000.0));
        for text in ["", "W", "43", "-1kW", "0W", "NaNkW", "infW", "43 kVA"] {
            assert_eq!(watts(text), None, "{text}");
        }
    }
}

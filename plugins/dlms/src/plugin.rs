//! `plugin = "dlms"` in the configuration.

use std::path::PathBuf;

use framework::{ConfigError, Mode, Period, Secret, Source, SourceContext, SourcePlugin};
use serde::Deserialize;
use telegram::{Decoder as _, Keys, ProtocolRegistration, config};
use transport::{Line, Parity, Port};

use crate::{
    anonymise::anonymise,
    counter::FrameCounter,
    decode::decode,
    decoder::{Decoder, Options},
    describe::describe,
    scales::Scales,
    source::Counted,
};

/// Lines at which meters push, the usual ones first: M-Bus and customer ports, optical heads, P1.
const LINES: &[Line] =
    &[Line::even(2400), Line::plain(115_200), Line::plain(9600), Line::plain(2400), Line::even(9600)];

/// Source plugin of meters that push DLMS/COSEM.
pub struct Dlms;

/// Keys of a source with this plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Serial port of the adapter, `tcp://host:port`, or `replay:FILE`.
    port: String,
    /// Baud rate; without it, it is searched for.
    baud: Option<u32>,
    /// Parity; without it, it is searched for.
    parity: Option<Parity>,
    /// Encryption key (GUEK), 32 hexadecimal digits.
    key: Option<Secret>,
    /// File with the encryption key.
    key_file: Option<PathBuf>,
    /// Authentication key (GAK), 32 hexadecimal digits.
    authentication_key: Option<Secret>,
    /// File with the authentication key.
    authentication_key_file: Option<PathBuf>,
    /// Unit of energies that come without one: `10Wh`.
    energy_unit: Option<String>,
    /// Unit of powers that come without one: `1W`.
    power_unit: Option<String>,
    /// Unit of voltages that come without one: `0.1V`.
    voltage_unit: Option<String>,
    /// Unit of currents that come without one: `0.01A`.
    current_unit: Option<String>,
    /// Unit of power factors: `0.001`.
    power_factor_unit: Option<String>,
    /// Whether some codes have swapped tags; without it, by the name of the list.
    swapped_tags: Option<bool>,
    /// Most that the household's connection can carry: a counter that rises faster is implausible.
    max_power: Option<String>,
    /// Time without a byte after which the port is closed and opened again.
    silent_after: Option<Period>,
    /// Speed of a replay, in multiples of that of the recording.
    replay_speed: Option<f64>,
}

impl SourcePlugin for Dlms {
    const KIND: &'static str = "dlms";
    const ABOUT: &'static str =
        "electricity meters that push DLMS/COSEM, encrypted or not (customer port, M-Bus, P1, infrared head)";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Push
    }

    fn build(config: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let lines = config::lines(config.baud, config.parity, LINES);
        let wrong = config::check_baud("baud", config.baud, "most meters use 2400 or 115200");
        let scales = config.scales();
        let Config { key, key_file, authentication_key, authentication_key_file, .. } = config;
        let keys =
            Keys::given(key, key_file.as_deref(), authentication_key, authentication_key_file.as_deref());
        let settings = config::settings(
            &config.port,
            config.replay_speed,
            config.max_power.as_deref(),
            config.silent_after,
            lines,
            wrong.into_iter().chain(keys.as_ref().err().cloned()).chain(scales.as_ref().err().cloned()),
        )?;
        let device = settings.port.to_string();
        let is_replay = matches!(settings.port, Port::Replay { .. });
        let counter = FrameCounter::default();
        let swapped_tags = config.swapped_tags;
        let options = Options { keys: keys?, scales: scales?, swapped_tags, counter: counter.clone() };
        let source = telegram::Source::new(Decoder::new(options), settings, cx);
        Ok(Counted::new(source, counter, is_replay, cx).into_source().exclusive(device))
    }
}

impl Config {
    /// Returns the scales of numbers that come without one.
    fn scales(&self) -> Result<Scales, ConfigError> {
        let units = [
            ("energy_unit", &self.energy_unit, "Wh", "`1Wh`, `10Wh` or `0.001Wh`"),
            ("power_unit", &self.power_unit, "W", "`1W` or `0.1W`"),
            ("voltage_unit", &self.voltage_unit, "V", "`1V` or `0.1V`"),
            ("current_unit", &self.current_unit, "A", "`1A`, `0.1A`, `0.01A` or `0.001A`"),
            ("power_factor_unit", &self.power_factor_unit, "", "`0.01` or `0.001`"),
        ];
        let scales = units.map(|(key, written, unit, examples)| {
            written.as_deref().map_or(Ok(None), |written| {
                let error = ConfigError::key(key, format!("`{written}` is not a power of ten of a unit"));
                scale(written, unit).map(Some).ok_or_else(|| error.hint(format!("write {examples}")))
            })
        });
        ConfigError::all(scales.iter().filter_map(|scale| scale.as_ref().err().cloned()))?;
        let [energy, power, voltage, current, power_factor] = scales;
        Ok(Scales {
            energy: energy?,
            power: power?,
            voltage: voltage?,
            current: current?,
            power_factor: power_factor?,
        })
    }
}

/// Reads `10Wh` or `0.01 A` as a power of ten.
fn scale(written: &str, unit: &str) -> Option<i8> {
    let number = written.trim().strip_suffix(unit)?.trim();
    let is_meant = |power: &i32| match u32::try_from(*power) {
        Ok(power) => number == 10u32.pow(power).to_string(),
        Err(_) => number == format!("0.{:0>1$}", 1, power.unsigned_abs() as usize),
    };
    (-6..=6).find(is_meant).and_then(|power| power.try_into().ok())
}

framework::register_source!(Dlms);

telegram::register_protocol!(ProtocolRegistration {
    kind: Dlms::KIND,
    protocols: Decoder::PROTOCOLS,
    decode,
    describe: Some(describe),
    anonymise: Some(anonymise),
    lines: LINES,
    polling: &[],
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_ten() {
        for (written, unit, expected) in [
            ("10Wh", "Wh", Some(1)),
            ("1 Wh", "Wh", Some(0)),
            ("1000Wh", "Wh", Some(3)),
            ("0.01A", "A", Some(-2)),
            ("0.1 V", "V", Some(-1)),
            ("0.001", "", Some(-3)),
            ("5Wh", "Wh", None),
            ("10A", "Wh", None),
            ("Wh", "Wh", None),
            ("kWh", "Wh", None),
            ("-1V", "V", None),
        ] {
            assert_eq!(scale(written, unit), expected, "{written}");
        }
    }
}

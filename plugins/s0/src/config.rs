//! Configuration keys, and the checks that need several of them.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use framework::{ConfigError, Period};
use serde::Deserialize;
use transport::{Port, is_baud_rate};

use crate::{cdev::FIRST_CHIP, rate::Rate};

/// Keys of a source. The plugin's README explains each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pin: Option<u32>,
    chip: Option<String>,
    line: Option<u32>,
    port: Option<String>,
    baud: Option<u32>,
    #[serde(default)]
    backend: Backend,
    pulses_per_kwh: Option<f64>,
    debounce: Option<Period>,
    pull: Option<Pull>,
    edge: Option<Side>,
    sync_interval: Option<Period>,
    power_timeout: Option<Period>,
}

const DEFAULT_PULSES_PER_KWH: f64 = 1000.0;
/// A third of the standard's shortest pulse.
const DEFAULT_DEBOUNCE: Duration = Duration::from_millis(10);
const DEFAULT_SYNC_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_POWER_TIMEOUT: Duration = Duration::from_secs(300);
/// Most adapters leave the factory at this speed, and a byte arrives a millisecond after its pulse began. A bare S0
/// output on RX has no speed of its own.
const DEFAULT_BAUD: u32 = 9600;
/// Last pin of banks 0 and 1 of a Raspberry Pi; pins 0 to 27 are on the header.
const LAST_PIN: u32 = 53;
/// The slowest contacts known bounce for half a second.
const MAX_DEBOUNCE: Duration = Duration::from_secs(10);

/// Reader of a GPIO line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    #[default]
    Auto,
    Cdev,
    Rppal,
}

/// Resistor of the pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pull {
    Up,
    Down,
    None,
}

/// Edge at which a pulse begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Falling,
    Rising,
}

/// Checked configuration.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) device: Device,
    pub(crate) rate: Rate,
    pub(crate) debounce: Duration,
    pub(crate) sync_interval: Duration,
    pub(crate) power_timeout: Duration,
}

/// Device that the pulses come from.
#[derive(Debug, Clone)]
pub(crate) enum Device {
    Gpio(Gpio),
    Serial { port: Port, baud: u32 },
}

/// GPIO line and its setup.
#[derive(Debug, Clone)]
pub(crate) struct Gpio {
    pub(crate) line: Where,
    pub(crate) chip: Option<PathBuf>,
    pub(crate) backend: Backend,
    pub(crate) pull: Pull,
    pub(crate) active_high: bool,
}

/// Name of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// The BCM number on a Raspberry Pi.
    Pin(u32),
    /// The offset on a chip.
    Line(u32),
}

impl Config {
    /// Checks the keys together.
    ///
    /// # Errors
    /// Returns all mistakes, not only the first.
    pub(crate) fn settings(self) -> Result<Settings, ConfigError> {
        let per_kwh = self.pulses_per_kwh.unwrap_or(DEFAULT_PULSES_PER_KWH);
        let rate = Rate::new(per_kwh).ok_or_else(|| {
            ConfigError::key("pulses_per_kwh", format!("`{per_kwh}` is not a valid number of pulses per kWh"))
                .hint("it is printed on the meter as `imp/kWh`: more than 0 and at most 1000000, often 1000")
        });
        let debounce = self.debounce.filter(|debounce| **debounce > MAX_DEBOUNCE).map(|debounce| {
            ConfigError::key("debounce", format!("`{debounce}` would swallow pulses"))
                .hint("a pulse lasts 30ms or more, so 10ms suits most meters; at most 10s")
        });
        let power_timeout = self.power_timeout.filter(|timeout| timeout.is_zero()).map(|_| {
            ConfigError::key("power_timeout", "`0s` would always show 0 W")
                .hint("expected the time without a pulse after which the power is 0 W, such as \"5m\"")
        });
        let device = self.device();
        let found = [rate.as_ref().err(), debounce.as_ref(), power_timeout.as_ref(), device.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned())?;
        Ok(Settings {
            rate: rate?,
            debounce: self.debounce.map_or(DEFAULT_DEBOUNCE, |period| *period),
            sync_interval: self.sync_interval.map_or(DEFAULT_SYNC_INTERVAL, |period| *period),
            power_timeout: self.power_timeout.map_or(DEFAULT_POWER_TIMEOUT, |period| *period),
            device: device?,
        })
    }

    fn device(&self) -> Result<Device, ConfigError> {
        match (self.pin, self.line, &self.port) {
            (Some(pin), None, None) => return self.gpio(Where::Pin(pin)),
            (None, Some(line), None) => return self.gpio(Where::Line(line)),
            (None, None, Some(port)) => return self.serial(port),
            _ => {}
        }
        let port = self.port.as_deref().map(device_port);
        let error = match (self.pin, self.line, &port) {
            (None, None, None) => ConfigError::section("expected `pin`, `line` or `port`").hint(
                "write `pin = 21` on a Raspberry Pi, `chip` and `line` on another board, or `port` for a serial line",
            ),
            _ => ConfigError::section("only one of `pin`, `line` and `port` is allowed")
                .hint("keep the one that the meter is connected to"),
        };
        let further = [self.no_pin(), self.no_speed(), port.and_then(Result::err)];
        Err(further.into_iter().flatten().fold(error, ConfigError::and))
    }

    /// Returns the mistake in `pin`, if there is one.
    fn no_pin(&self) -> Option<ConfigError> {
        let pin = self.pin.filter(|pin| *pin > LAST_PIN)?;
        let error = ConfigError::key("pin", format!("there is no pin `{pin}`"));
        Some(error.hint("it is the BCM number, 0 to 27 on a Raspberry Pi's header, not the position on it"))
    }

    /// Returns the mistake in `baud`, if there is one.
    fn no_speed(&self) -> Option<ConfigError> {
        let baud = self.baud.filter(|baud| !is_baud_rate(*baud))?;
        let error = ConfigError::key("baud", format!("`{baud}` baud is not a valid speed"));
        Some(error.hint("9600 suits most adapters"))
    }

    fn serial(&self, port: &str) -> Result<Device, ConfigError> {
        let port = device_port(port);
        let baud = self.baud.unwrap_or(DEFAULT_BAUD);
        let gpio_keys = [
            ("chip", self.chip.is_some()),
            ("backend", self.backend != Backend::Auto),
            ("pull", self.pull.is_some()),
            ("edge", self.edge.is_some()),
        ];
        let useless = gpio_keys.into_iter().filter(|(_, given)| *given).map(|(key, _)| {
            ConfigError::key(key, format!("`{key}` has no effect with `port`"))
                .hint("it belongs to a GPIO line: remove it")
        });
        ConfigError::all(port.as_ref().err().cloned().into_iter().chain(self.no_speed()).chain(useless))?;
        Ok(Device::Serial { port: port?, baud })
    }

    fn gpio(&self, line: Where) -> Result<Device, ConfigError> {
        let baud = self
            .baud
            .map(|_| ConfigError::key("baud", "`baud` has no effect without `port`").hint("remove it"));
        let lineless = self.backend == Backend::Rppal && (self.chip.is_some() || self.line.is_some());
        let backend = lineless.then(|| {
            ConfigError::key("backend", "`rppal` knows no chips and lines, only a Raspberry Pi's pins")
                .hint("write `pin`, or use the backend `cdev`")
        });
        ConfigError::all([self.no_pin(), baud, backend].into_iter().flatten())?;
        let pull = self.pull.unwrap_or(Pull::Up);
        // The resistor holds the line at rest, so a pulse pulls it the other way.
        let edge = self.edge.unwrap_or(if pull == Pull::Down { Side::Rising } else { Side::Falling });
        let chip = self.chip.as_ref().map(|chip| PathBuf::from("/dev").join(chip));
        Ok(Device::Gpio(Gpio { line, chip, backend: self.backend, pull, active_high: edge == Side::Rising }))
    }
}

/// Reads `port`.
fn device_port(port: &str) -> Result<Port, ConfigError> {
    let port = port.parse::<Port>().and_then(|port| match port.is_replay() {
        true => Err("a recording cannot be a source of pulses: they would count as if they came now".into()),
        false => port.of_device(),
    });
    port.map_err(|message| ConfigError::key("port", message))
}

impl Gpio {
    /// Returns the name of the line among all sources: a pin and the line of the same number on the first chip are one,
    /// whatever the chip is called. Nothing is opened to find it.
    pub(crate) fn identity(&self) -> String {
        let real = |chip: &Path| fs::canonicalize(chip).unwrap_or_else(|_| chip.to_owned());
        let chip = self.chip.as_deref().map(real).filter(|chip| *chip != real(FIRST_CHIP.as_ref()));
        let (Where::Pin(number) | Where::Line(number)) = self.line;
        match chip {
            None => format!("gpio {number}"),
            Some(chip) => format!("{} line {number}", chip.display()),
        }
    }
}

impl Gpio {
    /// Returns all that the kernel is asked for, and that its edges depend on.
    pub(crate) fn key(&self) -> String {
        let Self { pull, active_high, .. } = self;
        format!("{self} {pull:?} {}", if *active_high { "high" } else { "low" })
    }
}

impl fmt::Display for Gpio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.chip) {
            (Where::Pin(pin), None) => write!(f, "gpio {pin}"),
            (Where::Line(n), None) => write!(f, "/dev/gpiochip0 line {n}"),
            (Where::Pin(n) | Where::Line(n), Some(chip)) => write!(f, "{} line {n}", chip.display()),
        }
    }
}

impl Device {
    /// Returns its name among all sources.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::Gpio(gpio) => gpio.identity(),
            Self::Serial { port, .. } => port.to_string(),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gpio(gpio) => gpio.fmt(f),
            Self::Serial { port, .. } => port.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(keys: serde_json::Value) -> Result<Settings, String> {
        let config: Config = serde_json::from_value(keys).map_err(|error| error.to_string())?;
        config.settings().map_err(|error| format!("{}: {error}", error.key.unwrap_or("-")))
    }

    fn gpio(keys: serde_json::Value) -> Gpio {
        match settings(keys).unwrap().device {
            Device::Gpio(gpio) => gpio,
            Device::Serial { .. } => panic!("a serial port"),
        }
    }

    #[test]
    fn the_defaults_suit_a_raspberry_pi() {
        let settings = settings(json!({"pin": 21})).unwrap();
        assert_eq!(settings.device.to_string(), "gpio 21");
        assert_eq!(settings.rate, Rate::new(1000.0).unwrap());
        assert_eq!(settings.debounce, Duration::from_millis(10));
        let gpio = gpio(json!({"pin": 21}));
        assert_eq!((gpio.pull, gpio.active_high, gpio.backend), (Pull::Up, false, Backend::Auto));
    }

    #[test]
    fn a_pulse_goes_against_the_resistor() {
        assert!(gpio(json!({"pin": 21, "pull": "down"})).active_high);
        assert!(!gpio(json!({"pin": 21, "pull": "none"})).active_high);
        assert!(gpio(json!({"pin": 21, "edge": "rising"})).active_high);
    }

    #[test]
    fn a_device_has_one_name() {
        for (keys, device) in [
            (json!({"line": 3}), "/dev/gpiochip0 line 3"),
            (json!({"line": 3, "chip": "gpiochip4"}), "/dev/gpiochip4 line 3"),
            (json!({"pin": 3, "chip": "/dev/gpiochip4"}), "/dev/gpiochip4 line 3"),
            (json!({"port": "/dev/ttyS1", "baud": 300}), "/dev/ttyS1"),
            (json!({"port": "tcp://s0:2000", "pulses_per_kwh": 0.5}), "tcp://s0:2000"),
        ] {
            assert_eq!(settings(keys).unwrap().device.to_string(), device);
        }
    }

    #[test]
    fn a_line_has_one_identity_whatever_it_is_called() {
        for keys in [
            json!({"pin": 21}),
            json!({"line": 21}),
            json!({"line": 21, "chip": "gpiochip0"}),
            json!({"pin": 21, "chip": "/dev/../dev/gpiochip0", "pull": "down"}),
        ] {
            // Paths with links are compared where they exist.
            let is_there = Path::new(FIRST_CHIP).exists() || !keys.to_string().contains("..");
            assert!(!is_there || gpio(keys.clone()).identity() == "gpio 21", "{keys}");
        }
        assert_eq!(gpio(json!({"line": 21, "chip": "gpiochip4"})).identity(), "/dev/gpiochip4 line 21");
        let text = "[sources.a]\nplugin = \"s0\"\npin = 21\n\
            [sources.b]\nplugin = \"s0\"\nchip = \"gpiochip0\"\nline = 21\n";
        let shown = framework::Config::parse("config.toml", text, &[]).err().unwrap().to_string();
        assert!(shown.contains("`b` and `a` both use gpio 21"), "{shown}");
    }

    #[test]
    fn keys_that_do_not_fit_together_are_refused() {
        for (keys, message) in [
            (json!({}), "-: expected `pin`, `line` or `port`"),
            (json!({"pin": 1, "line": 2}), "-: only one of `pin`, `line` and `port` is allowed"),
            (json!({"pin": 1, "port": "/dev/ttyS1"}), "-: only one of `pin`, `line` and `port` is allowed"),
            (json!({"pin": 54}), "pin: there is no pin `54`"),
            (
                json!({"port": "replay:x"}),
                "port: a recording cannot be a source of pulses: they would count as if they came now",
            ),
            (json!({"pin": 1, "baud": 300}), "baud: `baud` has no effect without `port`"),
            (json!({"port": "/dev/ttyS1", "baud": 0}), "baud: `0` baud is not a valid speed"),
            (json!({"port": "/dev/ttyS1", "pull": "up"}), "pull: `pull` has no effect with `port`"),
            (
                json!({"line": 1, "backend": "rppal"}),
                "backend: `rppal` knows no chips and lines, only a Raspberry Pi's pins",
            ),
            (
                json!({"pin": 1, "pulses_per_kwh": 0}),
                "pulses_per_kwh: `0` is not a valid number of pulses per kWh",
            ),
            (
                json!({"pin": 1, "pulses_per_kwh": -1}),
                "pulses_per_kwh: `-1` is not a valid number of pulses per kWh",
            ),
            (
                json!({"pin": 1, "pulses_per_kwh": 1e7}),
                "pulses_per_kwh: `10000000` is not a valid number of pulses per kWh",
            ),
            (json!({"pin": 1, "debounce": "1m"}), "debounce: `1m` would swallow pulses"),
            (json!({"pin": 1, "power_timeout": "0s"}), "power_timeout: `0s` would always show 0 W"),
        ] {
            assert_eq!(settings(keys).unwrap_err(), message);
        }
        assert!(
            settings(json!({"port": "ttyS1"}))
                .unwrap_err()
                .contains("expected `/dev/…`, `tcp://host:port` or `replay:FILE`")
        );
        assert!(settings(json!({"pin": 1, "pulses": 1})).unwrap_err().contains("unknown field `pulses`"));
        assert!(settings(json!({"pin": 1, "pull": "left"})).unwrap_err().contains("unknown variant `left`"));
    }

    #[test]
    fn every_mistake_is_reported() {
        for (keys, messages) in [
            (
                "port = \"ttyS1\"\nbaud = 0\npull = \"up\"\nedge = \"rising\"\npulses_per_kwh = 0\n\
                 debounce = \"1m\"\npower_timeout = \"0s\"",
                &[
                    "expected `/dev/…`",
                    "`0` baud",
                    "`pull` has no effect",
                    "`edge` has no effect",
                    "`0` is not a valid number of pulses",
                    "`1m` would swallow",
                    "`0s` would always",
                ][..],
            ),
            (
                "pin = 54\nbaud = 300\nchip = \"gpiochip1\"\nbackend = \"rppal\"",
                &["no pin `54`", "`baud` has no effect", "`rppal` knows no chips"],
            ),
            (
                "pin = 54\nport = \"ttyS1\"\nbaud = 1\ndebounce = \"1m\"",
                &["only one of", "no pin `54`", "expected `/dev/…`", "`1` baud", "`1m` would swallow"],
            ),
            (
                "baud = 1\npulses_per_kwh = 0",
                &["expected `pin`, `line`", "`1` baud", "`0` is not a valid number"],
            ),
        ] {
            let text = format!("[sources.heat]\nplugin = \"s0\"\n{keys}\n");
            let mistakes = framework::Config::parse("config.toml", &text, &[]).err().unwrap().to_string();
            for message in messages {
                assert_eq!(mistakes.matches(message).count(), 1, "{message} in:\n{mistakes}");
            }
        }
    }
}

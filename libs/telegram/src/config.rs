//! The keys that every plugin for such a meter has.

use std::{ops::RangeInclusive, time::Duration};

use framework::{ConfigError, Period};
use transport::Port;

use crate::{DEFAULT_MAX_POWER, Settings, power::watts};

/// What a serial port may be set to.
const SPEEDS: RangeInclusive<u32> = 50..=4_000_000;

/// `silent_after` where the configuration does not say it.
pub fn default_silent_after() -> Period {
    Period(Duration::from_secs(30))
}

/// `speed` where the configuration does not say it.
pub fn default_speed() -> f64 {
    1.0
}

/// What is wrong with the speed in `key`, if it is none.
pub fn check_baud(key: &'static str, baud: Option<u32>, hint: &str) -> Option<ConfigError> {
    let baud = baud.filter(|baud| !SPEEDS.contains(baud))?;
    Some(ConfigError::key(key, format!("{baud} is no baud rate")).hint(hint))
}

/// The keys `port` and `speed`, `max_power` and `silent_after`, read.
#[derive(Debug)]
pub struct Keys {
    port: Result<Port, ConfigError>,
    max_power_w: Result<f64, ConfigError>,
    silent_after: Result<Duration, ConfigError>,
}

impl Keys {
    /// Reads them as they are written.
    pub fn read(port: &str, speed: f64, max_power: Option<&str>, silent_after: Period) -> Self {
        let port = port.parse::<Port>().map_err(|error| ConfigError::key("port", error));
        let port =
            port.and_then(|port| port.at_speed(speed).map_err(|error| ConfigError::key("speed", error)));
        let max_power_w = max_power.map_or(Ok(DEFAULT_MAX_POWER), |text| {
            let wrong = || ConfigError::key("max_power", format!("`{text}` is no power"));
            watts(text).ok_or_else(|| wrong().hint("write watts or kilowatts: `43kW`, `11000W`"))
        });
        let silent_after = if silent_after.is_zero() {
            Err(ConfigError::key("silent_after", "`silent_after` must be longer than nothing"))
        } else {
            Ok(*silent_after)
        };
        Self { port, max_power_w, silent_after }
    }

    /// The port, if it is one.
    pub fn port(&self) -> Option<&Port> {
        self.port.as_ref().ok()
    }

    /// The settings of a source that listens at `bauds`.
    ///
    /// # Errors
    /// All that is wrong with these keys, and `more` that is wrong with others.
    pub fn settings(
        self,
        bauds: Vec<u32>,
        more: impl IntoIterator<Item = ConfigError>,
    ) -> Result<Settings, ConfigError> {
        let Self { port, max_power_w, silent_after } = self;
        let found = [port.as_ref().err(), max_power_w.as_ref().err(), silent_after.as_ref().err()];
        ConfigError::all(found.into_iter().flatten().cloned().chain(more))?;
        Ok(Settings { port: port?, bauds, max_power_w: max_power_w?, silent_after: silent_after? })
    }
}

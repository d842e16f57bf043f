//! Configuration keys that the plugins of all such meters have in common.

use std::time::Duration;

use framework::{ConfigError, Period};
use transport::{Port, check_speed, is_baud_rate};

use crate::{DEFAULT_MAX_POWER, Settings};

/// Default of `silent_after`.
const SILENT_AFTER: Duration = Duration::from_secs(30);

/// Returns the error for the baud rate in `key`, if it is not a valid one.
pub fn check_baud(key: &'static str, baud: Option<u32>, hint: &str) -> Option<ConfigError> {
    let baud = baud.filter(|baud| !is_baud_rate(*baud))?;
    Some(ConfigError::key(key, format!("{baud} is not a valid baud rate")).hint(hint))
}

/// Returns the settings of a source that listens at `bauds`; the other arguments are keys as they are written.
///
/// # Errors
/// Returns every mistake in these keys, and `more` mistakes in others.
pub fn settings(
    port: &str,
    replay_speed: Option<f64>,
    max_power: Option<&str>,
    silent_after: Option<Period>,
    bauds: Vec<u32>,
    more: impl IntoIterator<Item = ConfigError>,
) -> Result<Settings, ConfigError> {
    let speed = replay_speed.unwrap_or(1.0);
    let port =
        port.parse::<Port>().and_then(Port::of_device).map_err(|error| ConfigError::key("port", error));
    // Whatever is wrong with the port: a speed must be one.
    let (port, slow) = match port.map(|port| port.at_speed(speed)) {
        Ok(Ok(port)) => (Ok(port), None),
        Ok(Err(error)) => (Err(ConfigError::key("replay_speed", error)), None),
        Err(error) => (Err(error), check_speed(speed).err()),
    };
    let slow = slow.map(|error| ConfigError::key("replay_speed", error));
    let max_power_w = max_power.map_or(Ok(DEFAULT_MAX_POWER), |text| {
        let wrong = || ConfigError::key("max_power", format!("`{text}` is not a valid power"));
        watts(text).ok_or_else(|| wrong().hint("write watts or kilowatts: `43kW`, `11000W`"))
    });
    let silent_after = match silent_after.map(|period| *period) {
        Some(Duration::ZERO) => {
            Err(ConfigError::key("silent_after", "`silent_after` must be greater than 0"))
        }
        period => Ok(period.unwrap_or(SILENT_AFTER)),
    };
    let found = [port.as_ref().err(), max_power_w.as_ref().err(), silent_after.as_ref().err()];
    ConfigError::all(found.into_iter().flatten().cloned().chain(slow).chain(more))?;
    Ok(Settings {
        port: port?,
        bauds,
        max_power_w: max_power_w?,
        silent_after: silent_after?,
        time_shift: None,
    })
}

/// Reads `43kW` or `11000W` as watts.
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

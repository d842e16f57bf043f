//! Configuration keys that the plugins of all such meters have in common.

use std::time::Duration;

use framework::{ConfigError, Period};
use transport::{Line, Parity, Port, check_speed, is_baud_rate};

use crate::{DEFAULT_MAX_POWER, Settings};

/// Default of `silent_after`.
const SILENT_AFTER: Duration = Duration::from_secs(30);

/// Returns the error for the baud rate in `key`, if it is not a valid one.
pub fn check_baud(key: &'static str, baud: Option<u32>, hint: &str) -> Option<ConfigError> {
    let baud = baud.filter(|baud| !is_baud_rate(*baud))?;
    Some(ConfigError::key(key, format!("{baud} is not a valid baud rate")).hint(hint))
}

/// Returns the lines to listen at: of the `usual` ones those with this baud rate and parity, or the one line that both say.
pub fn lines(baud: Option<u32>, parity: Option<Parity>, usual: &[Line]) -> Vec<Line> {
    let is_meant = |line: &Line| {
        baud.is_none_or(|baud| line.baud == baud) && parity.is_none_or(|parity| line.parity == parity)
    };
    let mut lines: Vec<_> = usual.iter().copied().filter(is_meant).collect();
    if lines.is_empty() {
        let first = usual.first().map_or(9600, |line| line.baud);
        lines.push(Line { baud: baud.unwrap_or(first), parity: parity.unwrap_or_default() });
    }
    lines
}

/// Returns the settings of a source that listens at `lines`; the other arguments are keys as they are written.
///
/// # Errors
/// Returns every mistake in these keys, and `more` mistakes in others.
pub fn settings(
    port: &str,
    replay_speed: Option<f64>,
    max_power: Option<&str>,
    silent_after: Option<Period>,
    lines: Vec<Line>,
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
        lines,
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
    fn a_baud_rate_and_a_parity_choose_among_the_usual_lines() {
        let usual = [Line::even(2400), Line::plain(2400), Line::plain(9600)];
        for (baud, parity, expected) in [
            (None, None, &usual[..]),
            (Some(2400), None, &usual[..2]),
            (None, Some(Parity::None), &usual[1..]),
            (Some(2400), Some(Parity::Even), &usual[..1]),
            (Some(300), None, &[Line::plain(300)]),
            (Some(9600), Some(Parity::Even), &[Line::even(9600)]),
        ] {
            assert_eq!(lines(baud, parity, &usual), expected, "{baud:?} {parity:?}");
        }
    }

    #[test]
    fn powers_are_read() {
        assert_eq!(watts("43kW"), Some(43_000.0));
        assert_eq!(watts("11000 W"), Some(11_000.0));
        for text in ["", "W", "43", "-1kW", "0W", "NaNkW", "infW", "43 kVA"] {
            assert_eq!(watts(text), None, "{text}");
        }
    }
}

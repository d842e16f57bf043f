//! Keys of a source.

use std::{collections::BTreeMap, time::Duration};

use framework::{ConfigError, Period};
use mbus::{Selection, request};
use serde::Deserialize;
use transport::Port;

use crate::{
    meter::Meter,
    readout::Target,
    timing::{SERIAL_LATENCY, TCP_LATENCY, Timing},
};

/// Baud rate of nearly all meters.
const BAUD: u32 = 2400;
/// Time between two readouts. Meters with a battery count on few readouts: a standard meter's battery is laid out for
/// one in a quarter of an hour to a day, and heat and water change slowly.
pub(crate) const INTERVAL: Duration = Duration::from_secs(3600);

/// Keys of a source with this plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Serial port of the level converter, or `tcp://host:port`.
    port: String,
    /// Baud rate of the bus.
    baud: Option<u32>,
    /// Primary address of the only meter of this source.
    address: Option<u16>,
    /// Secondary address of the only meter of this source.
    secondary: Option<String>,
    /// The meters, where they are several.
    #[serde(default)]
    meters: BTreeMap<String, MeterConfig>,
    /// Longest time from a request to the first byte of its answer.
    answer_timeout: Option<Period>,
}

/// Keys of one of several meters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterConfig {
    address: Option<u16>,
    secondary: Option<String>,
    /// Time between two readouts, where that is longer than the source's.
    interval: Option<Period>,
    /// Baud rate of this meter, where it is another one than that of the bus.
    baud: Option<u32>,
}

/// Checked configuration.
pub(crate) struct Settings {
    pub(crate) port: Port,
    pub(crate) timing: Timing,
    pub(crate) meters: Vec<Meter>,
}

impl Config {
    /// Returns the time between two turns: the shortest interval of a meter.
    pub(crate) fn interval(&self) -> Duration {
        let intervals = self.meters.values().filter_map(|meter| meter.interval.map(|interval| *interval));
        intervals.filter(|interval| !interval.is_zero()).min().unwrap_or(INTERVAL)
    }

    /// Checks the keys.
    ///
    /// # Errors
    ///
    /// Returns every mistake.
    pub(crate) fn check(self) -> Result<Settings, ConfigError> {
        let mut mistakes = Vec::new();
        let port = self.port.parse::<Port>().and_then(Port::of_device);
        let port = port.map_err(|error| mistakes.push(ConfigError::key("port", error))).ok();
        if port.as_ref().is_some_and(Port::is_replay) {
            let message = "a bus cannot be replayed: expected a serial port or `tcp://host:port`";
            mistakes.push(
                ConfigError::key("port", message).hint("`smartmeter decode FILE` reads recorded answers"),
            );
        }
        let baud = check_baud(self.baud, "baud", &mut mistakes).unwrap_or(BAUD);
        let answer = self.answer_timeout.map(|period| *period);
        if answer.is_some_and(|answer| answer.is_zero()) {
            mistakes.push(ConfigError::key("answer_timeout", "`answer_timeout` must be greater than 0"));
        }
        let latency = if matches!(port, Some(Port::Tcp(_))) { TCP_LATENCY } else { SERIAL_LATENCY };
        let timing = Timing::new(baud, latency, answer);

        let mut meters = Vec::new();
        let single = (self.address, self.secondary.as_deref());
        match (single, self.meters.is_empty()) {
            ((None, None), true) => mistakes.push(
                ConfigError::section("no meter is named: expected `address`, `secondary`, or `[sources.NAME.meters.METER]`")
                    .hint("`smartmeter probe --mbus PORT` finds the meters and shows what to write"),
            ),
            ((None, None), false) => {}
            (_, false) => mistakes.push(ConfigError::section(
                "`address` and `secondary` are those of a single meter: write them into the section of each meter",
            )),
            ((address, secondary), true) => {
                let target = target(address, secondary, "", &mut mistakes);
                meters.extend(target.map(|target| Meter::new(None, target, None, None)));
            }
        }
        for (name, meter) in &self.meters {
            let path = format!("meters.{name}");
            if !framework::is_name(name) {
                let message =
                    format!("`{name}` is not a valid name of a meter: expected letters, digits, `_` and `-`");
                mistakes.push(ConfigError::key(path.clone(), message));
            }
            if meter.interval.is_some_and(|interval| interval.is_zero()) {
                let message = "`interval` must be greater than 0";
                mistakes.push(ConfigError::key(format!("{path}.interval"), message));
            }
            let target = target(meter.address, meter.secondary.as_deref(), &path, &mut mistakes);
            let speed = check_baud(meter.baud, format!("{path}.baud"), &mut mistakes);
            let Some(target) = target else { continue };
            if let Some(other) = meters.iter().find(|other: &&Meter| other.target() == target) {
                let message = format!("`{name}` and `{}` have one address", other.name());
                mistakes.push(ConfigError::key(path, message));
            }
            meters.push(Meter::new(
                Some(name.clone()),
                target,
                meter.interval.map(|interval| *interval),
                speed,
            ));
        }
        ConfigError::all(mistakes)?;
        // Without a mistake there is a port.
        let port = port.ok_or_else(|| ConfigError::key("port", "`port` is missing"))?;
        Ok(Settings { port, timing, meters })
    }
}

/// Reads the address of a meter, whose keys are below `path`.
fn target(
    address: Option<u16>,
    secondary: Option<&str>,
    path: &str,
    mistakes: &mut Vec<ConfigError>,
) -> Option<Target> {
    let place = |key: &'static str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (address, secondary) {
        (Some(_), Some(_)) => {
            let message = "`address` and `secondary` exclude each other: keep one of them";
            mistakes.push(ConfigError::key(place("secondary"), message));
            None
        }
        (None, None) => {
            let message = "a meter needs its primary address, `address = 5`, or its secondary one, `secondary = \"12345678\"`";
            mistakes.push(ConfigError::key(path.to_owned(), message));
            None
        }
        (Some(address), None) => {
            let valid = u8::try_from(address).ok();
            let valid = valid.filter(|address| *address <= request::HIGHEST || *address == request::ANY);
            if valid.is_none() {
                let message = format!(
                    "{address} is not a primary address: expected 0 to {}, or {} for the only meter on a line",
                    request::HIGHEST,
                    request::ANY
                );
                mistakes.push(ConfigError::key(place("address"), message));
            }
            valid.map(Target::Primary)
        }
        (None, Some(text)) => match text.parse::<Selection>() {
            Ok(selection) => Some(Target::Secondary(selection)),
            Err(error) => {
                mistakes.push(ConfigError::key(place("secondary"), error.to_string()));
                None
            }
        },
    }
}

/// Returns the baud rate, if it is one of a bus.
fn check_baud(baud: Option<u32>, key: impl Into<String>, mistakes: &mut Vec<ConfigError>) -> Option<u32> {
    let baud = baud?;
    if request::speed(baud).is_none() {
        let known = request::SPEEDS.map(|(baud, _)| baud.to_string()).join(", ");
        let message = format!("{baud} is not a baud rate of an M-Bus: expected one of {known}");
        mistakes.push(ConfigError::key(key.into(), message).hint("nearly all meters use 2400"));
        return None;
    }
    Some(baud)
}

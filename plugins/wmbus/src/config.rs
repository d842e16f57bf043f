//! Keys of a source.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use framework::{ConfigError, Period, Secret, SourceContext, is_name};
use mbus::{
    Manufacturer, Selection,
    radio::{RadioMode, Receiver},
};
use serde::Deserialize;
use subprocess::Program;
use telegram::{Key, config::check_baud};
use transport::Port;

use crate::meters::Meter;

/// Time without a telegram, from any meter, after which the receiver is opened again.
const SILENT_AFTER: Duration = Duration::from_secs(10 * 60);
/// Time for which a reading is shown. Most meters send several times an hour, some each few hours.
const EXPIRE_AFTER: Duration = Duration::from_secs(6 * 3600);

/// Keys of a source with this plugin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Kind of receiver: it tells the framing.
    receiver: String,
    /// Program that receives, and its arguments.
    command: Option<Vec<String>>,
    /// Port of the stick: a serial one, `tcp://host:port`, or `replay:FILE`.
    port: Option<String>,
    /// Baud rate, if it is not the usual one of the receiver.
    baud: Option<u32>,
    /// Radio mode that a stick is set to.
    mode: Option<String>,
    /// Time without a telegram after which the receiver is opened again.
    silent_after: Option<Period>,
    /// Time for which a reading is shown after its telegram.
    expire_after: Option<Period>,
    /// The meters, by the name that their readings begin with.
    #[serde(default)]
    meters: BTreeMap<String, MeterConfig>,
}

/// Keys of one meter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterConfig {
    /// Number on the meter, or its whole address.
    id: String,
    /// Three letters, where two meters have one number.
    manufacturer: Option<String>,
    /// Version, where two meters have one number.
    version: Option<u8>,
    /// Device type, where two meters have one number.
    #[serde(rename = "type")]
    medium: Option<u8>,
    /// Key of an encrypted meter.
    key: Option<Secret>,
    /// File with the key.
    key_file: Option<PathBuf>,
}

/// Checked configuration.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) receiver: Receiver,
    pub(crate) origin: Origin,
    /// Messages that make a stick receive.
    pub(crate) setup: Vec<Vec<u8>>,
    pub(crate) silent_after: Duration,
    pub(crate) expire_after: Duration,
    pub(crate) meters: Vec<Meter>,
}

/// Origin of the bytes.
#[derive(Debug)]
pub(crate) enum Origin {
    Program(Program),
    /// Port and baud rate.
    Port(Port, u32),
}

impl Config {
    /// Checks what a type cannot.
    ///
    /// # Errors
    /// Returns every mistake.
    pub(crate) fn settings(self, cx: &SourceContext) -> Result<Settings, ConfigError> {
        let mut mistakes = Vec::new();
        let receiver = self.receiver.parse::<Receiver>();
        if let Err(error) = &receiver {
            mistakes.push(ConfigError::key("receiver", error.to_string()));
        }
        let mode = self.mode.as_deref().map(str::parse::<RadioMode>).transpose();
        if let Err(error) = &mode {
            mistakes.push(ConfigError::key("mode", error.clone()));
        }
        if let (Some(mode), Ok(receiver)) = (&self.mode, &receiver)
            && receiver.setup(RadioMode::default()).is_empty()
        {
            let message = format!(
                "`mode` is for sticks that are set to one, and `{receiver}` is not: leave out `{mode}`"
            );
            mistakes.push(ConfigError::key("mode", message));
        }
        mistakes.extend(check_baud("baud", self.baud, "iM871A 57600, CUL 38400, RC1180 19200, AMB8465 9600"));
        let usual = receiver.as_ref().map_or(9600, |receiver| receiver.baud());
        let origin = match (self.command, self.port) {
            (Some(command), None) => {
                mistakes.extend(subprocess::check("command", &command).err());
                if self.baud.is_some() {
                    mistakes.push(ConfigError::key("baud", "a program has no baud rate: leave out `baud`"));
                }
                Some(Origin::Program(Program::new(command, None, &BTreeMap::new(), cx)))
            }
            (None, Some(port)) => match port.parse::<Port>().and_then(Port::of_device) {
                Ok(port) => Some(Origin::Port(port, self.baud.unwrap_or(usual))),
                Err(error) => {
                    mistakes.push(ConfigError::key("port", error));
                    None
                }
            },
            (Some(_), Some(_)) => {
                mistakes.push(ConfigError::key(
                    "port",
                    "`command` and `port` exclude each other: keep one of them",
                ));
                None
            }
            (None, None) => {
                let hint = "write the stick's port, `port = \"/dev/ttyUSB0\"`, or the program that receives, \
                            `command = [\"rtl_433\", \"-F\", \"json\"]`";
                mistakes
                    .push(ConfigError::section("nothing receives: expected `port` or `command`").hint(hint));
                None
            }
        };
        let [silent_after, expire_after] = [
            ("silent_after", self.silent_after, SILENT_AFTER),
            ("expire_after", self.expire_after, EXPIRE_AFTER),
        ]
        .map(|(key, period, default)| {
            let period = period.map_or(default, |period| *period);
            if period.is_zero() {
                mistakes.push(ConfigError::key(key, format!("`{key}` must be greater than 0")));
            }
            period
        });
        let mut meters: Vec<Meter> = Vec::new();
        for (name, meter) in self.meters {
            let Some(meter) = meter.check(&name, &mut mistakes) else { continue };
            if let Some(other) = meters.iter().find(|other| other.selection() == meter.selection()) {
                let message = format!("`{name}` and `{}` have one number", other.name());
                let hint = "add `manufacturer`, `version` or `type` to tell them apart";
                mistakes.push(ConfigError::key(format!("meters.{name}.id"), message).hint(hint));
            }
            meters.push(meter);
        }
        ConfigError::all(mistakes)?;
        // Without a mistake all of them are there.
        let (Ok(receiver), Ok(mode), Some(origin)) = (receiver, mode, origin) else {
            return Err(ConfigError::section("`receiver` is missing"));
        };
        let is_port = matches!(&origin, Origin::Port(port, _) if !port.is_replay());
        let setup = if is_port { receiver.setup(mode.unwrap_or_default()) } else { Vec::new() };
        Ok(Settings { receiver, origin, setup, silent_after, expire_after, meters })
    }
}

impl MeterConfig {
    fn check(self, name: &str, mistakes: &mut Vec<ConfigError>) -> Option<Meter> {
        let place = |key: &str| format!("meters.{name}.{key}");
        let before = mistakes.len();
        if !is_name(name) {
            let message =
                format!("`{name}` is not a valid name of a meter: expected letters, digits, `_` and `-`");
            mistakes.push(ConfigError::key(format!("meters.{name}"), message));
        }
        let mut selection = Selection::ANY;
        match self.id.parse() {
            Ok(parsed) => selection = parsed,
            Err(error) => mistakes.push(ConfigError::key(place("id"), format!("{error}"))),
        }
        match self.manufacturer.as_deref().map(|letters| Manufacturer::parse(&letters.to_ascii_uppercase())) {
            Some(Some(manufacturer)) => selection.manufacturer = manufacturer.0,
            Some(None) => {
                let message = "`manufacturer` has three letters, such as `KAM`";
                mistakes.push(ConfigError::key(place("manufacturer"), message));
            }
            None => {}
        }
        selection.version = self.version.unwrap_or(selection.version);
        selection.medium = self.medium.unwrap_or(selection.medium);
        let key_name = if self.key.is_some() { "key" } else { "key_file" };
        let key = match Key::given(["key", "key_file"], self.key, self.key_file.as_deref()) {
            Ok(key) => key,
            Err(error) => {
                mistakes.push(error.at(place(key_name)));
                None
            }
        };
        (mistakes.len() == before).then(|| Meter::new(name, selection, key))
    }
}

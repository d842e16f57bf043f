//! `port = "…"` in the configuration.

use std::{fmt, fs, io, path::PathBuf, str::FromStr};

/// Example of a serial port.
const USUAL: &str = "/dev/ttyUSB0";

/// Baud rates of serial ports: those of the kernel, and further ones that USB adapters have.
const BAUD_RATES: [u32; 40] = [
    50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 14_400, 19_200, 28_800, 31_250,
    38_400, 56_000, 57_600, 76_800, 115_200, 128_000, 153_600, 230_400, 250_000, 256_000, 460_800, 500_000,
    576_000, 614_400, 921_600, 1_000_000, 1_152_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000,
    4_000_000,
];

/// Returns whether a serial port has this baud rate.
pub fn is_baud_rate(baud: u32) -> bool {
    BAUD_RATES.contains(&baud)
}

/// Checks the speed of a replay, in multiples of that of the recording.
///
/// # Errors
/// Fails for a number that is not finite and greater than 0.
pub fn check_speed(speed: f64) -> Result<(), String> {
    match speed.is_finite() && speed > 0.0 {
        true => Ok(()),
        false => Err(format!("invalid speed `{speed}`: expected a number greater than 0, such as 10 or 0.5")),
    }
}

/// Address of a device: `/dev/ttyUSB0`, `tcp://host:port`, or `replay:FILE` for a recorded one.
#[derive(Debug, Clone, PartialEq)]
pub enum Port {
    /// Path of a serial port.
    Serial(PathBuf),
    /// Host and port of a raw TCP server in front of a serial port.
    Tcp(String),
    /// Recording of a device.
    Replay {
        /// A recording, or a file of raw bytes.
        file: PathBuf,
        /// Speed in multiples of that of the recording; greater than 0.
        speed: f64,
    },
}

impl Port {
    /// Returns the same port, read at `speed` times the speed of its recording.
    ///
    /// # Errors
    /// Fails for a speed that is not a finite number greater than 0, and for another speed than 1 of a real port.
    pub fn at_speed(self, speed: f64) -> Result<Self, String> {
        check_speed(speed)?;
        match self {
            Self::Replay { file, .. } => Ok(Self::Replay { file, speed }),
            device if speed == 1.0 => Ok(device),
            device => Err(format!(
                "only a recording has a replay speed: expected `port = \"replay:FILE\"`, not `{device}`"
            )),
        }
    }

    /// Returns it unless its path names something else: a folder or a file cannot be a serial port, and a recording must
    /// be there. Nothing is opened, and a device that is missing may come.
    ///
    /// # Errors
    /// Returns what was found instead, and what to write.
    pub fn of_device(self) -> Result<Self, String> {
        let (path, is_replay) = match &self {
            Self::Serial(path) => (path, false),
            Self::Replay { file, .. } => (file, true),
            Self::Tcp(_) => return Ok(self),
        };
        let shown = path.display();
        match fs::metadata(path).map(|found| found.file_type()) {
            Err(error) if is_replay && error.kind() == io::ErrorKind::NotFound => Err(format!(
                "there is no recording `{shown}`: expected a file that `smartmeter record` wrote, or of raw bytes"
            )),
            Ok(found) if is_replay && found.is_dir() => {
                Err(format!("`{shown}` is a folder: expected the recording in it, `replay:{shown}/FILE`"))
            }
            _ if is_replay => Ok(self),
            Ok(found) if found.is_dir() => {
                Err(format!("`{shown}` is a folder: expected a serial port in it, such as `{}`", USUAL))
            }
            Ok(found) if found.is_file() => Err(format!(
                "`{shown}` is a file: expected a serial port such as `{USUAL}`, or `replay:{shown}` for a recording"
            )),
            _ => Ok(self),
        }
    }

    /// Returns whether it is a recording instead of a device.
    pub fn is_replay(&self) -> bool {
        matches!(self, Self::Replay { .. })
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| Err(format!("`{text}` {why}: expected `/dev/…`, `tcp://host:port` or `replay:FILE`"));
        match text.strip_prefix("replay:") {
            Some("") => return wrong("lacks a file"),
            Some(file) => return Ok(Self::Replay { file: file.into(), speed: 1.0 }),
            None => {}
        }
        match text.split_once("://") {
            Some(("tcp", address)) => match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
                    Ok(Self::Tcp(address.to_owned()))
                }
                _ => wrong("lacks a host or a port number"),
            },
            Some(_) => wrong("has an unknown scheme"),
            None if text.starts_with('/') => Ok(Self::Serial(text.into())),
            None => wrong("is not a valid port"),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Replay { file, .. } => write!(f, "replay:{}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_parsed_and_displayed() {
        for text in [
            "/dev/ttyUSB0",
            "/dev/serial/by-id/usb-x",
            "tcp://meter:2000",
            "tcp://[::1]:2000",
            "replay:meter.txt",
            "replay:/tmp/a:b",
        ] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "ttyUSB0",
            "tcp://",
            "tcp://host",
            "tcp://:1",
            "tcp://host:0",
            "tcp://host:70000",
            "udp://a:1",
            "replay:",
        ] {
            assert!(
                text.parse::<Port>()
                    .unwrap_err()
                    .contains("expected `/dev/…`, `tcp://host:port` or `replay:FILE`"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_folder_or_a_file_is_not_a_serial_port() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let file = folder.join("Cargo.toml");
        let checked = |path: &std::path::Path| Port::Serial(path.to_owned()).of_device();
        assert!(checked(folder).unwrap_err().contains("is a folder: expected a serial port"));
        assert!(checked(&file).unwrap_err().contains("or `replay:"));
        assert!(checked("/dev/null".as_ref()).is_ok() && checked("/dev/tty-of-nobody".as_ref()).is_ok());
    }

    #[test]
    fn a_recording_must_be_there() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let checked = |file: &str| format!("replay:{file}").parse::<Port>().unwrap().of_device();
        assert!(checked(&format!("{folder}/Cargo.toml")).is_ok() && checked("/dev/zero").is_ok());
        assert!(checked(folder).unwrap_err().contains("is a folder: expected the recording in it"));
        let missing = format!("{folder}/no-such-file.txt");
        assert!(checked(&missing).unwrap_err().contains(&format!("there is no recording `{missing}`")));
    }

    #[test]
    fn a_baud_rate_is_one_that_ports_have() {
        assert!([300, 9600, 115_200, 4_000_000].into_iter().all(is_baud_rate));
        assert!(![0, 1, 9601, 12_345, 99_999, 4_000_001, u32::MAX].into_iter().any(is_baud_rate));
    }

    #[test]
    fn only_a_recording_has_a_replay_speed() {
        let replay: Port = "replay:x".parse().unwrap();
        assert_eq!(replay.clone().at_speed(10.0), Ok(Port::Replay { file: "x".into(), speed: 10.0 }));
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(replay.clone().at_speed(wrong).unwrap_err().contains("invalid speed"));
        }
        let device: Port = "/dev/ttyUSB0".parse().unwrap();
        assert_eq!(device.clone().at_speed(1.0).as_ref(), Ok(&device));
        assert!(device.at_speed(2.0).unwrap_err().contains("not `/dev/ttyUSB0`"));
    }
}

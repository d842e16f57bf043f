//! `port = "…"` in the configuration.

use std::{fmt, path::PathBuf, str::FromStr};

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
        if !(speed.is_finite() && speed > 0.0) {
            return Err(format!(
                "invalid speed `{speed}`: expected a number greater than 0, such as 10 or 0.5"
            ));
        }
        match self {
            Self::Replay { file, .. } => Ok(Self::Replay { file, speed }),
            device if speed == 1.0 => Ok(device),
            device => Err(format!(
                "only a recording has a replay speed: expected `port = \"replay:FILE\"`, not `{device}`"
            )),
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

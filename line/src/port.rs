//! `port = "…"` in the configuration.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where a device is: `/dev/ttyUSB0`, or `tcp://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// The path of a serial port.
    Serial(PathBuf),
    /// Host and port of a raw TCP server in front of one.
    Tcp(String),
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("`{text}` {why}: expected `/dev/…` or `tcp://host:port`"));
        match text.split_once("://") {
            Some(("tcp", address)) => match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
                    Ok(Self::Tcp(address.to_owned()))
                }
                _ => wrong("lacks a host or a port number"),
            },
            Some(_) => wrong("is of an unknown kind"),
            None if text.starts_with('/') => Ok(Self::Serial(text.into())),
            None => wrong("is no port"),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serial(path) => path.display().fmt(f),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_shown() {
        for text in ["/dev/ttyUSB0", "/dev/serial/by-id/usb-x", "tcp://meter:2000", "tcp://[::1]:2000"] {
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
        ] {
            assert!(
                text.parse::<Port>().unwrap_err().contains("expected `/dev/…` or `tcp://host:port`"),
                "{text}"
            );
        }
    }
}

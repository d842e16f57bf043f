//! What a stick must be told before it receives.

use std::str::FromStr;

use super::{
    Receiver,
    binary::{AMB8465_START, IM871A_START},
};

/// Mode of the meters' radio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RadioMode {
    /// C: 868.95 MHz, NRZ.
    C,
    /// T: 868.95 MHz, 3-of-6; the usual one.
    #[default]
    T,
    /// S: 868.3 MHz, Manchester.
    S,
}

impl RadioMode {
    /// Returns its letter, as the configuration has it.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::T => "T",
            Self::S => "S",
        }
    }
}

impl FromStr for RadioMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "C" | "c" | "C1" => Ok(Self::C),
            "T" | "t" | "T1" => Ok(Self::T),
            "S" | "s" | "S1" => Ok(Self::S),
            _ => Err(format!("unknown radio mode `{text}`, expected one of `C`, `T`, `S`")),
        }
    }
}

impl Receiver {
    /// Returns the messages that make it receive, one after the other; none where it needs none.
    pub fn setup(self, mode: RadioMode) -> Vec<Vec<u8>> {
        match self {
            // X21: with LQI and RSSI.
            Self::Cul => {
                let mode = match mode {
                    RadioMode::C => "brc\r\n",
                    RadioMode::T => "brt\r\n",
                    RadioMode::S => "brs\r\n",
                };
                vec![b"X21\r\n".to_vec(), mode.into()]
            }
            Self::Im871a => {
                let link = match mode {
                    RadioMode::S => 0,
                    RadioMode::T => 3,
                    RadioMode::C => 6,
                };
                // Endpoint 1, SET_CONFIG_REQ: until the next reset; flags of the radio mode; the mode; flags of strength
                // and time stamp; both on.
                vec![vec![IM871A_START, 0x01, 0x03, 6, 0x00, 0x02, link, 0x30, 0x01, 0x01]]
            }
            Self::Amb8465 => {
                // It receives T and C at once.
                let mode = if mode == RadioMode::S { 0x03 } else { 0x09 };
                // CMD_SET_MODE_REQ: until the next reset.
                let mut message = vec![AMB8465_START, 0x04, 1, mode];
                message.push(message.iter().fold(0, |sum, byte| sum ^ byte));
                vec![message]
            }
            Self::RtlWmbus | Self::Rtl433 | Self::Hex | Self::Bare => Vec::new(),
        }
    }
}

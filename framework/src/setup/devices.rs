//! Devices of this machine, which the program that links the plugins knows.

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::Outline;

/// Devices of this machine at which meters may be, and the search for meters there.
#[async_trait]
pub trait Devices: Send + Sync + 'static {
    /// Returns the serial ports.
    fn ports(&self) -> Vec<PortInfo>;

    /// Returns the GPIO lines.
    fn lines(&self) -> Vec<LineInfo>;

    /// Returns whether sections of a plugin may be saved by a client. Those of one that runs programs may not: whoever has
    /// the token could run any.
    fn may_be_saved(&self, plugin: &str) -> bool;

    /// Looks for meters at these ports, all at the same time; without any, at all serial ports. A port that a source of
    /// `known` reads is left alone. Each finding is sent at once. Dropping the future ends the search, and releases the
    /// ports.
    async fn probe(&self, ports: Vec<String>, known: Outline, events: mpsc::Sender<ProbeEvent>);
}

/// A serial port.
#[derive(Debug, Clone, Serialize)]
pub struct PortInfo {
    /// The name to write into a section: that which stays the same after replugging, where there is one.
    pub port: String,
    /// The kernel's name of it.
    pub device: String,
    /// The adapter's name for people, if it has one.
    pub name: Option<String>,
    /// The source that reads it.
    pub used_by: Option<String>,
}

/// A GPIO line.
#[derive(Debug, Clone, Serialize)]
pub struct LineInfo {
    /// The chip, such as `gpiochip0`.
    pub chip: String,
    /// The line's number at the chip.
    pub line: u32,
    /// The line's name, such as `GPIO17`; empty if it has none.
    pub name: String,
    /// Its user, if it has one: `smartmeter` or another program, or a driver.
    pub used_by: Option<String>,
}

/// A step of a search for meters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeEvent {
    /// The search goes on.
    Progress {
        /// The port.
        port: String,
        /// What is tried now.
        text: String,
        /// Ports that are done.
        done: usize,
        /// All ports.
        of: usize,
    },
    /// A meter was found.
    Found {
        /// The port.
        port: String,
        /// The meter, and what a person can do about it.
        text: String,
        /// The plugin that reads it.
        plugin: &'static str,
        /// The name of the source in `toml`.
        name: String,
        /// The section that reads it.
        toml: String,
        /// The keys of the section that must be added before the meter can be read, such as `key`: each is a secret of 32
        /// hexadecimal digits.
        keys: &'static [&'static str],
        /// The readings of its telegram.
        readings: Vec<ProbedReading>,
    },
    /// No meter that can be read is at the port.
    Problem {
        /// The port.
        port: String,
        /// Its kind.
        code: &'static str,
        /// What was found instead.
        text: String,
        /// What to do; may be empty.
        hint: String,
    },
}

/// A reading of a meter that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbedReading {
    /// Its name.
    pub name: String,
    /// Its value as a text, with every digit.
    pub value: String,
    /// Its unit; empty if it has none.
    pub unit: String,
}

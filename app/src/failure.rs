//! Failures of the program.

use std::{fmt, io, process::ExitCode};

use framework::Diagnostics;

use crate::output::is_unread;

/// A failure while running.
const FAULT: u8 = 1;
/// A mistake in the command line or the configuration.
const USAGE: u8 = 2;

/// Reason for the end of the program, with its exit status. It is none if nobody reads the output any more.
pub(crate) struct Failure {
    status: u8,
    text: String,
}

impl Failure {
    /// A failure while running: status 1. The text is whole lines.
    pub(crate) fn fault(text: impl Into<String>) -> Self {
        Self { status: FAULT, text: text.into() }
    }

    /// A mistake in the command line or the configuration: status 2. The text is whole lines.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { status: USAGE, text: text.into() }
    }

    /// Returns the exit status.
    pub(crate) fn status(&self) -> ExitCode {
        ExitCode::from(self.status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Diagnostics> for Failure {
    fn from(mistakes: Diagnostics) -> Self {
        Self::usage(mistakes.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if is_unread(&error) {
            return Self { status: 0, text: String::new() };
        }
        Self::fault(format!("smartmeter: {error}\n"))
    }
}

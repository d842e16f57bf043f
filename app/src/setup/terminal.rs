//! Questions to a person at a terminal.

use std::io::{self, BufRead as _, Write as _};

/// A dialogue over lines: works over ssh, and on a serial console.
pub(super) struct Terminal;

/// The person has ended the dialogue.
pub(super) struct Ended;

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Terminal {
    /// Prints a line.
    pub(super) fn say(&self, text: &str) {
        // A text of a meter or a server must not control the terminal.
        let shown: String = text.chars().filter(|char| *char == '\n' || !char.is_control()).collect();
        let _ = writeln!(io::stdout().lock(), "{shown}");
    }

    /// Returns the answer to a question; the usual one for an empty line.
    pub(super) fn ask(&self, question: &str, usual: &str) -> Result<String, Ended> {
        let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
        let mut out = io::stdout().lock();
        write!(out, "{question}{shown}: ")?;
        out.flush()?;
        drop(out);
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Err(Ended);
        }
        let line = line.trim();
        Ok(if line.is_empty() { usual } else { line }.to_owned())
    }

    /// Asks until the answer is yes or no; an empty line is yes.
    pub(super) fn agrees(&self, question: &str) -> Result<bool, Ended> {
        loop {
            match &*self.ask(&format!("{question} (y/n)"), "y")?.to_lowercase() {
                "y" | "yes" | "j" | "ja" => return Ok(true),
                "n" | "no" | "nein" => return Ok(false),
                _ => self.say("please answer `y` or `n`"),
            }
        }
    }
}

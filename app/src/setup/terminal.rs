//! Questions to a person at a terminal.

use std::{
    io::{self, BufRead as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::interrupt;

/// A dialogue over lines: works over ssh, and on a serial console.
pub(super) struct Terminal {
    /// The terminal's usual modes while it does not show what is typed. The thread that waits for signals restores them.
    usual: Arc<Mutex<Option<Termios>>>,
}

/// The person has ended the dialogue.
pub(super) struct Ended;

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// An answer that can be chosen: its value, and the text that explains it.
pub(super) type Choice = (String, String);

impl Terminal {
    /// The terminal of this process. A signal that ends the process leaves it as it was.
    pub(super) fn new() -> Self {
        let usual = Arc::default();
        let restored = Arc::clone(&usual);
        interrupt::before_end(move || restore(&restored));
        Self { usual }
    }

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

    /// Asks until the answer is right: `check` returns what it means, or what is wrong with it.
    pub(super) fn ask_until<T>(
        &self,
        question: &str,
        usual: &str,
        check: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Ended> {
        loop {
            match check(&self.ask(question, usual)?) {
                Ok(answer) => return Ok(answer),
                Err(wrong) => self.say(&wrong),
            }
        }
    }

    /// Returns the answer to a question for a secret, which is not shown while it is typed.
    pub(super) fn ask_secret(&self, question: &str) -> Result<String, Ended> {
        let keep = |modes| *self.usual.lock().unwrap_or_else(PoisonError::into_inner) = modes;
        let usual = tcgetattr(io::stdin()).ok();
        keep(usual.clone());
        if let Some(mut hidden) = usual {
            hidden.local_modes.remove(LocalModes::ECHO);
            // The end of the line is shown.
            hidden.local_modes.insert(LocalModes::ECHONL);
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &hidden);
        }
        let answer = self.ask(&format!("{question} (not shown)"), "");
        restore(&self.usual);
        answer
    }

    /// Returns the chosen one of these answers: a person writes its number, or its value.
    pub(super) fn choose(&self, question: &str, choices: &[Choice], usual: &str) -> Result<String, Ended> {
        for (n, (value, text)) in choices.iter().enumerate() {
            let text = if text.is_empty() { String::new() } else { format!("  {text}") };
            self.say(&format!("  {}  {value}{text}", n + 1));
        }
        let values = || choices.iter().map(|(value, _)| value);
        let chosen = |answer: &str| {
            let number = answer.parse::<usize>().ok().and_then(|n| choices.get(n.checked_sub(1)?));
            let value = values().find(|value| *value == answer).or(number.map(|(value, _)| value));
            value.cloned().ok_or_else(|| {
                format!("`{answer}` is none of these: write a number from 1 to {}", choices.len())
            })
        };
        self.ask_until(question, usual, chosen)
    }

    /// Asks until the answer is yes or no; an empty line is yes.
    pub(super) fn agrees(&self, question: &str) -> Result<bool, Ended> {
        self.ask_until(&format!("{question} (y/n)"), "y", |answer| match &*answer.to_lowercase() {
            "y" | "yes" | "j" | "ja" => Ok(true),
            "n" | "no" | "nein" => Ok(false),
            _ => Err("please answer `y` or `n`".to_owned()),
        })
    }
}

/// Lets the terminal show again what is typed.
fn restore(usual: &Mutex<Option<Termios>>) {
    if let Some(modes) = usual.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    }
}

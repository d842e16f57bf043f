//! Where progress is shown: on the terminal, as lines, or nowhere.

use std::{
    fs::{File, Metadata},
    io::{self, IsTerminal as _, Write as _},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt as _, MetadataExt as _},
    },
    sync::{Mutex, Once, PoisonError},
};

use rustix::{process::getpgrp, termios};

use crate::interrupt;

/// Width of a terminal that does not tell it.
const USUAL_WIDTH: usize = 80;
/// Begins the line again, and erases it, with what a narrower window has wrapped.
const ERASE: &str = "\r\x1b[J";

/// Place of the progress on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A bar that is drawn again and again.
    Terminal,
    /// Lines.
    Lines,
    Nowhere,
}

/// State of the terminal's line.
enum Line {
    Empty,
    Drawn,
    /// The process ends.
    Ended,
}

/// The line is drawn by the thread of a [`Progress`](super::Progress), and erased by that of signals.
static LINE: Mutex<Line> = Mutex::new(Line::Empty);

impl Place {
    /// Place on standard error. A terminal that can do nothing but print gets lines.
    pub(super) fn of_standard_error() -> Self {
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        if io::stderr().is_terminal() && !is_dumb { Self::Terminal } else { Self::Lines }
    }

    /// Place beside a result on standard output: nowhere if both go to a terminal, or to the same file.
    pub(super) fn beside_output() -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let same = metadata(&out)
            .zip(metadata(&err))
            .is_some_and(|(out, err)| (out.dev(), out.ino()) == (err.dev(), err.ino()));
        let both = out.is_terminal() && err.is_terminal();
        if same || both { Self::Nowhere } else { Self::of_standard_error() }
    }
}

/// Returns whether another program reads standard output.
pub(super) fn is_piped() -> bool {
    metadata(&io::stdout()).is_some_and(|found| found.file_type().is_fifo() || found.file_type().is_socket())
}

fn metadata(file: &impl AsFd) -> Option<Metadata> {
    File::from(file.as_fd().try_clone_to_owned().ok()?).metadata().ok()
}

/// Draws the line that `text` returns for the width of the terminal, in one piece.
pub(super) fn draw(text: impl FnOnce(usize) -> String) {
    // As a job in the background it would disturb what the person types.
    if !is_in_foreground() {
        return;
    }
    static SIGNALS: Once = Once::new();
    SIGNALS.call_once(|| interrupt::before_end(end));
    let mut line = LINE.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*line, Line::Ended) {
        return;
    }
    let width = termios::tcgetwinsize(io::stderr()).map_or(0, |size| usize::from(size.ws_col));
    // A character in the last column would begin a new line on some terminals.
    let text = text(if width == 0 { USUAL_WIDTH } else { width } - 1);
    // The cursor stays at the begin: there it is still if a narrower window wraps the line.
    write(&format!("\r{text}\x1b[J\r"));
    *line = Line::Drawn;
}

/// Erases the line.
pub(super) fn erase() {
    print_above("");
}

/// Prints a line where the bar was; none if it is empty.
pub(super) fn print_above(text: &str) {
    let mut line = LINE.lock().unwrap_or_else(PoisonError::into_inner);
    let erase = if matches!(*line, Line::Drawn) { ERASE } else { "" };
    let end = if text.is_empty() { "" } else { "\n" };
    if !matches!(*line, Line::Ended) {
        write(&format!("{erase}{text}{end}"));
        *line = Line::Empty;
    }
}

/// Leaves the terminal as it was, for good.
fn end() {
    erase();
    *LINE.lock().unwrap_or_else(PoisonError::into_inner) = Line::Ended;
}

fn write(text: &str) {
    // Nobody may be there to read it.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Returns whether this process has the terminal. One without a controlling terminal has it to itself.
fn is_in_foreground() -> bool {
    termios::tcgetpgrp(io::stderr()).map_or(true, |group| group == getpgrp())
}

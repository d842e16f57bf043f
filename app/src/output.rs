//! Standard output of the subcommands.

use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal as _, StdoutLock, Write},
};

/// Standard output. A reader that has seen enough, such as `head`, ends the program quietly.
pub(crate) struct Output(StdoutLock<'static>);

/// Returns the standard output.
pub(crate) fn output() -> Output {
    Output(io::stdout().lock())
}

impl Output {
    /// Returns whether a person looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(marked)
    }
}

/// Returns whether an error says that the reader of standard output has gone.
pub(crate) fn is_unread(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<Unread>())
}

/// Tells the broken pipe of standard output from that of a connection, which is a fault.
fn marked(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Unread),
        _ => error,
    }
}

#[derive(Debug)]
struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl Error for Unread {}

//! Origin of the bytes: a program that receives, or a stick on a port.

use std::{io, time::Duration};

use framework::{AcquireError, Backoff, Fact, SourceContext};
use subprocess::{ErrorLog, Process, Program, in_words};
use tokio::{
    io::AsyncReadExt as _,
    process::ChildStdout,
    time::{Instant, timeout},
};
use transport::{Connection, Port};

/// Pauses before a program is started again.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// Time after which a program counts as one that works: the pauses begin with the shortest again.
const WORKS_AFTER: Duration = Duration::from_secs(60);
/// Time between the end of a program's output and that of the program.
const END: Duration = Duration::from_millis(500);

/// An open receiver.
pub(crate) enum Input {
    Program { name: String, process: Box<Process>, stdout: ChildStdout, since: Instant },
    Port { name: String, connection: Connection },
}

/// Starter of programs, with what `/health` shows of them.
pub(crate) struct Starter {
    retry: Backoff,
    stderr: Fact,
    pid: Fact,
    log: ErrorLog,
}

impl Starter {
    pub(crate) fn new(cx: &SourceContext) -> Self {
        Self { retry: RETRY, stderr: cx.fact("stderr"), pid: cx.fact("pid"), log: ErrorLog::default() }
    }

    /// Starts a program.
    ///
    /// # Errors
    /// It is unavailable, with the reason and the remedy.
    pub(crate) fn start(&mut self, program: &Program) -> Result<Input, AcquireError> {
        let name = program.name().to_owned();
        let started = Process::start(program, false, Some(self.stderr.clone()), self.log.clone());
        let lost = || io::Error::from(io::ErrorKind::BrokenPipe);
        let started = started.and_then(|mut process| {
            let stdout = process.stdout.take().ok_or_else(lost)?;
            Ok((process, stdout))
        });
        let (process, stdout) = started
            .map_err(|error| AcquireError::from(error).of_program(&name).retry_after(self.retry.pause()))?;
        if let Some(id) = process.id() {
            self.pid.set(id.to_string());
        }
        Ok(Input::Program { name, process: Box::new(process), stdout, since: Instant::now() })
    }
}

impl Input {
    /// Opens a port, and tells the stick to receive.
    ///
    /// # Errors
    /// Returns the system's error.
    pub(crate) async fn open(port: &Port, baud: u32, setup: &[Vec<u8>]) -> Result<Self, AcquireError> {
        let name = port.to_string();
        let unavailable = |error: io::Error| AcquireError::from(error).of_device(&name);
        let connection = Connection::open(port, baud).await.map_err(unavailable)?;
        let mut input = Self::Port { name: name.clone(), connection };
        input.set_up(setup).await.map_err(unavailable)?;
        Ok(input)
    }

    /// Tells a stick to receive: one that was reset has lost its mode, and says nothing about it.
    ///
    /// # Errors
    /// Returns the system's error.
    pub(crate) async fn set_up(&mut self, setup: &[Vec<u8>]) -> io::Result<()> {
        if let Self::Port { connection, .. } = self {
            for message in setup {
                connection.send(message).await?;
            }
        }
        Ok(())
    }

    /// Waits for bytes; never returns 0.
    ///
    /// # Errors
    /// The receiver went away.
    ///
    /// # Cancel safety
    /// A dropped call has read nothing.
    pub(crate) async fn read(
        &mut self,
        buffer: &mut [u8],
        starter: &mut Starter,
    ) -> Result<usize, AcquireError> {
        match self {
            Self::Port { name, connection } => {
                connection.read(buffer).await.map_err(|error| AcquireError::from(error).of_device(name))
            }
            Self::Program { name, process, stdout, since } => {
                let error = match stdout.read(buffer).await {
                    Ok(count @ 1..) => return Ok(count),
                    Ok(0) => ended(process).await,
                    Err(error) => error,
                };
                if since.elapsed() >= WORKS_AFTER {
                    starter.retry.reset();
                }
                Err(AcquireError::from(error).of_program(name).retry_after(starter.retry.pause()))
            }
        }
    }

    /// Ends a program; closes a port.
    pub(crate) async fn close(self) {
        if let Self::Program { process, .. } = self {
            process.end().await;
        }
    }
}

/// Returns the error about the end of a program.
async fn ended(process: &mut Process) -> io::Error {
    let Ok(status) = timeout(END, process.ended()).await else {
        return io::Error::other("it closed its standard output, but goes on, and is ended");
    };
    let exit = match status {
        Ok(status) => in_words(status),
        Err(error) => format!("could not be waited for: {error}"),
    };
    io::Error::other(match process.stderr.last().await {
        last if last.is_empty() => format!("it ended with {exit}"),
        last => format!("it ended with {exit}; standard error: {last}"),
    })
}

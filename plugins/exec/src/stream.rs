//! A program that keeps running, and writes a line whenever it has news.

use std::{future::pending, io, process::ExitStatus, sync::Arc, time::Duration};

use framework::{AcquireError, Backoff, Batch, DataAcquisition, async_trait};
use subprocess::{Lines, MAX_LINE, NoLine, Process};
use tokio::{
    process::ChildStdout,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    command_config::Work,
    config::Settings,
    format::Line,
    input::Input,
    outcome::{Outcome, unavailable},
};

/// Pauses before a program is started again.
const RETRY: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
/// Time after which a program counts as one that works: the pauses begin with the shortest again.
const WORKS_AFTER: Duration = Duration::from_secs(60);
/// Time for lines that belong to the one before.
const JOIN: Duration = Duration::from_millis(100);
/// Time between the end of a program's output and that of the program, and the reverse.
const END: Duration = Duration::from_millis(500);

/// A program that streams.
pub(crate) struct Stream {
    settings: Settings,
    outcome: Outcome,
    /// For the commands that write to the program.
    input: Arc<Input>,
    running: Option<Running>,
    retry: Backoff,
}

/// A program that runs.
struct Running {
    process: Process,
    lines: Lines<ChildStdout>,
    since: Instant,
    /// Lines of one time, which may not be all of them yet.
    joined: Option<Joined>,
    /// Its end. What it wrote before that is still read.
    ended: Option<(io::Result<ExitStatus>, Instant)>,
}

struct Joined {
    line: Line,
    deadline: Instant,
}

/// What comes next of a program.
enum Next {
    Line(Line),
    /// No more lines belong to the ones before.
    Complete,
    End(Option<&'static str>),
}

impl Stream {
    pub(crate) fn new(settings: Settings, outcome: Outcome, input: Arc<Input>) -> Self {
        Self { settings, outcome, input, running: None, retry: RETRY }
    }
}

#[async_trait]
impl DataAcquisition for Stream {
    async fn open(&mut self) -> Result<(), AcquireError> {
        self.close().await;
        let started = self.outcome.start(&self.settings, true);
        let mut process = started.map_err(|error| error.retry_after(self.retry.pause()))?;
        let lost = || unavailable(&self.settings, io::ErrorKind::BrokenPipe.into());
        let lines = Lines::new(process.stdout.take().ok_or_else(lost)?);
        if self.settings.plans.iter().any(|plan| matches!(plan.work, Work::Write(_)))
            && let Some(stdin) = process.stdin.take()
        {
            self.input.connect(stdin);
        }
        self.running = Some(Running { process, lines, since: Instant::now(), joined: None, ended: None });
        Ok(())
    }

    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        let Self { settings, outcome, running, retry, .. } = self;
        let Some(running) = running else {
            return Err(unavailable(settings, io::ErrorKind::NotConnected.into()));
        };
        loop {
            let complete = match running.next(settings).await? {
                // It is well, and has nothing new.
                Next::Line(line) if line.readings.is_empty() => return Ok(None),
                Next::Line(line) if settings.parser.joins_lines() && line.time.is_some() => {
                    running.join(line)
                }
                Next::Line(line) => Some(line),
                Next::Complete => running.joined.take().map(|joined| joined.line),
                Next::End(reason) => {
                    if let Some(joined) = running.joined.take() {
                        return Ok(outcome.batch(joined.line, &settings.descriptions));
                    }
                    if running.since.elapsed() >= WORKS_AFTER {
                        retry.reset();
                    }
                    return Err(running.report(settings, outcome, reason).await.retry_after(retry.pause()));
                }
            };
            if let Some(line) = complete {
                return Ok(outcome.batch(line, &settings.descriptions));
            }
        }
    }

    async fn close(&mut self) {
        self.input.close();
        if let Some(running) = self.running.take() {
            running.process.end().await;
        }
    }
}

impl Running {
    /// Waits for the next line, or the reason for having none.
    async fn next(&mut self, settings: &Settings) -> Result<Next, AcquireError> {
        let Self { process, lines, joined, ended, .. } = self;
        let joined_at = joined.as_ref().map(|joined| joined.deadline);
        let end_at = ended.as_ref().map(|(_, deadline)| *deadline);
        let line = tokio::select! {
            biased;
            line = lines.next() => line,
            status = process.ended(), if ended.is_none() => {
                *ended = Some((status, Instant::now() + END));
                // What it wrote last is still in the pipe.
                return Box::pin(self.next(settings)).await;
            }
            () = until(joined_at) => return Ok(Next::Complete),
            // A process that left the group holds the pipe open.
            () = until(end_at) => return Ok(Next::End(None)),
        };
        match line {
            Ok(line) => settings.parser.line(line).map(Next::Line).map_err(AcquireError::malformed),
            Err(NoLine::TooLong) => {
                Err(AcquireError::malformed(format!("a line of more than {MAX_LINE} bytes is left out")))
            }
            Err(NoLine::Endless) => Ok(Next::End(Some("wrote 1 MiB without the end of a line"))),
            Err(NoLine::End) => Ok(Next::End(None)),
            Err(NoLine::Failed(error)) => Err(unavailable(settings, error)),
        }
    }

    /// Adds a line to those of the same time. Returns those if they are complete.
    fn join(&mut self, line: Line) -> Option<Line> {
        let deadline = Instant::now() + JOIN;
        let Some(joined) = &mut self.joined else {
            self.joined = Some(Joined { line, deadline });
            return None;
        };
        let line = joined.line.join(line)?;
        Some(std::mem::replace(joined, Joined { line, deadline }).line)
    }

    /// Returns the error about the end of the program, and of its output.
    async fn report(
        &mut self,
        settings: &Settings,
        outcome: &Outcome,
        reason: Option<&'static str>,
    ) -> AcquireError {
        let reason = match reason {
            Some(reason) => Some(reason),
            None if self.ended.is_some() => None,
            None => match timeout_at(Instant::now() + END, self.process.ended()).await {
                Ok(status) => {
                    self.ended = Some((status, Instant::now()));
                    None
                }
                Err(_) => Some("closed its standard output, but goes on"),
            },
        };
        let text = match (reason, self.ended.take()) {
            (None, Some((status, _))) => {
                let is_success = status.as_ref().is_ok_and(|status| status.success());
                let exit = outcome.ended(&mut self.process, status).await;
                match is_success {
                    true => format!(
                        "it ended with {exit}: a program of `mode = \"stream\"` keeps running, one of `mode = \"poll\"` ends"
                    ),
                    false => format!("it ended with {exit}"),
                }
            }
            (reason, _) => format!("it {}, and is ended", reason.unwrap_or("failed")),
        };
        unavailable(settings, io::Error::other(text))
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

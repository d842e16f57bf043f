//! A program that is started at each turn, and ends by itself.

use std::{io, time::Duration};

use framework::{AcquireError, Batch, DataAcquisition, async_trait};
use subprocess::Process;
use tokio::{io::AsyncReadExt as _, process::ChildStdout, time::timeout};

use crate::{
    config::Settings,
    outcome::{Outcome, unavailable},
};

/// Longest output of a run, in bytes.
pub(crate) const MAX_OUTPUT: usize = 1024 * 1024;
/// Time in which the rest of the output arrives after the end of the program. A process that left the group may hold
/// the pipe open for ever.
const REST: Duration = Duration::from_millis(200);

/// A program that is polled.
pub(crate) struct Poll {
    settings: Settings,
    outcome: Outcome,
    /// The run that `acquire` waits for: here, and not in its future, so that `close` ends one that was dropped.
    running: Option<Process>,
}

impl Poll {
    pub(crate) fn new(settings: Settings, outcome: Outcome) -> Self {
        Self { settings, outcome, running: None }
    }
}

#[async_trait]
impl DataAcquisition for Poll {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        self.close().await;
        let Self { settings, outcome, running } = self;
        let process = running.insert(outcome.start(settings, false)?);
        let (status, output) = run(process).await;
        let is_success = status.as_ref().is_ok_and(|status| status.success());
        let exit = outcome.ended(process, status).await;
        *running = None;
        let output = output.map_err(|error| match error {
            NoOutput::TooMuch => AcquireError::malformed(format!(
                "wrote more than {MAX_OUTPUT} bytes in one run, and was ended"
            )),
            NoOutput::Failed(error) => unavailable(settings, error),
        })?;
        if !is_success {
            return Err(unavailable(settings, io::Error::other(format!("it ended with {exit}"))));
        }
        let line = settings.parser.output(&output).map_err(AcquireError::malformed)?;
        Ok(outcome.batch(line, &settings.descriptions))
    }

    async fn close(&mut self) {
        if let Some(process) = self.running.take() {
            process.end().await;
        }
    }
}

/// Reason for a missing output.
pub(crate) enum NoOutput {
    /// It is longer than [`MAX_OUTPUT`].
    TooMuch,
    /// Any other error.
    Failed(io::Error),
}

/// Reads what a program writes until it ends.
pub(crate) async fn run(
    process: &mut Process,
) -> (io::Result<std::process::ExitStatus>, Result<Vec<u8>, NoOutput>) {
    let mut output = Vec::new();
    let Some(mut stdout) = process.stdout.take() else {
        return (process.ended().await, Err(NoOutput::Failed(io::ErrorKind::BrokenPipe.into())));
    };
    let (status, read) = {
        let mut reading = std::pin::pin!(read(&mut stdout, &mut output));
        tokio::select! {
            read = &mut reading => {
                // It closed its standard output, or wrote too much: nobody reads more of it.
                if read.is_err() {
                    process.kill();
                }
                (process.ended().await, read)
            }
            status = process.ended() => (status, timeout(REST, reading).await.unwrap_or(Ok(()))),
        }
    };
    (status, read.map(|()| output))
}

async fn read(stdout: &mut ChildStdout, output: &mut Vec<u8>) -> Result<(), NoOutput> {
    while stdout.read_buf(output).await.map_err(NoOutput::Failed)? > 0 {
        if output.len() > MAX_OUTPUT {
            return Err(NoOutput::TooMuch);
        }
    }
    Ok(())
}

//! What became of a program: readings for the scheduler, its end for the log and `/health`.

use std::{
    collections::HashSet,
    io,
    process::ExitStatus,
    sync::{Arc, Mutex},
};

use framework::{
    AcquireError, Batch, Counter, Fact, FaultCode, Faults, Reading, SourceContext, Text, Timestamp,
};
use subprocess::{ErrorLog, Process, in_words};
use tokio::time::Instant;
use tracing::warn;

use crate::{
    config::{Descriptions, Settings},
    format::Line,
    recent::Recent,
};

/// Maximum number of names that a source may use in its life: each is a series in the journal and elsewhere. A radio
/// receiver hears every sensor that drives past.
const MAX_NAMES: usize = 1000;

/// Counters and facts of a program.
pub(crate) struct Outcome {
    context: SourceContext,
    starts: Counter,
    refused: Counter,
    wrong_values: Counter,
    pid: Fact,
    exit: Fact,
    stderr: Fact,
    log: ErrorLog,
    faults: Faults<&'static str>,
    names: HashSet<Text>,
    recent: Option<Recent>,
}

impl Outcome {
    pub(crate) fn new(cx: &SourceContext, settings: &Settings) -> Self {
        if settings.has_program {
            // The first turn may be a day away.
            let problem = settings.program.folder_problem();
            cx.set_problem(problem.as_deref().map(|problem| (FaultCode::WrongConfiguration, problem)));
        }
        Self {
            context: cx.clone(),
            starts: cx.counter("starts"),
            refused: cx.counter("refused_names"),
            wrong_values: cx.counter("wrong_values"),
            pid: cx.fact("pid"),
            exit: cx.fact("exit"),
            stderr: cx.fact("stderr"),
            log: Arc::new(Mutex::default()),
            faults: Faults::default(),
            names: HashSet::new(),
            recent: settings.expire_after.map(Recent::new),
        }
    }

    /// The log of standard error, for the programs of commands.
    pub(crate) fn log(&self) -> ErrorLog {
        Arc::clone(&self.log)
    }

    /// Starts the program.
    ///
    /// # Errors
    /// It is unavailable, with the reason and the remedy.
    pub(crate) fn start(&self, settings: &Settings, with_stdin: bool) -> Result<Process, AcquireError> {
        let process =
            Process::start(&settings.program, with_stdin, Some(self.stderr.clone()), Arc::clone(&self.log))
                .map_err(|error| unavailable(settings, error))?;
        // The folder may have been mounted meanwhile.
        self.context.set_problem(None);
        self.starts.increment();
        if let Some(id) = process.id() {
            self.pid.set(id.to_string());
        }
        Ok(process)
    }

    /// Notes the end of the program; returns it in words, with the last lines of its standard error.
    pub(crate) async fn ended(&self, process: &mut Process, status: io::Result<ExitStatus>) -> String {
        let exit = match status {
            Ok(status) => in_words(status),
            Err(error) => format!("could not be waited for: {error}"),
        };
        self.exit.set(&exit);
        match process.stderr.last().await {
            last if last.is_empty() => exit,
            last => format!("{exit}; standard error: {last}"),
        }
    }

    /// Returns the batch of what the program wrote; `None` if that is nothing.
    pub(crate) fn batch(&mut self, line: Line, descriptions: &Descriptions) -> Option<Batch> {
        let taken_at = line.time.unwrap_or_else(Timestamp::now);
        for mistake in &line.mistakes {
            self.wrong_values.increment();
            let message = format!("a reading is left out: {mistake}");
            if let Some(text) = self.faults.note("values", &message) {
                warn!("{text}");
            }
        }
        let mut readings = line.readings;
        readings.retain_mut(|reading| {
            descriptions.describe(reading);
            self.is_known(reading)
        });
        if readings.is_empty() {
            return None;
        }
        if let Some(recent) = &mut self.recent {
            readings = recent.with(readings, taken_at, Instant::now());
        }
        Some(Batch { taken_at, readings })
    }

    fn is_known(&mut self, reading: &Reading) -> bool {
        if self.names.contains(&reading.name) {
            return true;
        }
        if self.names.len() == MAX_NAMES {
            self.refused.increment();
            let message = format!(
                "has written readings with {MAX_NAMES} different names: `{}` and other new ones are left out",
                reading.name
            );
            if let Some(text) = self.faults.note("names", &message) {
                warn!("{text}");
            }
            return false;
        }
        self.names.insert(reading.name.clone())
    }
}

/// The program is not there, or ended.
pub(crate) fn unavailable(settings: &Settings, cause: io::Error) -> AcquireError {
    AcquireError::from(cause).of_program(settings.program.name())
}

//! Commands of all sources, found by name.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
    time::Duration,
};

use serde_json::{Map, Value as Json};
use tokio::{runtime::Handle, sync::Semaphore};

use crate::{Args, Command, CommandError, latest::Latest};

/// Longest run of a command. It has failed after that.
const LIMIT: Duration = Duration::from_secs(10);
/// Maximum number of calls of a source that run, or wait for a source that blocks its thread.
const MAX_CALLS: usize = 16;

/// Commands of all sources that run. A clone has the same ones.
#[derive(Debug, Clone, Default)]
pub struct Commands {
    all: Arc<Latest<[InstalledCommand]>>,
    /// Number of replacements.
    generation: Arc<AtomicU64>,
}

/// A command of a source.
#[derive(Clone)]
pub struct InstalledCommand {
    /// `<source>.<command>`.
    pub full_name: String,
    /// The command itself.
    pub command: Arc<dyn Command>,
    runtime: Handle,
    slots: Arc<Semaphore>,
}

/// Reason why a name is not that of one command.
#[derive(Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// No command has the name.
    Unknown,
    /// Several sources have it; these are the full names.
    Ambiguous(Vec<String>),
}

impl std::fmt::Debug for InstalledCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full_name)
    }
}

impl InstalledCommand {
    /// Returns the commands of a source, which run on its runtime.
    pub(crate) fn install(source: &str, commands: &[Arc<dyn Command>], runtime: &Handle) -> Vec<Self> {
        let slots = Arc::new(Semaphore::new(MAX_CALLS));
        let installed = commands.iter().map(|command| Self {
            full_name: format!("{source}.{}", command.spec().name),
            command: Arc::clone(command),
            runtime: runtime.clone(),
            slots: Arc::clone(&slots),
        });
        installed.collect()
    }
}

impl Commands {
    /// Commands by source, each with the runtime of its source, on which they run.
    pub fn new<'a>(sources: impl IntoIterator<Item = (&'a str, &'a [Arc<dyn Command>], Handle)>) -> Self {
        let entries = sources
            .into_iter()
            .flat_map(|(source, commands, runtime)| InstalledCommand::install(source, commands, &runtime));
        Self { all: Arc::new(entries.collect::<Vec<_>>().into()), generation: Arc::default() }
    }

    /// Replaces all of them: those of unchanged sources stay the same.
    pub(crate) fn replace(&self, all: Vec<InstalledCommand>) {
        self.all.set(all.into());
        self.generation.fetch_add(1, Release);
    }

    /// Returns a number that changes with them.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// Returns all of them, in the order of the configuration.
    pub fn all(&self) -> Arc<[InstalledCommand]> {
        self.all.all()
    }

    /// Returns the command called `name`: its full name, or its short name or an alias if that is unique.
    ///
    /// # Errors
    /// Fails if no command or more than one has the name.
    pub fn resolve(&self, name: &str) -> Result<InstalledCommand, ResolveError> {
        let all = self.all();
        if let Some(entry) = all.iter().find(|entry| entry.full_name == name) {
            return Ok(entry.clone());
        }
        let called = |entry: &&InstalledCommand| {
            let spec = entry.command.spec();
            // `<source>.<alias>` is a full name too.
            let alias_of =
                entry.full_name.strip_suffix(spec.name.as_str()).and_then(|prefix| name.strip_prefix(prefix));
            spec.name == name
                || spec.aliases.iter().any(|alias| *alias == name || Some(alias.as_str()) == alias_of)
        };
        let found: Vec<_> = all.iter().filter(called).collect();
        match found[..] {
            [] => Err(ResolveError::Unknown),
            [only] => Ok(only.clone()),
            _ => Err(ResolveError::Ambiguous(found.iter().map(|entry| entry.full_name.clone()).collect())),
        }
    }

    /// Checks the arguments, and runs a command. A panic or a hang in it is an error of this call alone.
    ///
    /// # Errors
    /// Returns the mistake in the arguments, or the error of the command.
    pub async fn run(&self, entry: &InstalledCommand, args: Map<String, Json>) -> Result<Json, CommandError> {
        let args = Args::check(args, entry.command.spec())?;
        let Ok(slot) = Arc::clone(&entry.slots).try_acquire_owned() else {
            let busy = format!("`{}` is busy: {MAX_CALLS} calls are already running", entry.full_name);
            return Err(CommandError::Failed(busy));
        };
        let command = Arc::clone(&entry.command);
        let mut task = entry.runtime.spawn(async move {
            let result = command.run(args).await;
            drop(slot);
            result
        });
        match tokio::time::timeout(LIMIT, &mut task).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(CommandError::Failed(format!("`{}` stopped with an internal error", entry.full_name)))
            }
            Err(_) => {
                // If its source blocks the thread, it has not begun. The caller has been told that it failed, so it
                // must not run later.
                task.abort();
                Err(CommandError::Failed(format!("`{}` did not finish within {LIMIT:?}", entry.full_name)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;
    use crate::CommandSpec;

    fn commands(sources: &[&str]) -> Commands {
        let spec = CommandSpec::new("set", "").alias("setValue").alias("old.setValue");
        let panics = async |_| -> Result<Json, CommandError> { panic!("a bug in a plugin") };
        let command: [Arc<dyn Command>; 1] = [Arc::new(spec.run(panics))];
        Commands::new(sources.iter().map(|name| (*name, &command[..], Handle::current())))
    }

    #[tokio::test]
    async fn names_are_resolved_while_they_are_unique() {
        let one = commands(&["heat"]);
        for name in ["heat.set", "set", "setValue", "old.setValue", "heat.setValue"] {
            assert_eq!(one.resolve(name).map(|e| e.full_name).as_deref(), Ok("heat.set"), "{name}");
        }
        for name in ["heat", "heat.", "other.set", "", "x"] {
            assert_eq!(one.resolve(name).map(|e| e.full_name), Err(ResolveError::Unknown), "{name}");
        }
        let two = commands(&["heat", "car"]);
        assert_eq!(two.resolve("car.setValue").map(|e| e.full_name).as_deref(), Ok("car.set"));
        let both = vec!["heat.set".to_owned(), "car.set".to_owned()];
        assert_eq!(two.resolve("set").map(|e| e.full_name), Err(ResolveError::Ambiguous(both)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_timed_out_does_not_run_later() {
        let counts = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&counts);
        let count = CommandSpec::new("count", "").run(async move |_| {
            counted.fetch_add(1, Relaxed);
            Ok(())
        });
        let command: [Arc<dyn Command>; 1] = [Arc::new(count)];
        // Its thread is blocked, until it runs at the end.
        let blocked = std::thread::spawn(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
        let blocked = blocked.join().unwrap();
        let commands = Commands::new([("heat", &command[..], blocked.handle().clone())]);
        let count = commands.resolve("count").unwrap();
        let calls = (0..20).map(|_| commands.run(&count, Map::new()));
        let errors = futures_util::future::join_all(calls).await;
        let errors: Vec<_> = errors.into_iter().map(|result| result.unwrap_err().to_string()).collect();
        assert_eq!(errors[15], "`heat.count` did not finish within 10s");
        assert_eq!(errors[16], "`heat.count` is busy: 16 calls are already running");
        let ends = std::thread::spawn(move || blocked.block_on(tokio::task::yield_now()));
        ends.join().unwrap();
        assert_eq!(counts.load(Relaxed), 0);
        assert_eq!(commands.all()[0].slots.available_permits(), 16, "none of them waits");
    }

    #[tokio::test]
    async fn a_panic_in_a_command_is_an_error_of_the_call() {
        let commands = commands(&["heat"]);
        let error = commands.run(&commands.resolve("set").unwrap(), Map::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "`heat.set` stopped with an internal error");
    }
}

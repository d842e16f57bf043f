//! The commands of all instances, found by name.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value as Json};
use tokio::{runtime::Handle, sync::Semaphore};

use crate::{Args, Command, CommandError};

/// A command that takes longer than this has failed.
const LIMIT: Duration = Duration::from_secs(10);
/// Calls of an instance's commands that may be under way, or wait for a source that keeps its thread.
const AT_ONCE: usize = 16;

/// The commands of all instances.
#[derive(Clone, Default)]
pub struct Commands {
    all: Arc<[InstalledCommand]>,
}

/// One command of one instance.
#[derive(Clone)]
pub struct InstalledCommand {
    /// `<instance>.<command>`.
    pub full_name: String,
    /// What runs it.
    pub command: Arc<dyn Command>,
    runtime: Handle,
    slots: Arc<Semaphore>,
}

/// Why a name means no command.
#[derive(Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// Nothing is called so.
    Unknown,
    /// Several instances offer it; these are the full names.
    Ambiguous(Vec<String>),
}

impl std::fmt::Debug for InstalledCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full_name)
    }
}

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

impl Commands {
    /// The commands of each instance, and where they run: beside the source they belong to.
    pub fn new<'a>(instances: impl IntoIterator<Item = (&'a str, &'a [Arc<dyn Command>], Handle)>) -> Self {
        let entries = instances.into_iter().flat_map(|(instance, commands, runtime)| {
            let slots = Arc::new(Semaphore::new(AT_ONCE));
            commands.iter().map(move |command| InstalledCommand {
                full_name: format!("{instance}.{}", command.spec().name),
                command: Arc::clone(command),
                runtime: runtime.clone(),
                slots: Arc::clone(&slots),
            })
        });
        Self { all: entries.collect() }
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> &[InstalledCommand] {
        &self.all
    }

    /// The command called `name`: by its full name, or by its short name or an alias where that is unique.
    ///
    /// # Errors
    /// Where nothing or more than one thing is called so.
    pub fn resolve(&self, name: &str) -> Result<&InstalledCommand, ResolveError> {
        if let Some(entry) = self.all.iter().find(|entry| entry.full_name == name) {
            return Ok(entry);
        }
        let called = |entry: &&InstalledCommand| {
            let spec = entry.command.spec();
            // `<instance>.<alias>` is a full name too.
            let alias_of =
                entry.full_name.strip_suffix(spec.name).and_then(|prefix| name.strip_prefix(prefix));
            spec.name == name || spec.aliases.iter().any(|alias| *alias == name || Some(*alias) == alias_of)
        };
        let found: Vec<_> = self.all.iter().filter(called).collect();
        match found[..] {
            [] => Err(ResolveError::Unknown),
            [only] => Ok(only),
            _ => Err(ResolveError::Ambiguous(found.iter().map(|entry| entry.full_name.clone()).collect())),
        }
    }

    /// Runs a command with unchecked arguments. A panic or a hang in it is an error of this call alone.
    ///
    /// # Errors
    /// What the command says, and what is wrong with the arguments.
    pub async fn run(&self, entry: &InstalledCommand, args: Map<String, Json>) -> Result<Json, CommandError> {
        let args = Args::check(args, entry.command.spec())?;
        let Ok(slot) = Arc::clone(&entry.slots).try_acquire_owned() else {
            let busy = format!("`{}` has too much to do: {AT_ONCE} calls are under way", entry.full_name);
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
                // Where its source blocks the thread it has not begun: nobody expects it to any more.
                task.abort();
                Err(CommandError::Failed(format!("`{}` did not finish within {LIMIT:?}", entry.full_name)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;
    use crate::CommandSpec;

    struct Fake(CommandSpec);

    #[async_trait::async_trait]
    impl Command for Fake {
        fn spec(&self) -> &CommandSpec {
            &self.0
        }
        async fn run(&self, _: Args) -> Result<Json, CommandError> {
            panic!("a bug in a plugin")
        }
    }

    fn commands(instances: &[&str]) -> Commands {
        let spec = CommandSpec { name: "set", aliases: &["setValue", "old.setValue"], about: "", args: &[] };
        let command: [Arc<dyn Command>; 1] = [Arc::new(Fake(spec))];
        Commands::new(instances.iter().map(|name| (*name, &command[..], Handle::current())))
    }

    #[tokio::test]
    async fn names_are_resolved_while_they_are_unique() {
        let one = commands(&["heat"]);
        for name in ["heat.set", "set", "setValue", "old.setValue", "heat.setValue"] {
            assert_eq!(one.resolve(name).map(|e| e.full_name.as_str()), Ok("heat.set"), "{name}");
        }
        for name in ["heat", "heat.", "other.set", "", "x"] {
            assert_eq!(one.resolve(name).map(|e| &e.full_name), Err(ResolveError::Unknown), "{name}");
        }
        let two = commands(&["heat", "car"]);
        assert_eq!(two.resolve("car.setValue").map(|e| e.full_name.as_str()), Ok("car.set"));
        let both = vec!["heat.set".to_owned(), "car.set".to_owned()];
        assert_eq!(two.resolve("set").map(|e| &e.full_name), Err(ResolveError::Ambiguous(both)));
    }

    #[derive(Default)]
    struct Counts(AtomicU64);

    #[async_trait::async_trait]
    impl Command for Counts {
        fn spec(&self) -> &CommandSpec {
            &CommandSpec { name: "count", aliases: &[], about: "", args: &[] }
        }
        async fn run(&self, _: Args) -> Result<Json, CommandError> {
            self.0.fetch_add(1, Relaxed);
            Ok(Json::Null)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_failed_is_not_done_later() {
        let counts = Arc::new(Counts::default());
        let command: [Arc<dyn Command>; 1] = [counts.clone()];
        // Its thread is blocked, until it runs at the end.
        let blocked = std::thread::spawn(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
        let blocked = blocked.join().unwrap();
        let commands = Commands::new([("heat", &command[..], blocked.handle().clone())]);
        let calls = (0..20).map(|_| commands.run(commands.resolve("count").unwrap(), Map::new()));
        let errors = futures_util::future::join_all(calls).await;
        let errors: Vec<_> = errors.into_iter().map(|result| result.unwrap_err().to_string()).collect();
        assert_eq!(errors[15], "`heat.count` did not finish within 10s");
        assert_eq!(errors[16], "`heat.count` has too much to do: 16 calls are under way");
        let ends = std::thread::spawn(move || blocked.block_on(tokio::task::yield_now()));
        ends.join().unwrap();
        assert_eq!(counts.0.load(Relaxed), 0);
        assert_eq!(commands.all()[0].slots.available_permits(), 16, "and they wait no more");
    }

    #[tokio::test]
    async fn a_panic_in_a_command_is_an_error_of_the_call() {
        let commands = commands(&["heat"]);
        let error = commands.run(commands.resolve("set").unwrap(), Map::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "`heat.set` stopped with an internal error");
    }
}

//! Context of a source, publisher or endpoint: its name, its state directory, its statistics.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    Costs, Decimal, FaultCode, Role, SourceRole, Store, Text, Timestamp,
    inputs::{CounterStep, CounterSteps, Inputs},
    journal::{Journal, ReadError, View},
    one_line::one_line,
    service::KeptFiles,
    stated_units::Statement,
};

/// Counters of the framework in `/health`, of sources and of publishers.
const COUNTERS: [&str; 12] = [
    "batches",
    "superseded",
    "malformed",
    "reopened",
    "braked",
    "left_out",
    "redated",
    "records",
    "failures",
    "refused",
    "expired",
    "panics",
];

/// Context of one source, publisher or endpoint: its name, its state directory, its statistics.
#[derive(Debug, Clone)]
pub struct Context {
    role: Role,
    name: Text,
    state_dir: PathBuf,
    runtime_dir: Option<PathBuf>,
    sources: Arc<[Text]>,
    roles: Arc<[(Text, SourceRole)]>,
    stats: Stats,
}

impl Context {
    /// The context of a source called `name`, in a program with this state folder. The framework and tests make it.
    #[doc(hidden)]
    pub fn new(name: impl Into<Text>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            role: Role::Source,
            name: name.into(),
            state_dir: state_dir.into(),
            runtime_dir: None,
            sources: Arc::default(),
            roles: Arc::default(),
            stats: Stats::default(),
        }
    }

    /// Makes it the context of a source, publisher or endpoint.
    #[doc(hidden)]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Adds the names of all sources in the configuration. All contexts share them: copies would grow with the square of
    /// the number of sources.
    #[doc(hidden)]
    pub fn with_sources(mut self, names: Arc<[Text]>) -> Self {
        self.sources = names;
        self
    }

    /// Adds the roles of the sources that have one.
    #[doc(hidden)]
    pub fn with_roles(mut self, roles: Arc<[(Text, SourceRole)]>) -> Self {
        self.roles = roles;
        self
    }

    /// Adds the folder that survives the process, but not the machine's end.
    #[doc(hidden)]
    pub fn with_runtime_dir(mut self, folder: Option<&Path>) -> Self {
        self.runtime_dir = folder.map(Path::to_owned);
        self
    }

    /// Its name in the configuration; that of a source is its section in `/data`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of all sources in the configuration, for keys that name one.
    pub fn sources(&self) -> &[Text] {
        &self.sources
    }

    /// The roles of the sources that have one, in the order of the configuration.
    pub fn roles(&self) -> &[(Text, SourceRole)] {
        &self.roles
    }

    /// Its own folder for files that must survive a restart, `sources/<name>` in the program's state folder. It need
    /// not exist yet.
    pub fn state_dir(&self) -> PathBuf {
        self.state_dir.join(format!("{}s", self.role)).join(&*self.name)
    }

    /// The program's state folder. `s0` keeps its counts there, where earlier versions have put them.
    #[doc(hidden)]
    pub fn program_state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// The folder in memory for what must survive the end of the process and not that of the machine, if there is one:
    /// writing there wears no memory card. It exists. A backup takes its files, too, and restores them into the program's
    /// state folder under the same names: a source looks for them there as well.
    pub fn runtime_dir(&self) -> Option<&Path> {
        self.runtime_dir.as_deref()
    }

    /// Reports what a person must look at although readings arrive, with its kind: `/health` shows it, and is not `ok`
    /// until `None` ends it.
    pub fn set_problem(&self, problem: Option<(FaultCode, &str)>) {
        let problem = problem.map(|(code, text)| (code, one_line(text)));
        let mut stats = self.stats.lock();
        let known = stats.problem.as_ref().map(|(code, text)| (*code, &**text));
        if known != problem.as_ref().map(|(code, text)| (*code, &**text)) {
            stats.problem = problem.map(|(code, text)| (code, Text::from(&*text)));
        }
    }

    /// Returns the counter called `name`, such as `parity_errors`, which `/health` shows with the source or publisher.
    /// The same name is the same counter.
    ///
    /// # Panics
    /// Panics if the name is not of lower-case letters, digits and `_`, or is one of the framework's, such as `batches`.
    pub fn counter(&self, name: &'static str) -> Counter {
        check_name("counter", name, &COUNTERS);
        let mut stats = self.stats.lock();
        if let Some((_, counter)) = stats.counters.iter().find(|(known, _)| *known == name) {
            return counter.clone();
        }
        let counter = Counter::default();
        stats.counters.push((name, counter.clone()));
        counter
    }

    /// Registers a text that `/health` shows, such as the `framing` of a device.
    ///
    /// # Panics
    /// Panics if the name is not of lower-case letters, digits and `_`, or is `listen`, which is the framework's.
    pub fn fact(&self, name: &'static str) -> Fact {
        check_name("fact", name, &["listen"]);
        Fact { name, stats: self.stats.clone() }
    }

    /// The counters and facts registered so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

/// Panics unless the name can be a member of `/health` beside these: a second one of that name would be lost.
fn check_name(what: &str, name: &str, taken: &[&str]) {
    let is_word = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    assert!(
        is_word,
        "`{name}` is no name of a {what}: expected lower-case letters, digits and `_`, such as `parity_errors`"
    );
    assert!(!taken.contains(&name), "the {what} `{name}` is the framework's: choose another name");
}

/// Context of one source: a [`Context`], and what only a source has.
#[derive(Debug, Clone)]
pub struct SourceContext {
    context: Context,
    stale_after: Duration,
    journal: Arc<OnceLock<Journal>>,
    costs: Arc<OnceLock<Arc<Costs>>>,
    store: Arc<OnceLock<Arc<Store>>>,
    inputs: Inputs,
    counter_steps: CounterSteps,
    statement: Statement,
    kept_files: KeptFiles,
}

impl SourceContext {
    /// The context of a source. The framework and tests make it.
    #[doc(hidden)]
    pub fn new(context: Context, stale_after: Duration) -> Self {
        Self {
            context,
            stale_after,
            journal: Arc::default(),
            costs: Arc::default(),
            store: Arc::default(),
            inputs: Inputs::default(),
            counter_steps: CounterSteps::default(),
            statement: Statement::default(),
            kept_files: KeptFiles::default(),
        }
    }

    /// The time without a batch after which the source counts as stale. A source without news repeats its last
    /// batch more often than that.
    pub fn stale_after(&self) -> Duration {
        self.stale_after
    }

    /// Reports that a command has set a counter, so that the step does not count as consumption. Call it before a
    /// batch shows the new value; `name` and `unit` are those of the reading.
    pub fn counter_was_set(&self, name: &str, unit: &str, before: Decimal, after: Decimal) {
        self.counter_steps.note(CounterStep { name: name.into(), at: Timestamp::now(), before, after });
        if let Some(journal) = self.journal.get() {
            journal.counter_set(&self.name, name, unit, before, after);
        }
    }

    /// The newest number of one of its readings in the journal, or what a command set it to since, and its time, or the
    /// start of its minute; `None` if the journal does not know any. Blocks until the journal was opened, but not for
    /// longer than `limit`.
    pub fn last_recorded(&self, name: &str, unit: &str, limit: Duration) -> Option<(Timestamp, Decimal)> {
        let journal = self.journal.get()?;
        journal.wait_open(limit);
        let (micros, number) = journal.last(&self.name, name, unit)?;
        Some((Timestamp::from_microsecond(micros).ok()?, number))
    }

    /// Saves a few bytes in the journal, in a form of the source's own, which replace those that it saved before. They are
    /// on the disk after the journal's next sync: that spares a memory card a file that is synced as often. The end of
    /// the process may lose them, so they also belong into a file in the [runtime folder](Context::runtime_dir).
    pub fn save_state(&self, state: &[u8]) {
        if let Some(journal) = self.journal.get() {
            journal.save(&self.name, state);
        }
    }

    /// The time between two syncs of the journal, while they succeed; `None` while the source must look after its state
    /// by itself.
    pub fn state_is_saved_every(&self) -> Option<Duration> {
        self.journal.get()?.saves_every()
    }

    /// The state that an earlier run saved last. Blocks until the journal was opened, but not for longer than `limit`.
    ///
    /// # Errors
    /// Returns an error if the journal is not open then.
    pub fn saved_state(&self, limit: Duration) -> Result<Option<Vec<u8>>, ReadError> {
        let off = || ReadError::Unavailable("the journal is off".to_owned());
        let journal = self.journal.get().ok_or_else(off)?;
        journal.wait_open(limit);
        journal.saved(&self.name)
    }

    /// What the energy in the journal costs; `None` while the program does not run. Its methods may block.
    pub fn costs(&self) -> Option<&Arc<Costs>> {
        self.costs.get()
    }

    /// The sources of the program; `None` while it does not run.
    pub(crate) fn store(&self) -> Option<&Arc<Store>> {
        self.store.get()
    }

    /// Answers a question from the journal. Blocks while the disk is read.
    pub(crate) fn read_journal<T>(
        &self,
        ask: impl FnOnce(&View<'_>) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        match self.journal.get() {
            Some(journal) => journal.read(ask),
            None => Err(ReadError::Unavailable("the program does not run".to_owned())),
        }
    }

    /// What it states about its readings.
    pub(crate) fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The steps that commands have made in its counters.
    pub(crate) fn counter_steps(&self) -> &CounterSteps {
        &self.counter_steps
    }

    /// The inputs that it has asked for.
    pub(crate) fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// The places for its open files that outlive a run.
    pub(crate) fn kept_files(&self) -> &KeptFiles {
        &self.kept_files
    }

    /// Connects the journal that records the source, once, when the program runs.
    pub(crate) fn record_in(&self, journal: Journal) {
        let _ = self.journal.set(journal);
    }

    /// Connects the sources of the program, once, when it runs.
    pub(crate) fn join(&self, store: &Arc<Store>) {
        let _ = self.store.set(Arc::clone(store));
    }

    /// Connects the costs, once, when the program runs.
    pub(crate) fn pay_by(&self, costs: Arc<Costs>) {
        let _ = self.costs.set(costs);
    }
}

impl Deref for SourceContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// A counter of events, for `/health` and `/metrics`.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Returns the count.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A text about a device, which may change.
#[derive(Debug, Clone)]
pub struct Fact {
    name: &'static str,
    stats: Stats,
}

impl Fact {
    /// Replaces the text. Setting the same text again is cheap.
    pub fn set(&self, value: impl AsRef<str>) {
        let value = &*one_line(value.as_ref());
        let mut stats = self.stats.lock();
        match stats.facts.iter_mut().find(|(name, _)| *name == self.name) {
            Some((_, old)) if old == value => {}
            Some((_, old)) => *old = value.into(),
            None => stats.facts.push((self.name, value.into())),
        }
    }
}

/// Counters and facts of one source or publisher.
#[derive(Debug, Clone, Default)]
pub struct Stats(Arc<Mutex<Reported>>);

#[derive(Debug, Default)]
struct Reported {
    counters: Vec<(&'static str, Counter)>,
    facts: Vec<(&'static str, Text)>,
    problem: Option<(FaultCode, Text)>,
}

impl Stats {
    fn lock(&self) -> std::sync::MutexGuard<'_, Reported> {
        // Held for a few pushes only, and plain data is never left half written: poison means nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counters by name.
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        self.lock().counters.iter().map(|(name, counter)| (*name, counter.get())).collect()
    }

    /// What a person must look at.
    pub fn problem(&self) -> Option<Text> {
        self.lock().problem.as_ref().map(|(_, text)| text.clone())
    }

    /// The kind of what a person must look at.
    pub fn problem_code(&self) -> Option<FaultCode> {
        self.lock().problem.as_ref().map(|(code, _)| *code)
    }

    /// The facts by name.
    pub fn facts(&self) -> Vec<(&'static str, Text)> {
        self.lock().facts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_counter() {
        let cx = Context::new("meter", "");
        cx.counter("errors").increment();
        cx.counter("others").increment();
        cx.counter("errors").increment();
        assert_eq!(cx.stats().counters(), [("errors", 2), ("others", 1)]);
    }

    #[test]
    fn each_source_publisher_and_endpoint_has_a_state_folder_of_its_own() {
        let folder = |role, name| Context::new(name, "/var/lib/x").with_role(role).state_dir();
        assert_eq!(folder(Role::Source, "home"), Path::new("/var/lib/x/sources/home"));
        assert_eq!(folder(Role::Source, "car"), Path::new("/var/lib/x/sources/car"));
        assert_eq!(folder(Role::Publisher, "home"), Path::new("/var/lib/x/publishers/home"));
        assert_eq!(folder(Role::Endpoint, "home"), Path::new("/var/lib/x/endpoints/home"));
    }
}

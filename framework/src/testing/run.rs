//! Sources that run on a paused clock.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{civil, tz::TimeZone};
use serde_json::Value as Json;
use tempfile::TempDir;
use tokio::{
    runtime::{Builder, Handle},
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{Dispatch, Instrument as _, Level, dispatcher, error_span};

use super::{
    real_time::{RealTime, push_clock, wait},
    section::parse,
    thread::{Pulse, RuntimeThread},
};
use crate::{
    CommandError, Commands, ConfiguredSource, Record, ResolveError, Section, Store, http, inputs,
    journal::Journal,
    scheduler::{Plan, Supervisor, WallClock, Watch, Watched, keep_running},
    store::Snapshot,
};

/// Turns at the end of a [`Run::for_`] are those of the next one.
const BEFORE: Duration = Duration::from_millis(1);

/// Running sources, whose time passes only in [`Run::for_`].
pub struct Run {
    pub(super) thread: RuntimeThread,
    pulse: Pulse,
    store: Arc<Store>,
    commands: Commands,
    supervisors: JoinSet<()>,
    until: Instant,
    batches: UnboundedReceiver<Arc<Snapshot>>,
    log: Lines,
    dispatch: Dispatch,
    stop: CancellationToken,
    _state_dir: TempDir,
}

/// Result of a [`Run::for_`].
#[derive(Debug)]
pub struct Outcome {
    /// Batches of this time, of all sources, in their order.
    pub batches: Vec<Record>,
    /// Newest readings, as `/data` shows them at its end.
    pub data: Json,
    /// Status at its end, as `/health` shows it.
    pub health: Json,
    /// Lines of the log from this time: `WARN source{name=heat}: /dev/heat is not available`.
    pub log: Vec<String>,
}

/// Starts the sources of a configuration, each under the scheduler of the program. Their clock is paused: an hour of
/// polls takes as long as the polls. For `interval`, `daily` and `cron` it begins at midnight, 1 January 2026, UTC;
/// `Timestamp::now` and `Batch::now` are still the machine's time. A device may be real; while it is read, time passes
/// 25 times as fast as it really does.
///
/// There is no journal, and the state folder is a new one unless the configuration names another. The function makes a
/// runtime of its own, so the test is `#[test]`, not `#[tokio::test]`.
///
/// ```text
/// let run = testing::run(Thermal::SAMPLE).for_(Duration::from_secs(60));
/// assert_eq!(run.batches.len(), 6);
/// assert_eq!(run.health["status"], "ok");
/// assert!(run.log.iter().all(|line| !line.starts_with("WARN")));
/// ```
///
/// # Panics
/// Panics if the configuration is wrong, or has publishers or endpoints, or if the test has a runtime. [`Run::for_`] and
/// [`Run::call`] panic with the name of the source if its plugin blocks its thread for a minute of real time.
pub fn run(config: &str) -> Run {
    assert!(
        Handle::try_current().is_err(),
        "testing::run makes a runtime of its own: write #[test] instead of #[tokio::test]"
    );
    let state_dir = TempDir::new().unwrap_or_else(|error| panic!("could not make a state folder: {error}"));
    let own_folder = (!config.contains("state_dir")).then_some(state_dir.path());
    let config = parse(config, own_folder);
    assert!(
        config.publishers.is_empty() && config.endpoints.is_empty(),
        "testing::run runs sources only: for the others there are testing::publisher and testing::endpoint"
    );
    let log = Lines::default();
    let dispatch = log.dispatch();
    let of_threads = dispatch.clone();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        // Blocking threads log to the same lines until they end.
        .on_thread_start(move || std::mem::forget(dispatcher::set_default(&of_threads)))
        .build()
        .unwrap_or_else(|error| panic!("could not make a runtime: {error}"));
    let logged = dispatcher::set_default(&dispatch);
    let sections = config.sources.iter().map(|source| {
        let stats = source.context.stats().clone();
        let section = Section::new(&*source.name, source.plugin.kind, source.stale_after, stats);
        section.labelled(source.labels.clone())
    });
    let store = Store::new(sections);
    let installed = store.sections();
    inputs::connect(config.sources.iter().map(|source| &source.context).zip(&*installed), &store);
    let sources = config.sources.iter();
    let commands = Commands::new(
        sources.map(|source| (source.name.as_str(), &source.commands[..], runtime.handle().clone())),
    );
    let (mut supervisors, stop, pulse) = (JoinSet::new(), CancellationToken::new(), Pulse::default());
    let (recorder, batches) = mpsc::unbounded_channel();
    store.record(recorder);
    let entered = runtime.enter();
    let watch = Watch::default();
    for (source, section) in config.sources.iter().zip(&*installed) {
        watch.add(Watched::new(Arc::clone(section), runtime.handle().clone(), source.timeout));
    }
    runtime.spawn(async move { watch.run(|| Duration::MAX).await });
    let clock = WallClock::starting_at(civil::date(2026, 1, 1).to_zoned(TimeZone::UTC).unwrap_or_default());
    for source in config.sources {
        supervisors.spawn(supervise(source, clock.clone(), &store, stop.clone(), pulse.clone()));
    }
    let until = Instant::now();
    drop((logged, entered));
    Run {
        thread: RuntimeThread::start(runtime, pulse.clone()),
        pulse,
        store,
        commands,
        supervisors,
        until,
        batches,
        log,
        dispatch,
        stop,
        _state_dir: state_dir,
    }
}

fn supervise(
    source: ConfiguredSource,
    clock: WallClock,
    store: &Arc<Store>,
    stop: CancellationToken,
    pulse: Pulse,
) -> impl Future<Output = ()> + use<> {
    let span = error_span!("source", name = %source.name);
    let section = store.section(&source.name).unwrap_or_else(|| unreachable!("each source has a section"));
    let supervisor = Supervisor::new(
        (Box::new(RealTime::new(&source.name, source.acquisition, source.mode, pulse)), source.device),
        Plan {
            mode: source.mode,
            schedule: source.schedule,
            timeout: source.timeout,
            at_line_speed: source.at_line_speed,
            clock,
        },
        section,
        Arc::clone(store),
        Journal::off(),
    );
    keep_running(supervisor, stop).instrument(span)
}

impl Run {
    /// Lets time pass, and returns what happened in it. What is due at its end belongs to the next time.
    pub fn for_(&mut self, time: Duration) -> Outcome {
        self.until += time;
        let (until, store) = (self.until - BEFORE, Arc::clone(&self.store));
        let (health, data) = self.block_on(async move {
            sleep_until(until).await;
            let now = Instant::now().into_std();
            (http::health(&store, now), data(&store, now))
        });
        let snapshots = std::iter::from_fn(|| self.batches.try_recv().ok());
        let batches = snapshots
            .map(|snapshot| Record { section: snapshot.section.clone(), batch: snapshot.batch.clone() })
            .collect();
        Outcome { batches, data, health, log: self.log.take() }
    }

    /// Calls a command by its name, as `/cmd` does, with a JSON object of arguments: `{"level": 3}`. The sources go on
    /// meanwhile.
    ///
    /// # Errors
    /// Returns the mistake in the arguments, or the error of the command.
    ///
    /// # Panics
    /// Panics if no command, or more than one, has the name, or if `arguments` is not a JSON object.
    pub fn call(&mut self, command: &str, arguments: &str) -> Result<Json, CommandError> {
        let Ok(Json::Object(arguments)) = serde_json::from_str(arguments) else {
            panic!("the arguments must be a JSON object, such as {{\"level\": 3}}: {arguments}")
        };
        let installed = self.commands.resolve(command).unwrap_or_else(|error| match error {
            ResolveError::Unknown => {
                panic!("there is no command `{command}`, only {:?}", self.commands.all())
            }
            ResolveError::Ambiguous(names) => panic!("`{command}` can be any of {names:?}"),
        });
        let (commands, installed) = (self.commands.clone(), installed.clone());
        self.block_on(async move { wait(commands.run(&installed, arguments)).await })
    }

    fn block_on<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (dispatch, pulse) = (self.dispatch.clone(), self.pulse.clone());
        self.thread.run(move |runtime| {
            let _logged = dispatcher::set_default(&dispatch);
            runtime.block_on(async {
                tokio::select! {
                    result = work => result,
                    never = push_clock(&pulse) => match never {},
                }
            })
        })
    }
}

/// Returns `/data`.
fn data(store: &Store, now: std::time::Instant) -> Json {
    let sections = store.sections();
    let views = sections.iter().filter_map(|section| Some((section, section.view(now)?)));
    let members = views.map(|(section, view)| {
        let mut object = Vec::new();
        view.write_to(&mut object);
        (section.name.to_string(), serde_json::from_slice(&object).unwrap_or_default())
    });
    Json::Object(members.collect())
}

/// Closes the devices, as the end of the program does.
impl Drop for Run {
    fn drop(&mut self) {
        self.stop.cancel();
        let mut supervisors = std::mem::take(&mut self.supervisors);
        // Without a further panic in a test that has failed.
        if !std::thread::panicking() {
            let ended = async move { while supervisors.join_next().await.is_some() {} };
            let _ = self.block_on(async { timeout(Duration::from_secs(1), ended).await });
        }
    }
}

/// Lines of the log.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn dispatch(&self) -> Dispatch {
        let lines = self.clone();
        let log = tracing_subscriber::fmt().with_max_level(Level::DEBUG).with_target(false).without_time();
        log.with_ansi(false).with_writer(move || lines.clone()).into()
    }

    fn take(&self) -> Vec<String> {
        let lines = std::mem::take(&mut *lock(&self.0));
        String::from_utf8_lossy(&lines).lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl io::Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

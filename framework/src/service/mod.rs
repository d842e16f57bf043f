//! The running program: each source, publisher and endpoint on a thread of its own, HTTP on the caller's.
//!
//! | file | content |
//! |---|---|
//! | `mod` | start and orderly end of the program |
//! | `instances` | start and stop of one source, publisher or endpoint |
//! | `control` | handle for a reload, and for history that is to be sent again |
//! | `running` | all that run, and who sees them |
//! | `apply` | difference between what runs and a new configuration, and its application |
//! | `backups` | what the nightly backup copies |
//! | `listen` | listening sockets |
//! | `kept` | open files that outlive a run, which systemd keeps over a restart |
//! | `sockets` | listening sockets among them |
//! | `notify` | messages to systemd |
//! | `manager`, `summary` | what systemd hears, and its status line |
//! | `watchdog` | signs of life, while there is life |

mod apply;
mod backups;
mod control;
mod instances;
mod kept;
mod listen;
mod manager;
mod notify;
mod running;
mod sockets;
mod summary;
mod watchdog;

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{runtime, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Span, error};

pub(crate) use self::kept::KeptFiles;
use self::{
    control::Request,
    manager::Manager,
    running::{Loader, Running},
    watchdog::{Http, Watchdog},
};
pub use self::{
    control::{Changes, Control, ReloadError},
    kept::KeptFile,
    listen::listen,
};
use crate::{
    Commands, Config, Costs, Diagnostics, JournalConfig, Setup, Stats, Text, http,
    journal::{Journal, JournalThread, Settings},
    latest::Latest,
    problems::Problems,
    roster::Roster,
    scheduler::{Watch, Worker, raise_open_files},
    status::WorkerStatus,
    store::Store,
};

/// Time for the orderly end. Sources and open connections are cut off then.
const END_LIMIT: Duration = Duration::from_millis(700);
/// Part of it for sources and publishers. The journal must keep their last work in the rest.
const WORK_LIMIT: Duration = Duration::from_millis(550);
/// Longest wait of the sources for the journal.
const JOURNAL_LIMIT: Duration = Duration::from_secs(2);

/// A program that is ready to run.
pub struct Service {
    config: Config,
    listener: Option<TcpListener>,
    simulated: bool,
    setup: Option<Arc<Setup>>,
    loader: Option<Loader>,
    control: Control,
    requests: mpsc::Receiver<Request>,
    beside: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

/// Parts of the program that stay whatever its configuration.
struct Program {
    store: Arc<Store>,
    commands: Commands,
    journal: Journal,
    roster: Arc<Roster>,
    costs: Arc<Costs>,
    access: Arc<http::Access>,
    watch: Arc<Watch>,
    /// Address at which HTTP listens now.
    address: Arc<Latest<SocketAddr>>,
    /// Ends everything.
    cancel: CancellationToken,
}

impl Service {
    /// The program of this configuration.
    pub fn new(config: Config) -> Self {
        let (control, requests) = Control::new();
        let (listener, setup, loader) = (None, None, None);
        Self { config, listener, simulated: false, setup, loader, control, requests, beside: Vec::new() }
    }

    /// Serves HTTP on `listener` instead of one for `[server] listen`.
    pub fn listen(mut self, listener: TcpListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Serves the setup of this program below `/setup`.
    pub fn with_setup(mut self, setup: Setup) -> Self {
        setup.controlled_by(self.control());
        self.setup = Some(Arc::new(setup));
        self
    }

    /// Reads and checks the configuration of a reload with `load`, which may block.
    pub fn with_loader(
        mut self,
        load: impl Fn() -> Result<Config, Diagnostics> + Send + Sync + 'static,
    ) -> Self {
        self.loader = Some(Arc::new(load));
        self
    }

    /// Reports in `/health` that the devices are simulated.
    pub fn simulated(mut self) -> Self {
        self.simulated = true;
        self
    }

    /// Runs a task from the start on, on the thread of HTTP, until it ends or the program does.
    pub fn beside(mut self, task: impl Future<Output = ()> + Send + 'static) -> Self {
        self.beside.push(Box::pin(task));
        self
    }

    /// Returns the handle that reloads the configuration while the program runs.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs until `stop` is done, then ends in order.
    ///
    /// A source, publisher or endpoint that blocks its thread stops neither its neighbours nor a reader. HTTP answers
    /// before any device is opened.
    ///
    /// # Errors
    /// Fails if a port is in use, or the system refuses threads or files.
    pub fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        raise_open_files();
        let front = runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = front.block_on(self.serve(stop));
        front.shutdown_background();
        ended
    }

    async fn serve(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { config, listener, simulated, setup, loader, control, mut requests, beside } = self;
        // Only handles keep requests coming.
        drop(control);
        let cancel = CancellationToken::new();
        let mut servers = JoinSet::new();
        for task in beside {
            servers.spawn(cancel.clone().run_until_cancelled_owned(task).map(drop));
        }
        let listener = match listener {
            Some(listener) => listener,
            None => listen(config.server.listen, "`[server] listen`")?,
        };
        listener.set_nonblocking(true)?;
        let runtime_dir = config.server.runtime_dir.clone();
        let queued = config.publishers.iter().filter(|publisher| !publisher.plugin.is_of_history);
        let names = queued.map(|publisher| Text::from(&publisher.name)).collect();
        let (journal_config, server) = (config.journal.clone(), config.server.clone());
        let tariffs = Arc::clone(&config.tariffs);
        let backup = backups::wanted(&config);
        let ready = running::Ready::first(config)?;
        sockets::forget_rest();
        let (journal, keeper) = start_journal(&journal_config, runtime_dir, names)?;
        let (store, commands) = (Store::new(Vec::<crate::Section>::new()), Commands::default());
        let api = http::Api::new(
            Arc::clone(&store),
            commands.clone(),
            journal.clone(),
            Vec::new(),
            Vec::new(),
            &server,
            simulated,
        )
        .with_setup(setup);
        let (roster, access, watch) = (api.roster(), api.access(), Arc::<Watch>::default());
        let costs = api.costs();
        costs.replace(tariffs);
        let address = Arc::<Latest<SocketAddr>>::default();
        address.set(Arc::new(listener.local_addr()?));
        let program = Program { store, commands, journal, roster, costs, access, watch, address, cancel };
        let (moved, listeners) = mpsc::channel(1);
        let shared = Arc::new(listener.try_clone()?);
        let mut running = Running::new(program, loader, server, journal_config, (shared, moved));
        running.show(&ready);
        let Program { store, journal, roster, watch, address, cancel, .. } = running.program();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        servers.spawn(http::serve_at(listener, listeners, api, cancel.clone()));
        let problems = Problems {
            journal: journal.clone(),
            store: Arc::clone(store),
            roster: Arc::clone(roster),
            successes: HashMap::new(),
        };
        let repeated = problems.repeat(|problem| error!("{problem}"));
        servers.spawn(cancel.clone().run_until_cancelled_owned(repeated).map(drop));
        let mut manager = Manager {
            store: Arc::clone(store),
            journal: journal.clone(),
            roster: Arc::clone(roster),
            watchdog: notify::watchdog().map(|limit| {
                let http = Http::new(Arc::clone(address), runtime::Handle::current());
                Watchdog::new(limit, journal.watch_keeper(), http)
            }),
            sent: None,
        };
        let (watch, ended, opening) = (Arc::clone(watch), cancel.clone(), journal.clone());
        let ready = running.start_endpoints(ready);
        // Readings wait in memory until the journal is open, and kill -9 would take them.
        let _ = tokio::task::spawn_blocking(move || opening.wait_open(JOURNAL_LIMIT)).await;
        // A thread of its own: HTTP that hangs must not stop the scheduler, nor be the one that says so.
        let scheduler = Worker::start("scheduler", Span::none(), WorkerStatus::new(Stats::default()))?;
        let watching = async move {
            manager.look();
            ended.run_until_cancelled(watch.run(move || manager.look())).await;
        };
        running.start(ready);
        // The readings go on without backups.
        if let Err(error) = running.backups.apply(backup) {
            error!("no backups are made: {error}");
        }

        // A reload that is going on finishes fast, and further ones are not begun.
        let ending = CancellationToken::new();
        let reloads = async {
            while let Some(Some(request)) = ending.run_until_cancelled(requests.recv()).await {
                // Who asked may be gone.
                match request {
                    Request::Reload(answer) => drop(answer.send(running.reload(&ending).await)),
                    Request::Republish { publisher, hours, answer } => {
                        drop(answer.send(running.republish(&publisher, hours)));
                    }
                }
            }
        };
        let stopped = stop.map(|()| {
            notify::stopping();
            ending.cancel();
        });
        // After `stop` was polled, which begins to listen to signals: who hears that the program is ready may end it.
        let reports = async { drop(servers.spawn_on(watching, scheduler.handle())) };
        tokio::join!(biased; stopped, reloads, reports);
        drop(requests);
        end(running, keeper, servers).await;
        Ok(())
    }
}

/// Ends in order.
async fn end(mut running: Running, keeper: Option<JournalThread>, mut servers: JoinSet<()>) {
    running.program().cancel.cancel();
    // Sources first: a pulse counter syncs its file here. The journal after all that use it: it keeps the publishers'
    // cursors.
    let _ = tokio::time::timeout(END_LIMIT, async {
        let _ = tokio::time::timeout(WORK_LIMIT, running.recorders_ended()).await;
        if let Some(keeper) = keeper {
            let _ = tokio::task::spawn_blocking(|| keeper.stop()).await;
        }
        running.endpoints_ended().await;
        while servers.join_next().await.is_some() {}
    })
    .await;
}

fn start_journal(
    config: &JournalConfig,
    runtime_dir: Option<PathBuf>,
    publishers: Vec<Text>,
) -> io::Result<(Journal, Option<JournalThread>)> {
    if !config.enabled {
        return Ok((Journal::off(), None));
    }
    let (journal, keeper) = Journal::start(Settings {
        publishers,
        runtime_dir,
        sync_interval: config.sync_interval,
        raw_retention: config.raw_retention,
        ..Settings::new(&config.path)
    })?;
    Ok((journal, Some(keeper)))
}

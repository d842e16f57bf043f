//! The running program: each source, publisher and endpoint on a thread of its own, HTTP on the caller's.

mod instances;
mod listen;

use std::{
    collections::HashMap, future::Future, io, net::TcpListener, path::PathBuf, sync::Arc, time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{runtime, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use self::instances::{wire_endpoint, wire_publisher, wire_source};
pub use self::listen::listen;
use crate::{
    Commands, Config, ConfiguredEndpoint, ConfiguredPublisher, JournalConfig, PublisherContext, Setup, Text,
    http, inputs,
    journal::{Journal, Settings},
    problems::Problems,
    publish::Runner,
    scheduler::{Plan, Supervisor, WallClock, Watched, keep_running, raise_open_files, watch},
    serving::Serving,
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
}

impl Service {
    /// The program of this configuration.
    pub fn new(config: Config) -> Self {
        Self { config, listener: None, simulated: false, setup: None }
    }

    /// Serves HTTP on `listener` instead of one for `[server] listen`.
    pub fn listen(mut self, listener: TcpListener) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Serves the setup of this program below `/setup`.
    pub fn with_setup(mut self, setup: Setup) -> Self {
        self.setup = Some(Arc::new(setup));
        self
    }

    /// Reports in `/health` that the devices are simulated.
    pub fn simulated(mut self) -> Self {
        self.simulated = true;
        self
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
        let Config { server, journal, sources, publishers, endpoints, .. } = self.config;
        let listener = match self.listener {
            Some(listener) => listener,
            None => listen(server.listen, "`[server] listen`")?,
        };
        let endpoints: Vec<_> = endpoints.into_iter().map(wire_endpoint).collect::<io::Result<_>>()?;
        let sources: Vec<_> = sources.into_iter().map(wire_source).collect::<io::Result<_>>()?;
        let publishers: Vec<_> = publishers.into_iter().map(wire_publisher).collect::<io::Result<_>>()?;
        let names = publishers.iter().map(|(publisher, ..)| Text::from(&publisher.name)).collect();
        let (journal, keeper) = start_journal(&journal, server.runtime_dir.clone(), names)?;
        let store = Store::new(sources.iter().map(|(_, section, _)| Arc::clone(section)));
        let inputs = sources.iter().map(|(source, section, _)| (&source.context, section));
        inputs::connect(inputs, &store);
        let commands = Commands::new(sources.iter().map(|(source, _, worker)| {
            (source.name.as_str(), &source.commands[..], worker.handle().clone())
        }));
        let api = http::Api::new(
            Arc::clone(&store),
            commands.clone(),
            journal.clone(),
            publishers.iter().map(|(_, delivery, _)| Arc::clone(delivery)).collect(),
            endpoints.iter().map(|(_, status, ..)| Arc::clone(status)).collect(),
            &server,
            self.simulated,
        )
        .with_setup(self.setup);
        let access = api.access();
        let cancel = CancellationToken::new();
        let mut servers = JoinSet::new();
        listener.set_nonblocking(true)?;
        servers.spawn(http::serve(tokio::net::TcpListener::from_std(listener)?, api, cancel.clone()));
        let problems = Problems {
            journal: journal.clone(),
            store: Arc::clone(&store),
            publishers: publishers.iter().map(|(_, delivery, _)| Arc::clone(delivery)).collect(),
            endpoints: endpoints.iter().map(|(_, status, ..)| Arc::clone(status)).collect(),
            successes: HashMap::new(),
        };
        let repeated = problems.repeat(|problem| error!("{problem}"));
        servers.spawn(cancel.clone().run_until_cancelled_owned(repeated).map(drop));
        let mut workers = Vec::new();
        for (ConfiguredEndpoint { endpoint, .. }, status, worker, listener) in endpoints {
            info!(endpoint = %status.name, "listening on {}", status.address);
            let (store, access) = (Arc::clone(&store), Arc::clone(&access));
            let serving = Serving { endpoint, listener, status, store, access };
            servers.spawn_on(keep_running(serving, cancel.clone()), worker.handle());
            workers.push(worker);
        }

        // Readings wait in memory until the journal is open, and kill -9 would take them.
        let opening = journal.clone();
        let _ = tokio::task::spawn_blocking(move || opening.wait_open(JOURNAL_LIMIT)).await;
        let mut supervisors = JoinSet::new();
        let watched = sources.iter().map(|(source, section, worker)| {
            Watched::new(Arc::clone(section), worker.handle().clone(), source.timeout)
        });
        servers.spawn(cancel.clone().run_until_cancelled_owned(watch(watched.collect())).map(drop));
        for (source, section, worker) in sources {
            source.context.record_in(journal.clone());
            let plan = Plan {
                mode: source.mode,
                schedule: source.schedule,
                timeout: source.timeout,
                at_line_speed: source.at_line_speed,
                clock: WallClock::default(),
            };
            let device = (source.acquisition, source.device);
            let supervisor = Supervisor::new(device, plan, section, Arc::clone(&store), journal.clone());
            supervisors.spawn_on(keep_running(supervisor, cancel.clone()), worker.handle());
            workers.push(worker);
        }
        let mut runners = JoinSet::new();
        for (ConfiguredPublisher { name, publisher, route, .. }, delivery, worker) in publishers {
            let (store, commands) = (Arc::clone(&store), commands.clone());
            let context = PublisherContext { store, commands, route: Arc::new(route) };
            let runner = Runner::new(publisher, journal.queue(&name), context, delivery);
            runners.spawn_on(keep_running(runner, cancel.clone()), worker.handle());
            workers.push(worker);
        }

        stop.await;
        cancel.cancel();
        // Sources first: a pulse counter syncs its file here. The journal after all that use it: it keeps the
        // publishers' cursors.
        let _ = tokio::time::timeout(END_LIMIT, async {
            let _ = tokio::time::timeout(WORK_LIMIT, async {
                while supervisors.join_next().await.is_some() {}
                while runners.join_next().await.is_some() {}
            })
            .await;
            if let Some(keeper) = keeper {
                let _ = tokio::task::spawn_blocking(|| keeper.stop()).await;
            }
            while servers.join_next().await.is_some() {}
        })
        .await;
        Ok(())
    }
}

fn start_journal(
    config: &JournalConfig,
    runtime_dir: Option<PathBuf>,
    publishers: Vec<Text>,
) -> io::Result<(Journal, Option<crate::journal::JournalThread>)> {
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

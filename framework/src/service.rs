//! The running program: each source, publisher and endpoint on a thread of its own, HTTP on the caller's.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{runtime, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, error_span, info};

use crate::{
    Commands, Config, ConfiguredEndpoint, ConfiguredPublisher, ConfiguredSource, JournalConfig,
    PublisherContext, Setup, Text, http, inputs,
    journal::{Journal, Settings},
    problems::Problems,
    publish::{Delivery, Runner},
    scheduler::{Plan, Supervisor, WallClock, Watched, Worker, keep_running, raise_open_files, watch},
    serving::{EndpointStatus, Serving},
    store::{Section, Store},
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
        let visitors = api.visitors();
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
            let (store, visitors) = (Arc::clone(&store), Arc::clone(&visitors));
            let serving = Serving { endpoint, listener, status, store, visitors };
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

fn wire_source(source: ConfiguredSource) -> io::Result<(ConfiguredSource, Arc<Section>, Worker)> {
    let stats = source.context.stats().clone();
    let section = Section::new(&*source.name, source.plugin.kind, source.stale_after, stats);
    let span = error_span!("source", name = %section.name);
    let worker = Worker::start(&section.name, span, Arc::clone(&section.health.status))?;
    Ok((source, Arc::new(section), worker))
}

fn wire_publisher(
    publisher: ConfiguredPublisher,
) -> io::Result<(ConfiguredPublisher, Arc<Delivery>, Worker)> {
    let stats = publisher.context.stats().clone();
    let delivery = Delivery::new(&*publisher.name, publisher.plugin.kind, stats);
    let span = error_span!("publisher", name = %delivery.name);
    let worker = Worker::start(&delivery.name, span, Arc::clone(&delivery.status))?;
    Ok((publisher, Arc::new(delivery), worker))
}

fn wire_endpoint(
    endpoint: ConfiguredEndpoint,
) -> io::Result<(ConfiguredEndpoint, Arc<EndpointStatus>, Worker, TcpListener)> {
    let listener = listen(endpoint.endpoint.listen(), &format!("`[endpoints.{}] listen`", endpoint.name))?;
    listener.set_nonblocking(true)?;
    let (address, stats) = (listener.local_addr()?, endpoint.context.stats().clone());
    let status = EndpointStatus::new(&*endpoint.name, endpoint.plugin.kind, address, stats);
    let span = error_span!("endpoint", name = %status.name);
    let worker = Worker::start(&status.name, span, Arc::clone(&status.status))?;
    Ok((endpoint, Arc::new(status), worker, listener))
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

/// Listens at an address; `keys` are the configuration keys and options that choose it, for the hint of an error.
///
/// # Errors
/// Returns the system's error, with a hint on a line of its own.
pub fn listen(address: SocketAddr, keys: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                let other =
                    listener_at(address.port()).unwrap_or_else(|| "perhaps a second smartmeter".to_owned());
                format!("another program serves there, {other}: stop it, or choose another port with {keys}")
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 belong to root: choose a higher one".to_owned()
            }
            _ => format!("{keys} must be an address of this machine, or 0.0.0.0 for all of them"),
        };
        io::Error::new(error.kind(), format!("could not listen on {address}: {error}\nhint: {hint}"))
    })
}

/// Returns the program that listens on a TCP port, if this user can see it in `/proc` (proc(5)).
fn listener_at(port: u16) -> Option<String> {
    // `  0: 0100007F:1F90 00000000:0000 0A … inode`: addresses are hexadecimal, and state 0A listens.
    let inodes: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| {
            std::fs::read_to_string(table).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|line| {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            let (_, at) = fields.get(1)?.rsplit_once(':')?;
            let listens = u16::from_str_radix(at, 16) == Ok(port) && fields.get(3) == Some(&"0A");
            listens.then(|| Some(format!("socket:[{}]", fields.get(9)?)))?
        })
        .collect();
    let is_it = |file: std::fs::DirEntry| {
        let target = std::fs::read_link(file.path()).unwrap_or_default();
        inodes.iter().any(|inode| target.as_os_str() == inode.as_str())
    };
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let pid = process.file_name().to_str()?.parse::<u32>().ok()?;
        let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
        files.any(is_it).then(|| format!("`{}` (process {pid})", name.trim_end()))
    })
}

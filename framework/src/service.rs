//! The running program: each source and publisher on a thread of its own, HTTP on the caller's.

use std::{future::Future, net::TcpListener, sync::Arc, time::Duration};

use tokio::{runtime, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Commands, Config, ConfiguredPublisher, ConfiguredSource, PublisherContext, Text, http,
    journal::{Journal, Settings},
    publish::{Delivery, Runner},
    scheduler::{Supervisor, Worker, raise_open_files},
    store::{Section, Store},
};

/// How long the end may take: sources and open connections are cut off then.
const END_LIMIT: Duration = Duration::from_millis(700);
/// How long sources and publishers may take of that: the journal is to keep what they did.
const WORK_LIMIT: Duration = Duration::from_millis(550);
/// How long sources wait for the journal to be open.
const JOURNAL_LIMIT: Duration = Duration::from_secs(2);

/// Serves HTTP on `listener`, and vzlogger's clients on `vzlogger` where `[vzlogger]` stands; runs all sources and
/// publishers until `stop` is done, then ends in order.
///
/// Each source and each publisher has a thread of its own: one that blocks it stops neither its neighbours nor a reader.
/// HTTP answers before any device is opened.
///
/// # Errors
/// Where the system gives no threads, or a listener cannot be used.
pub fn run(
    config: Config,
    simulated: bool,
    listener: TcpListener,
    vzlogger: Option<TcpListener>,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    raise_open_files();
    let front = runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = front.block_on(serve(config, simulated, (listener, vzlogger), stop));
    front.shutdown_background();
    ended
}

async fn serve(
    config: Config,
    simulated: bool,
    (listener, vzlogger): (TcpListener, Option<TcpListener>),
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let inward = workers(config.sources.iter().map(|source| &*source.name))?;
    let outward = workers(config.publishers.iter().map(|publisher| &*publisher.name))?;
    let (journal, keeper) = if config.journal.enabled {
        let publishers = config.publishers.iter().map(|publisher| Text::from(&publisher.name)).collect();
        let (journal, keeper) = Journal::start(Settings {
            publishers,
            sync_interval: config.journal.commit_every,
            raw_retention: config.journal.keep_raw,
            ..Settings::new(&config.journal.path)
        })?;
        (journal, Some(keeper))
    } else {
        (Journal::off(), None)
    };
    config.sources.iter().for_each(|source| source.context.record_in(journal.clone()));
    let store = Store::new(config.sources.iter().map(section));
    let instances = config.sources.iter().zip(&inward);
    let commands = Commands::new(
        instances
            .map(|(source, worker)| (source.name.as_str(), &source.commands[..], worker.handle().clone())),
    );
    let asked = commands.clone();
    let deliveries: Vec<_> = config.publishers.iter().map(delivery).collect();
    let cancel = CancellationToken::new();

    let api = http::Api::new(
        Arc::clone(&store),
        commands,
        journal.clone(),
        deliveries.clone(),
        &config.server,
        simulated,
    );
    let mut servers = JoinSet::new();
    servers.spawn(http::serve(ready(listener)?, api, cancel.clone()));
    if let Some((listener, of)) = vzlogger.zip(config.vzlogger.as_ref()) {
        let channels = http::Vzlogger::new(Arc::clone(&store), of);
        servers.spawn(http::serve_vzlogger(ready(listener)?, channels, cancel.clone()));
    }

    // What arrives before the journal is open waits in memory, which kill -9 would take.
    let opening = journal.clone();
    let _ = tokio::task::spawn_blocking(move || opening.wait_open(JOURNAL_LIMIT)).await;
    let mut supervisors = JoinSet::new();
    for ((source, section), worker) in config.sources.into_iter().zip(store.sections()).zip(&inward) {
        let supervisor = Supervisor::new(
            source.acquisition,
            (source.mode, source.schedule),
            Arc::clone(section),
            Arc::clone(&store),
            journal.clone(),
        );
        supervisors.spawn_on(supervisor.run(cancel.clone()), worker.handle());
    }
    let mut runners = JoinSet::new();
    for ((publisher, delivery), worker) in config.publishers.into_iter().zip(deliveries).zip(&outward) {
        let ConfiguredPublisher { name, publisher, route, .. } = publisher;
        let (store, commands) = (Arc::clone(&store), asked.clone());
        let house = PublisherContext { store, commands, route: Arc::new(route) };
        let runner = Runner::new(publisher, journal.queue(&name), house, delivery);
        runners.spawn_on(runner.run(cancel.clone()), worker.handle());
    }

    stop.await;
    cancel.cancel();
    // Sources first: a pulse counter syncs its file here. The journal behind all who use it: it keeps how far the
    // publishers got.
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

fn section(source: &ConfiguredSource) -> Section {
    Section::new(&*source.name, source.plugin.kind, source.stale_after, source.context.stats().clone())
}

fn delivery(publisher: &ConfiguredPublisher) -> Arc<Delivery> {
    let stats = publisher.context.stats().clone();
    Arc::new(Delivery::new(&*publisher.name, publisher.plugin.kind, stats))
}

fn workers<'a>(names: impl Iterator<Item = &'a str>) -> std::io::Result<Vec<Worker>> {
    let start = |name| {
        Worker::start(name).map_err(|error| {
            let hint = "each source and publisher takes four open files and a thread: raise `ulimit -Hn` or `LimitNOFILE=`";
            std::io::Error::new(error.kind(), format!("could not start a thread for `{name}`: {error}\nhint: {hint}"))
        })
    };
    names.map(start).collect()
}

/// A listener for the runtime.
fn ready(listener: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

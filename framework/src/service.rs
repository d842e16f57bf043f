//! The running program: sources and publishers on runtimes of their own, HTTP on the caller's.

use std::{future::Future, net::TcpListener, sync::Arc, time::Duration};

use tokio::{
    runtime::{self, Runtime},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Commands, Config, ConfiguredPublisher, ConfiguredSource, House, Text, http,
    journal::{Journal, Settings},
    publish::{Delivery, Runner},
    store::{Section, Store},
    supervisor::Supervised,
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
/// The sources have threads of their own, and so have the publishers, so that one that blocks its thread cannot block a
/// reader. HTTP answers before any device is opened.
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
    let inward = threads("sources")?;
    let outward = if config.publishers.is_empty() { None } else { Some(threads("publishers")?) };
    let front = runtime::Builder::new_current_thread().enable_all().build()?;
    let ended =
        front.block_on(serve(config, simulated, (listener, vzlogger), (&inward, outward.as_ref()), stop));
    // A source that blocks its thread must not hold up the end.
    inward.shutdown_background();
    outward.into_iter().for_each(Runtime::shutdown_background);
    front.shutdown_background();
    ended
}

async fn serve(
    config: Config,
    simulated: bool,
    (listener, vzlogger): (TcpListener, Option<TcpListener>),
    (inward, outward): (&Runtime, Option<&Runtime>),
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let (journal, keeper) = if config.journal.enabled {
        let publishers = config.publishers.iter().map(|publisher| Text::from(&publisher.name)).collect();
        let (journal, keeper) = Journal::start(Settings { publishers, ..Settings::of(&config.journal) })?;
        (journal, Some(keeper))
    } else {
        (Journal::off(), None)
    };
    config.sources.iter().for_each(|source| source.context.record_in(journal.clone()));
    let store = Store::new(config.sources.iter().map(section));
    let instances = config.sources.iter().map(|s| (s.name.as_str(), &s.instance.commands[..]));
    let commands = Commands::new(instances, inward.handle().clone());
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
    for (source, section) in config.sources.into_iter().zip(store.sections()) {
        let supervised = Supervised {
            acquisition: source.instance.acquisition,
            pace: source.pace,
            schedule: source.schedule,
            section: Arc::clone(section),
            store: Arc::clone(&store),
            journal: journal.clone(),
        };
        supervisors.spawn_on(supervised.run(cancel.clone()), inward.handle());
    }
    let mut runners = JoinSet::new();
    if let Some(outward) = outward {
        for (publisher, delivery) in config.publishers.into_iter().zip(deliveries) {
            let ConfiguredPublisher { name, publisher, route, .. } = publisher;
            let (store, commands) = (Arc::clone(&store), asked.clone());
            let house = House { store, commands, route: Arc::new(route) };
            let runner = Runner::new(publisher, journal.queue(&name), house, delivery);
            runners.spawn_on(runner.run(cancel.clone()), outward.handle());
        }
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

fn threads(name: &str) -> std::io::Result<Runtime> {
    runtime::Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build()
}

/// A listener for the runtime.
fn ready(listener: TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

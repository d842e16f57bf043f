//! The running program: sources on a runtime of their own, HTTP on the caller's.

use std::{future::Future, net::TcpListener, sync::Arc, time::Duration};

use tokio::{runtime, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    Commands, Config, http,
    journal::{Journal, Settings},
    store::{Section, Store},
    supervisor::Supervised,
};

/// How long the end may take: sources and open connections are cut off then.
const END_LIMIT: Duration = Duration::from_millis(700);
/// How long sources wait for the journal to be open.
const JOURNAL_LIMIT: Duration = Duration::from_secs(2);

/// Serves HTTP on `listener` and runs all sources until `stop` is done, then ends in order.
///
/// The sources have threads of their own, so that one that blocks its thread cannot block a reader.
/// HTTP answers before any device is opened.
///
/// # Errors
/// Where the system gives no threads, or the listener cannot be used.
pub fn run(
    config: Config,
    simulated: bool,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let sources =
        runtime::Builder::new_multi_thread().worker_threads(2).thread_name("sources").enable_all().build()?;
    let front = runtime::Builder::new_current_thread().enable_all().build()?;

    let (journal, keeper) = if config.journal.enabled {
        let (journal, keeper) = Journal::start(Settings::of(&config.journal))?;
        (journal, Some(keeper))
    } else {
        (Journal::off(), None)
    };

    config.sources.iter().for_each(|source| source.context.record_in(journal.clone()));
    let commands: Vec<_> =
        config.sources.iter().map(|s| (s.name.clone(), s.instance.commands.clone())).collect();
    let commands = Commands::new(
        commands.iter().map(|(name, commands)| (name.as_str(), &commands[..])),
        sources.handle().clone(),
    );
    let section = |s: &crate::ConfiguredSource| {
        Section::new(&*s.name, s.plugin.kind, s.stale_after, s.context.stats().clone())
    };
    let store = Store::new(config.sources.iter().map(section));
    let cancel = CancellationToken::new();

    let ended = front.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let api = http::Api::new(Arc::clone(&store), commands, journal.clone(), &config.server, simulated);
        let server = tokio::spawn(http::serve(listener, api, cancel.clone()));
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
            supervisors.spawn_on(supervised.run(cancel.clone()), sources.handle());
        }
        stop.await;
        cancel.cancel();
        // Sources first: a pulse counter syncs its file here.
        let _ = tokio::time::timeout(END_LIMIT, async {
            while supervisors.join_next().await.is_some() {}
            if let Some(keeper) = keeper {
                let _ = tokio::task::spawn_blocking(|| keeper.stop()).await;
            }
            let _ = server.await;
        })
        .await;
        Ok(())
    });
    // A source that blocks its thread must not hold up the end.
    sources.shutdown_background();
    front.shutdown_background();
    ended
}

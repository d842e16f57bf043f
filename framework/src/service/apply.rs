//! Reload: the difference between what runs and a new configuration, and its application.
//!
//! Everything that may fail comes first: reading, checking, threads, sockets. Then what has changed is stopped, all of
//! it at the same time, and what is new is started.

use std::{
    collections::BTreeSet,
    io,
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    backups,
    control::{Changes, ReloadError},
    instances::{Named, ReadyEndpoint, ReadyPublisher, ReadySource, Run},
    listen::{Moves, close},
    notify::Reloading,
    running::{Ready, Running, Slot, keys_of},
};
use crate::{
    Config, ConfiguredSource, JournalConfig, Role, Text, config::Fingerprint, labels::Labels, store::Section,
};

/// Time for the end of sources, publishers and endpoints. A source has half a second of it to close its device.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// Names of those that run and do not go on: they have changed, or are gone.
#[derive(Default)]
struct Leaving {
    sources: BTreeSet<Text>,
    publishers: BTreeSet<Text>,
    endpoints: BTreeSet<Text>,
}

impl Leaving {
    fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.publishers.is_empty() && self.endpoints.is_empty()
    }
}

/// Name and fingerprint of each of one role.
type Known<'a> = Vec<(&'a str, Fingerprint)>;

impl Running {
    /// Reads the configuration, checks all of it, and applies what has changed. It returns soon after `ending`.
    pub(super) async fn reload(&mut self, ending: &CancellationToken) -> Result<Changes, ReloadError> {
        let _reloading = Reloading::begin();
        let result = self.try_reload(ending).await;
        match &result {
            Ok(changes) => log(changes),
            Err(ReloadError::Ending) => {}
            Err(error) => error!("could not reload the configuration: {error}"),
        }
        result
    }

    async fn try_reload(&mut self, ending: &CancellationToken) -> Result<Changes, ReloadError> {
        let began = Instant::now();
        let load = self.loader.clone().ok_or(ReloadError::NoFiles)?;
        // The files may be on a disk that hangs.
        let loaded = tokio::task::spawn_blocking(move || load());
        let loaded = ending.run_until_cancelled(loaded).await.ok_or(ReloadError::Ending)?;
        let loaded = loaded.map_err(|panic| ReloadError::System(io::Error::other(panic)))?;
        let config = loaded.map_err(ReloadError::Wrong)?;
        config.warnings.iter().for_each(|warning| warn!("{warning}"));
        let mut changes = Changes {
            needs_restart: self.fixed(&config)?,
            server: config.server_fingerprint != self.server_fingerprint,
            ..Changes::default()
        };
        let (server, tariffs) = (config.server.clone(), Arc::clone(&config.tariffs));
        changes.tariffs = tariffs != self.program.costs.tariffs();
        let backup = backups::wanted(&config);
        changes.backup = config.backup != self.backups.config();
        let leaving = self.compare(&config, &mut changes);
        let relabelled = self.relabelled(&config, &leaving, &mut changes);
        let mut moves = Moves::default();
        let ready = self.ready(config, &leaving, &mut moves);
        let ready = ready.and_then(|ready| {
            let moved = self.moved(server.listen, &leaving, &mut moves)?;
            self.backups.apply(backup)?;
            Ok((ready, moved))
        });
        let (ready, socket) = match ready {
            Ok(ready) => ready,
            Err(error) => {
                self.listen_again(moves).await;
                return Err(ReloadError::System(error));
            }
        };

        // Nothing fails from here on.
        self.stop(&leaving, &ready, &mut changes, ending).await;
        if let Some((shared, socket)) = socket {
            info!("serving http://{}/", server.listen);
            let old = std::mem::replace(&mut self.listener, shared);
            if let Ok(address) = self.listener.local_addr() {
                self.program.address.set(Arc::new(address));
            }
            if self.listeners.send(socket).await.is_ok() && !ready.takes(&old) {
                close(&old);
            }
        }
        self.program.access.apply(&server);
        self.program.costs.replace(tariffs);
        self.program.roster.set_household(server.name.clone());
        for (section, labels) in &relabelled {
            section.relabel(labels.clone());
        }
        self.server = server;
        for slot in &ready.publishers {
            if let Slot::Ready(publisher) = slot
                && let Some(name) = publisher.queued()
            {
                self.program.journal.add_publisher(name);
            }
        }
        if !leaving.is_empty() || !changes.started.is_empty() || !relabelled.is_empty() {
            self.show(&ready);
        }
        let ready = self.start_endpoints(ready);
        self.start(ready);
        changes.took = began.elapsed();
        Ok(changes)
    }

    /// Returns the keys that have changed and stay as they are until a restart.
    ///
    /// # Errors
    /// Returns those that everything depends on which is started anew.
    fn fixed(&self, config: &Config) -> Result<Vec<String>, ReloadError> {
        let (old, new) = (&self.journal, &config.journal);
        let refused = [
            ("`[server] state_dir`", self.server.state_dir != config.server.state_dir),
            ("`[journal] enabled`", old.enabled != new.enabled),
        ];
        let refused = changed(&refused);
        if !refused.is_empty() {
            return Err(ReloadError::NeedsRestart(refused));
        }
        let JournalConfig { enabled, path, sync_interval, raw_retention } = new;
        let fixed = [
            ("`[journal] path`", old.path != *path),
            ("`[journal] sync_interval`", old.sync_interval != *sync_interval),
            ("`[journal] raw_retention`", old.raw_retention != *raw_retention),
        ];
        Ok(if *enabled { changed(&fixed) } else { Vec::new() })
    }

    /// Compares what runs with a configuration.
    fn compare(&self, config: &Config, changes: &mut Changes) -> Leaving {
        let running = self.sources.iter().map(|source| (&**source.name(), source.fingerprint)).collect();
        let new = config.sources.iter().map(|source| (&*source.name, source.fingerprint)).collect();
        let changed = with_readers(touched(&running, &new), &config.sources);
        let sources = sorted_out(Role::Source, &changed, &running, &new, changes);

        let running = self.publishers.iter().map(|one| (&**one.name(), one.fingerprint)).collect();
        let new = config.publishers.iter().map(|one| (&*one.name, one.fingerprint)).collect();
        let publishers = sorted_out(Role::Publisher, &touched(&running, &new), &running, &new, changes);

        let running = self.endpoints.iter().map(|one| (&**one.name(), one.fingerprint)).collect();
        let new = config.endpoints.iter().map(|one| (&*one.name, one.fingerprint)).collect();
        let endpoints = sorted_out(Role::Endpoint, &touched(&running, &new), &running, &new, changes);
        Leaving { sources, publishers, endpoints }
    }

    /// Returns the sections of sources that go on with other labels.
    fn relabelled(
        &self,
        config: &Config,
        leaving: &Leaving,
        changes: &mut Changes,
    ) -> Vec<(Arc<Section>, Labels)> {
        let go_on = self.sources.iter().filter(|source| !leaving.sources.contains(source.name()));
        let relabelled: Vec<_> = go_on
            .filter_map(|source| {
                let labels = &config.sources.iter().find(|new| *source.name() == *new.name)?.labels;
                (*source.section.labels() != *labels).then(|| (Arc::clone(&source.section), labels.clone()))
            })
            .collect();
        changes.relabelled =
            relabelled.iter().map(|(section, _)| shown(Role::Source, &section.name)).collect();
        changes.unchanged -= relabelled.len();
        relabelled
    }

    /// Makes threads and sockets ready for what is to be started.
    fn ready(&self, config: Config, leaving: &Leaving, moves: &mut Moves) -> io::Result<Ready> {
        let server_fingerprint = config.server_fingerprint;
        let sources = config.sources.into_iter().map(|source| {
            match goes_on(&self.sources, &leaving.sources, &source.name) {
                true => Ok(Slot::Kept(source.name.into())),
                false => ReadySource::new(source).map(Slot::Ready),
            }
        });
        let sources = sources.collect::<io::Result<_>>()?;
        let publishers = config.publishers.into_iter().map(|publisher| {
            match goes_on(&self.publishers, &leaving.publishers, &publisher.name) {
                true => Ok(Slot::Kept(publisher.name.into())),
                false => ReadyPublisher::new(publisher).map(Slot::Ready),
            }
        });
        let publishers = publishers.collect::<io::Result<_>>()?;
        let endpoints = config.endpoints.into_iter().map(|endpoint| {
            if goes_on(&self.endpoints, &leaving.endpoints, &endpoint.name) {
                return Ok(Slot::Kept(endpoint.name.into()));
            }
            let address = endpoint.endpoint.listen();
            let same = self.endpoints.iter().find(|old| {
                let is_there = address.port() != 0 || **old.name() == *endpoint.name;
                old.listen == address && is_there && leaving.endpoints.contains(old.name())
            });
            let socket = match same {
                Some(old) => Arc::clone(&old.listener),
                None => Arc::new(moves.listen(address, &keys_of(&endpoint.name), &self.movable(leaving))?),
            };
            ReadyEndpoint::new(endpoint, socket).map(Slot::Ready)
        });
        let endpoints = endpoints.collect::<io::Result<_>>()?;
        Ok(Ready { sources, publishers, endpoints, server_fingerprint })
    }

    /// Returns the socket of HTTP at another address, if that has changed, for keeping and for serving.
    fn moved(
        &self,
        address: std::net::SocketAddr,
        leaving: &Leaving,
        moves: &mut Moves,
    ) -> io::Result<Option<(Arc<TcpListener>, tokio::net::TcpListener)>> {
        if address == self.server.listen {
            return Ok(None);
        }
        let mut movable = self.movable(leaving);
        movable.push(Arc::clone(&self.listener));
        let socket = moves.listen(address, "`[server] listen`", &movable)?;
        socket.set_nonblocking(true)?;
        let shared = Arc::new(socket.try_clone()?);
        Ok(Some((shared, tokio::net::TcpListener::from_std(socket)?)))
    }

    /// Has the sockets listen again that were in the way of others.
    async fn listen_again(&self, moves: Moves) {
        for socket in moves.undo() {
            for endpoint in self.endpoints.iter().filter(|one| Arc::ptr_eq(&one.listener, &socket)) {
                endpoint.again.notify_one();
            }
            if Arc::ptr_eq(&self.listener, &socket)
                && let Ok(socket) = socket.try_clone().and_then(tokio::net::TcpListener::from_std)
            {
                let _ = self.listeners.send(socket).await;
            }
        }
    }

    /// Returns the sockets of endpoints that are stopped.
    fn movable(&self, leaving: &Leaving) -> Vec<Arc<TcpListener>> {
        let stopped = self.endpoints.iter().filter(|endpoint| leaving.endpoints.contains(endpoint.name()));
        stopped.map(|endpoint| Arc::clone(&endpoint.listener)).collect()
    }

    /// Stops those that leave, all of them at the same time, and forgets them.
    async fn stop(
        &mut self,
        leaving: &Leaving,
        ready: &Ready,
        changes: &mut Changes,
        ending: &CancellationToken,
    ) {
        self.stuck.retain(|run| !run.is_over());
        let mut runs: Vec<(String, Run)> = Vec::new();
        for source in taken(&mut self.sources, &leaving.sources) {
            self.program.watch.remove(&source.section);
            runs.push((shown(Role::Source, source.name()), source.run));
        }
        for publisher in taken(&mut self.publishers, &leaving.publishers) {
            runs.push((shown(Role::Publisher, publisher.name()), publisher.run));
        }
        let mut sockets = Vec::new();
        for endpoint in taken(&mut self.endpoints, &leaving.endpoints) {
            sockets.push(endpoint.listener);
            runs.push((shown(Role::Endpoint, &endpoint.status.name), endpoint.run));
        }
        runs.iter().for_each(|(_, run)| run.stop());
        let all = async {
            for (_, run) in &mut runs {
                run.ended().await;
            }
        };
        let _ = ending.run_until_cancelled(timeout(STOP_LIMIT, all)).await;
        for socket in sockets.iter().filter(|socket| !ready.takes(socket)) {
            close(socket);
        }
        for (name, run) in runs {
            if !run.is_over() {
                if !ending.is_cancelled() {
                    warn!(
                        "`{name}` blocks its thread and did not stop within {STOP_LIMIT:?}: it ends when its plugin returns"
                    );
                }
                changes.stuck.push(name);
                self.stuck.push(run);
            }
        }
        let is_wanted = |name: &Text| {
            let same = |slot: &Slot<ReadyPublisher>| match slot {
                Slot::Kept(kept) => kept == name,
                Slot::Ready(ready) => ready.queued() == Some(name),
            };
            ready.publishers.iter().any(same)
        };
        for name in leaving.publishers.iter().filter(|name| !is_wanted(name)) {
            self.program.journal.remove_publisher(name);
        }
    }
}

impl Ready {
    /// Returns whether an endpoint takes over a socket.
    fn takes(&self, socket: &Arc<TcpListener>) -> bool {
        let is_same = |slot: &Slot<ReadyEndpoint>| match slot {
            Slot::Kept(_) => false,
            Slot::Ready(endpoint) => Arc::ptr_eq(&endpoint.listener, socket),
        };
        self.endpoints.iter().any(is_same)
    }
}

/// Returns whether one of this name runs and does not leave.
fn goes_on<T: Named>(running: &[T], leaving: &BTreeSet<Text>, name: &str) -> bool {
    !leaving.contains(name) && running.iter().any(|one| *one.name() == *name)
}

/// Removes those with these names from a list.
fn taken<T: Named>(running: &mut Vec<T>, names: &BTreeSet<Text>) -> Vec<T> {
    running.extract_if(.., |one| names.contains(one.name())).collect()
}

/// Returns the names in the list of a configuration's keys.
fn changed(keys: &[(&str, bool)]) -> Vec<String> {
    keys.iter().filter(|(_, is_changed)| *is_changed).map(|(key, _)| (*key).to_owned()).collect()
}

/// Returns the names of all that have changed, are gone, or are new.
fn touched(running: &Known<'_>, new: &Known<'_>) -> BTreeSet<Text> {
    let differs = |here: &Known<'_>, one: &(&str, Fingerprint)| !here.contains(one);
    let gone_or_changed = running.iter().filter(|one| differs(new, one));
    let new_or_changed = new.iter().filter(|one| differs(running, one));
    gone_or_changed.chain(new_or_changed).map(|(name, _)| Text::from(*name)).collect()
}

/// Adds the sources that read changed ones, whatever the number of sources in between.
fn with_readers(mut changed: BTreeSet<Text>, sources: &[ConfiguredSource]) -> BTreeSet<Text> {
    loop {
        let reads_changed = |source: &&ConfiguredSource| {
            !changed.contains(&*source.name)
                && source.context.inputs().all().iter().any(|input| changed.contains(&input.source))
        };
        let readers: Vec<_> = sources.iter().filter(reads_changed).map(|one| Text::from(&one.name)).collect();
        if readers.is_empty() {
            return changed;
        }
        changed.extend(readers);
    }
}

/// Notes what becomes of each. Returns the names of those that run and leave.
fn sorted_out(
    role: Role,
    touched: &BTreeSet<Text>,
    running: &Known<'_>,
    new: &Known<'_>,
    changes: &mut Changes,
) -> BTreeSet<Text> {
    let has = |all: &Known<'_>, name: &str| all.iter().any(|(known, _)| *known == name);
    for (name, _) in running.iter().filter(|(name, _)| !has(new, name)) {
        changes.stopped.push(shown(role, name));
    }
    for (name, _) in new {
        match (has(running, name), touched.contains(*name)) {
            (false, _) => changes.started.push(shown(role, name)),
            (true, true) => changes.restarted.push(shown(role, name)),
            (true, false) => changes.unchanged += 1,
        }
    }
    touched.iter().filter(|name| has(running, name)).cloned().collect()
}

/// Returns the name of a table: `sources.house`.
fn shown(role: Role, name: &str) -> String {
    format!("{role}s.{name}")
}

fn log(changes: &Changes) {
    info!("{changes}");
    if let Some(restart) = changes.restart() {
        warn!("{restart}");
    }
}

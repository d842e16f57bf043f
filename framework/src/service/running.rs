//! What runs: sources, publishers and endpoints, in the order of the configuration.

use std::{collections::HashMap, io, net::TcpListener, ops::Range, sync::Arc};

use tokio::sync::mpsc;

use super::{
    Program,
    control::Republished,
    instances::{Endpoint, Named, Publisher, ReadyEndpoint, ReadyPublisher, ReadySource, Run, Source},
    kept::Kept,
    listen,
};
use crate::{
    Config, Diagnostics, JournalConfig, RepublishError, ServerConfig, Text, config::Fingerprint, inputs,
    nightly::Backups, table::expected,
};

/// Reads and checks the configuration. It may block.
pub(super) type Loader = Arc<dyn Fn() -> Result<Config, Diagnostics> + Send + Sync>;

/// The sources, publishers and endpoints that run, in the order of the configuration.
pub(super) struct Running {
    pub(super) program: Program,
    pub(super) loader: Option<Loader>,
    pub(super) server: ServerConfig,
    pub(super) server_fingerprint: Fingerprint,
    pub(super) journal: JournalConfig,
    /// The socket of HTTP, and the way for another one to its server.
    pub(super) listener: Arc<TcpListener>,
    pub(super) listeners: mpsc::Sender<tokio::net::TcpListener>,
    pub(super) sources: Vec<Source>,
    pub(super) publishers: Vec<Publisher>,
    pub(super) endpoints: Vec<Endpoint>,
    /// Open files that the sources keep while they restart.
    kept: Kept,
    pub(super) backups: Backups,
    /// Work that did not end when it was asked to, as it blocks its thread.
    pub(super) stuck: Vec<Run>,
}

/// Place in the new order.
pub(super) enum Slot<T> {
    /// For one that goes on.
    Kept(Text),
    /// For one that is to be started.
    Ready(T),
}

/// A configuration whose threads and sockets are ready.
pub(super) struct Ready {
    pub(super) sources: Vec<Slot<ReadySource>>,
    pub(super) publishers: Vec<Slot<ReadyPublisher>>,
    pub(super) endpoints: Vec<Slot<ReadyEndpoint>>,
    pub(super) server_fingerprint: Fingerprint,
}

impl Ready {
    /// Makes everything ready for the start of the program.
    pub(super) fn first(config: Config) -> io::Result<Self> {
        let Config { sources, publishers, endpoints, server_fingerprint, .. } = config;
        let endpoints = endpoints.into_iter().map(|endpoint| {
            let listener = listen(endpoint.endpoint.listen(), &keys_of(&endpoint.name))?;
            ReadyEndpoint::new(endpoint, Arc::new(listener)).map(Slot::Ready)
        });
        let endpoints = endpoints.collect::<io::Result<_>>()?;
        let sources = sources.into_iter().map(|source| ReadySource::new(source).map(Slot::Ready));
        let publishers =
            publishers.into_iter().map(|publisher| ReadyPublisher::new(publisher).map(Slot::Ready));
        Ok(Self {
            sources: sources.collect::<io::Result<_>>()?,
            publishers: publishers.collect::<io::Result<_>>()?,
            endpoints,
            server_fingerprint,
        })
    }
}

/// Returns the key of an endpoint's address, for messages.
pub(super) fn keys_of(endpoint: &str) -> String {
    format!("`[endpoints.{endpoint}] listen`")
}

impl Running {
    /// A program of which nothing runs yet.
    pub(super) fn new(
        program: Program,
        loader: Option<Loader>,
        server: ServerConfig,
        journal: JournalConfig,
        (listener, listeners): (Arc<TcpListener>, mpsc::Sender<tokio::net::TcpListener>),
    ) -> Self {
        let (journal_handle, roster) = (program.journal.clone(), Arc::clone(&program.roster));
        let backups = Backups::new(journal_handle, server.state_dir.clone(), roster, program.cancel.clone());
        Self {
            program,
            loader,
            server,
            server_fingerprint: Fingerprint::default(),
            journal,
            listener,
            listeners,
            sources: Vec::new(),
            publishers: Vec::new(),
            endpoints: Vec::new(),
            kept: Kept::left(),
            backups,
            stuck: Vec::new(),
        }
    }

    pub(super) fn program(&self) -> &Program {
        &self.program
    }

    /// Shows what will run to all who read or report it, and connects the inputs of sources.
    pub(super) fn show(&mut self, ready: &Ready) {
        let program = &self.program;
        let of = |all: &[Source], name: &Text| all.iter().position(|source| source.name() == name);
        let (mut sections, mut commands, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
        for slot in &ready.sources {
            let (section, own, context) = match slot {
                Slot::Kept(name) => {
                    let Some(kept) = of(&self.sources, name).map(|at| &self.sources[at]) else { continue };
                    (&kept.section, &kept.commands, &kept.context)
                }
                Slot::Ready(ready) => (&ready.section, &ready.commands, ready.context()),
            };
            sections.push(Arc::clone(section));
            commands.extend_from_slice(own);
            contexts.push(context);
        }
        let publishers = ready.publishers.iter().filter_map(|slot| match slot {
            Slot::Kept(name) => {
                let kept = self.publishers.iter().find(|publisher| publisher.name() == name)?;
                Some(Arc::clone(&kept.delivery))
            }
            Slot::Ready(ready) => Some(Arc::clone(&ready.delivery)),
        });
        let endpoints = ready.endpoints.iter().filter_map(|slot| match slot {
            Slot::Kept(name) => {
                let kept = self.endpoints.iter().find(|endpoint| endpoint.name() == name)?;
                Some(Arc::clone(&kept.status))
            }
            Slot::Ready(ready) => Some(Arc::clone(&ready.status)),
        });
        program.roster.replace(publishers.collect(), endpoints.collect());
        program.commands.replace(commands);
        program.store.replace(sections.clone());
        self.kept.retain(contexts.iter().copied());
        inputs::connect(contexts.into_iter().zip(&sections), &program.store);
    }

    /// Starts the endpoints that are ready, which need no journal.
    pub(super) fn start_endpoints(&mut self, mut ready: Ready) -> Ready {
        let slots = std::mem::take(&mut ready.endpoints);
        self.endpoints =
            merged(std::mem::take(&mut self.endpoints), slots, |endpoint| endpoint.start(&self.program));
        ready
    }

    /// Starts the sources and publishers that are ready.
    pub(super) fn start(&mut self, ready: Ready) {
        let Ready { sources, publishers, server_fingerprint, .. } = ready;
        let program = &self.program;
        self.sources = merged(std::mem::take(&mut self.sources), sources, |source| source.start(program));
        self.publishers =
            merged(std::mem::take(&mut self.publishers), publishers, |publisher| publisher.start(program));
        self.server_fingerprint = server_fingerprint;
    }

    /// Has a publisher of history send hours again.
    pub(super) fn republish(&self, name: &str, hours: Range<i64>) -> Republished {
        let Some(publisher) = self.publishers.iter().find(|publisher| *publisher.name() == *name) else {
            let names = self.publishers.iter().map(|publisher| publisher.name().as_str());
            let hint = "see `[publishers.…]` in the configuration";
            return Err(RepublishError::Unknown(format!(
                "no publisher `{name}` runs, {}: {hint}",
                expected(names)
            )));
        };
        let Some(republisher) = &publisher.republisher else {
            let (plugin, waiting) = (publisher.delivery.plugin, publisher.delivery.backlog());
            return Err(RepublishError::TakesRecords(format!(
                "`{name}` (plugin `{plugin}`) gets each record once, in order, and no history: {waiting} batches wait for \
                 it, and it delivers them by itself. Only a publisher of history can send hours again"
            )));
        };
        republisher.republish(hours)
    }

    /// Waits for the end of the sources, then of the publishers.
    pub(super) async fn recorders_ended(&mut self) {
        for source in &mut self.sources {
            source.run.ended().await;
        }
        for publisher in &mut self.publishers {
            publisher.run.ended().await;
        }
        // A reload that was cut short has asked them to end.
        for run in &mut self.stuck {
            run.ended().await;
        }
    }

    pub(super) async fn endpoints_ended(&mut self) {
        for endpoint in &mut self.endpoints {
            endpoint.run.ended().await;
        }
    }
}

/// Returns all in the order of their slots: those that are kept, and the others as soon as they are started.
fn merged<T: Named, R>(running: Vec<T>, slots: Vec<Slot<R>>, mut start: impl FnMut(R) -> T) -> Vec<T> {
    let mut kept: HashMap<Text, T> = running.into_iter().map(|one| (one.name().clone(), one)).collect();
    let next = slots.into_iter().filter_map(|slot| match slot {
        Slot::Kept(name) => kept.remove(&name),
        Slot::Ready(ready) => Some(start(ready)),
    });
    next.collect()
}

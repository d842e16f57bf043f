//! Sources, publishers and endpoints: each is made ready, then started, and stopped alone.

use std::{io, net::TcpListener, sync::Arc};

use tokio::{sync::Notify, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error_span, info};

use super::Program;
use crate::{
    AnyPublisher, ConfiguredEndpoint, ConfiguredPublisher, ConfiguredSource, InstalledCommand,
    PublisherContext, SourceContext, Text,
    config::Fingerprint,
    publish::{
        Delivery, Runner,
        history::{HistoryRunner, Hours, Republisher},
    },
    scheduler::{Plan, Supervisor, WallClock, Watched, Work, Worker, keep_running},
    serving::{EndpointStatus, Serving},
    store::Section,
};

/// Work on a thread of its own, which ends with it.
pub(super) struct Run {
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// Its end ends the thread.
    _worker: Worker,
}

impl Run {
    /// Starts work on a thread. It ends with `program`, or alone.
    fn start(work: impl Work, worker: Worker, program: &CancellationToken) -> Self {
        let stop = program.child_token();
        let task = worker.handle().spawn(keep_running(work, stop.clone()));
        Self { stop, task, _worker: worker }
    }

    /// Asks the work to end.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for the end of the work. It may never come, if the work blocks its thread.
    pub(super) async fn ended(&mut self) {
        if !self.is_over() {
            // Also an error is the end: the runtime is gone.
            let _ = (&mut self.task).await;
        }
    }

    /// Returns whether the work has ended.
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }
}

/// A source that runs.
pub(super) struct Source {
    pub(super) section: Arc<Section>,
    pub(super) context: SourceContext,
    pub(super) commands: Vec<InstalledCommand>,
    pub(super) fingerprint: Fingerprint,
    pub(super) run: Run,
}

/// A source whose thread is ready.
pub(super) struct ReadySource {
    configured: ConfiguredSource,
    pub(super) section: Arc<Section>,
    pub(super) commands: Vec<InstalledCommand>,
    worker: Worker,
}

impl ReadySource {
    /// Starts its thread, and no more.
    ///
    /// # Errors
    /// Fails if the system refuses a thread or files.
    pub(super) fn new(mut configured: ConfiguredSource) -> io::Result<Self> {
        let stats = configured.context.stats().clone();
        let section = Section::new(&*configured.name, configured.plugin.kind, configured.stale_after, stats)
            .labelled(configured.labels.clone());
        let span = error_span!("source", name = %section.name);
        let worker = Worker::start(&section.name, span, Arc::clone(&section.health.status))?;
        let commands = std::mem::take(&mut configured.commands);
        let commands = InstalledCommand::install(&section.name, &commands, worker.handle());
        Ok(Self { configured, section: Arc::new(section), commands, worker })
    }

    pub(super) fn context(&self) -> &SourceContext {
        &self.configured.context
    }

    /// Starts to read it.
    pub(super) fn start(self, program: &Program) -> Source {
        let Self { configured: source, section, commands, worker } = self;
        source.context.record_in(program.journal.clone());
        source.context.pay_by(Arc::clone(&program.costs));
        let watched = Watched::new(Arc::clone(&section), worker.handle().clone(), source.timeout);
        program.watch.add(watched);
        let plan = Plan {
            mode: source.mode,
            schedule: source.schedule,
            timeout: source.timeout,
            at_line_speed: source.at_line_speed,
            clock: WallClock::default(),
        };
        let device = (source.acquisition, source.device);
        let (store, journal) = (Arc::clone(&program.store), program.journal.clone());
        let supervisor = Supervisor::new(device, plan, Arc::clone(&section), store, journal);
        let run = Run::start(supervisor, worker, &program.cancel);
        Source { section, context: source.context, commands, fingerprint: source.fingerprint, run }
    }
}

/// A publisher that runs.
pub(super) struct Publisher {
    pub(super) delivery: Arc<Delivery>,
    /// Has it send hours again; `None` if it takes records.
    pub(super) republisher: Option<Republisher>,
    pub(super) fingerprint: Fingerprint,
    pub(super) run: Run,
}

/// A publisher whose thread is ready.
pub(super) struct ReadyPublisher {
    configured: ConfiguredPublisher<AnyPublisher>,
    pub(super) delivery: Arc<Delivery>,
    worker: Worker,
}

impl ReadyPublisher {
    /// Starts its thread, and no more.
    ///
    /// # Errors
    /// Fails if the system refuses a thread or files.
    pub(super) fn new(configured: ConfiguredPublisher<AnyPublisher>) -> io::Result<Self> {
        let stats = configured.context.stats().clone();
        let delivery = Delivery::new(&*configured.name, configured.plugin.kind, stats);
        let delivery = if configured.plugin.is_of_history { delivery.of_history() } else { delivery };
        let span = error_span!("publisher", name = %delivery.name);
        let worker = Worker::start(&delivery.name, span, Arc::clone(&delivery.status))?;
        Ok(Self { configured, delivery: Arc::new(delivery), worker })
    }

    /// Returns its name if it has a cursor in the journal's log.
    pub(super) fn queued(&self) -> Option<&Text> {
        (!self.configured.plugin.is_of_history).then_some(&self.delivery.name)
    }

    /// Starts to deliver: records from its cursor on, or what of the history the server lacks.
    pub(super) fn start(self, program: &Program) -> Publisher {
        let Self { configured, delivery, worker } = self;
        let ConfiguredPublisher { name, publisher, route, fingerprint, .. } = configured;
        let (store, route) = (Arc::clone(&program.store), Arc::new(route));
        let (run, republisher) = match publisher {
            AnyPublisher::Records(publisher) => {
                let context = PublisherContext { store, commands: program.commands.clone(), route };
                let queue = program.journal.queue(&name);
                let runner = Runner::new(publisher, queue, context, Arc::clone(&delivery));
                (Run::start(runner, worker, &program.cancel), None)
            }
            AnyPublisher::History(publisher) => {
                let hours = Hours::new(Arc::clone(&program.costs), store, route, Arc::clone(&delivery));
                let (runner, republisher) = HistoryRunner::new(publisher, hours);
                (Run::start(runner, worker, &program.cancel), Some(republisher))
            }
        };
        Publisher { delivery, republisher, fingerprint, run }
    }
}

/// An endpoint that runs.
pub(super) struct Endpoint {
    pub(super) status: Arc<EndpointStatus>,
    /// Its socket, with the address in the configuration. One that listens there, too, takes it over.
    pub(super) listener: Arc<TcpListener>,
    pub(super) listen: std::net::SocketAddr,
    /// Has it listen again, after its socket was shut down.
    pub(super) again: Arc<Notify>,
    pub(super) fingerprint: Fingerprint,
    pub(super) run: Run,
}

/// An endpoint whose thread is ready, and which listens.
pub(super) struct ReadyEndpoint {
    configured: ConfiguredEndpoint,
    pub(super) status: Arc<EndpointStatus>,
    pub(super) listener: Arc<TcpListener>,
    worker: Worker,
}

impl ReadyEndpoint {
    /// Starts its thread, and no more.
    ///
    /// # Errors
    /// Fails if the system refuses a thread or files.
    pub(super) fn new(configured: ConfiguredEndpoint, listener: Arc<TcpListener>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (address, stats) = (listener.local_addr()?, configured.context.stats().clone());
        let status = EndpointStatus::new(&*configured.name, configured.plugin.kind, address, stats);
        let span = error_span!("endpoint", name = %status.name);
        let worker = Worker::start(&status.name, span, Arc::clone(&status.status))?;
        Ok(Self { configured, status: Arc::new(status), listener, worker })
    }

    /// Starts to serve.
    pub(super) fn start(self, program: &Program) -> Endpoint {
        let Self { configured: ConfiguredEndpoint { endpoint, fingerprint, .. }, status, listener, worker } =
            self;
        info!(endpoint = %status.name, "listening on {}", status.address);
        let listen = endpoint.listen();
        let (store, access) = (Arc::clone(&program.store), Arc::clone(&program.access));
        let (own, shared) = (Arc::clone(&status), Arc::clone(&listener));
        let again = Arc::new(Notify::new());
        let told = Arc::clone(&again);
        let serving = Serving { endpoint, listener: shared, status: own, store, access, again: told };
        let run = Run::start(serving, worker, &program.cancel);
        Endpoint { status, listener, listen, again, fingerprint, run }
    }
}

/// One that runs, found by its name.
pub(super) trait Named {
    fn name(&self) -> &Text;
}

impl Named for Source {
    fn name(&self) -> &Text {
        &self.section.name
    }
}

impl Named for Publisher {
    fn name(&self) -> &Text {
        &self.delivery.name
    }
}

impl Named for Endpoint {
    fn name(&self) -> &Text {
        &self.status.name
    }
}

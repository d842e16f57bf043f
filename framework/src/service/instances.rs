//! Threads and sections of sources, publishers and endpoints.

use std::{io, net::TcpListener, sync::Arc};

use tracing::error_span;

use super::listen;
use crate::{
    ConfiguredEndpoint, ConfiguredPublisher, ConfiguredSource, publish::Delivery, scheduler::Worker,
    serving::EndpointStatus, store::Section,
};

pub(super) fn wire_source(source: ConfiguredSource) -> io::Result<(ConfiguredSource, Arc<Section>, Worker)> {
    let stats = source.context.stats().clone();
    let section = Section::new(&*source.name, source.plugin.kind, source.stale_after, stats)
        .labelled(source.label.clone(), source.role);
    let span = error_span!("source", name = %section.name);
    let worker = Worker::start(&section.name, span, Arc::clone(&section.health.status))?;
    Ok((source, Arc::new(section), worker))
}

pub(super) fn wire_publisher(
    publisher: ConfiguredPublisher,
) -> io::Result<(ConfiguredPublisher, Arc<Delivery>, Worker)> {
    let stats = publisher.context.stats().clone();
    let delivery = Delivery::new(&*publisher.name, publisher.plugin.kind, stats);
    let span = error_span!("publisher", name = %delivery.name);
    let worker = Worker::start(&delivery.name, span, Arc::clone(&delivery.status))?;
    Ok((publisher, Arc::new(delivery), worker))
}

pub(super) fn wire_endpoint(
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

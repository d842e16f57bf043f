//! Publishers and endpoints that run, for those who report on them.

use std::sync::Arc;

use crate::{latest::Latest, publish::Delivery, serving::EndpointStatus};

/// List of the publishers and endpoints that run, in the order of the configuration. Readers copy a pointer; a reload
/// replaces it.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    publishers: Latest<[Arc<Delivery>]>,
    endpoints: Latest<[Arc<EndpointStatus>]>,
}

impl Roster {
    /// Returns the publishers.
    pub(crate) fn publishers(&self) -> Arc<[Arc<Delivery>]> {
        self.publishers.all()
    }

    /// Returns the endpoints.
    pub(crate) fn endpoints(&self) -> Arc<[Arc<EndpointStatus>]> {
        self.endpoints.all()
    }

    /// Replaces both: those that are unchanged stay the same.
    pub(crate) fn replace(&self, publishers: Vec<Arc<Delivery>>, endpoints: Vec<Arc<EndpointStatus>>) {
        self.publishers.set(publishers.into());
        self.endpoints.set(endpoints.into());
    }
}

//! Publishers and endpoints that run, the name of the household, and its backups, for those who report on them.

use std::sync::Arc;

use crate::{Text, latest::Latest, nightly::BackupStatus, publish::Delivery, serving::EndpointStatus};

/// List of the publishers and endpoints that run, in the order of the configuration. Readers copy a pointer; a reload
/// replaces it.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    publishers: Latest<[Arc<Delivery>]>,
    endpoints: Latest<[Arc<EndpointStatus>]>,
    household: Latest<Option<Text>>,
    backup: Latest<Option<BackupStatus>>,
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

    /// Returns the name of the household.
    pub(crate) fn household(&self) -> Option<Text> {
        self.household.get().and_then(|name| (*name).clone())
    }

    /// Replaces the name of the household.
    pub(crate) fn set_household(&self, name: Option<Text>) {
        self.household.set(Arc::new(name));
    }

    /// Returns the status of the backups, if any are made.
    pub(crate) fn backup(&self) -> Option<BackupStatus> {
        self.backup.get().and_then(|status| (*status).clone())
    }

    /// Replaces the status of the backups.
    pub(crate) fn set_backup(&self, status: Option<BackupStatus>) {
        self.backup.set(Arc::new(status));
    }

    /// Replaces both: those that are unchanged stay the same.
    pub(crate) fn replace(&self, publishers: Vec<Arc<Delivery>>, endpoints: Vec<Arc<EndpointStatus>>) {
        self.publishers.set(publishers.into());
        self.endpoints.set(endpoints.into());
    }
}

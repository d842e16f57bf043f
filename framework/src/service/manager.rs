//! Reports to the service manager: that the program is ready, its status line, and signs of life.

use std::{sync::Arc, time::Duration};

use super::{notify, summary::summary, watchdog::Watchdog};
use crate::{Store, journal::Journal, roster::Roster};

/// Reports to systemd, if it wants any.
pub(super) struct Manager {
    pub(super) store: Arc<Store>,
    pub(super) journal: Journal,
    pub(super) roster: Arc<Roster>,
    /// `None` if systemd does not ask for signs of life.
    pub(super) watchdog: Option<Watchdog>,
    /// Status line that was sent last; `None` before the program is ready.
    pub(super) sent: Option<String>,
}

impl Manager {
    /// Reports what is new. Returns the longest time to the next look.
    pub(super) fn look(&mut self) -> Duration {
        if !notify::is_wanted() {
            return Duration::MAX;
        }
        let journal = self.journal.status();
        if self.sent.is_none() && journal.is_some_and(|journal| !journal.open && journal.problem.is_none()) {
            notify::starting("opening the journal");
            return Duration::MAX;
        }
        let line = summary(&self.store, &self.journal, &self.roster);
        match &self.sent {
            None => notify::ready(&line),
            Some(sent) if *sent != line => notify::status(&line),
            Some(_) => {}
        }
        self.sent = Some(line);
        self.watchdog.as_mut().map_or(Duration::MAX, |watchdog| {
            watchdog.look();
            watchdog.pause()
        })
    }
}

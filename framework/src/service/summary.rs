//! Status line for `systemctl status`: `3 sources, 1 stale`.

use std::time::Instant;

use crate::{Store, Timestamp, http, journal::Journal, roster::Roster, status::State};

/// Returns the line about everything that runs.
pub(super) fn summary(store: &Store, journal: &Journal, roster: &Roster) -> String {
    let now = Instant::now();
    let (mut sources, mut states) = (0, Vec::<(&str, usize)>::new());
    for section in store.sections().iter() {
        sources += 1;
        let state = http::state(section, now);
        if http::is_healthy(state) {
            continue;
        }
        match states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => states.push((state, 1)),
        }
    }
    let mut line = if sources == 0 { "no source yet".to_owned() } else { count(sources, "source") };
    for (state, number) in states {
        line += &format!(", {number} {state}");
    }
    let (publishers, endpoints) = (roster.publishers(), roster.endpoints());
    let failing = publishers.iter().filter(|delivery| !http::is_well(delivery)).count();
    let closed = endpoints.iter().filter(|endpoint| endpoint.status.state() != State::Delivering).count();
    for (number, role) in [(failing, "publisher"), (closed, "endpoint")] {
        if number > 0 {
            line += &format!(", {} with a problem", count(number, role));
        }
    }
    if journal.status().is_some_and(|status| status.problem.is_some()) {
        line += ", journal degraded";
    }
    if roster.backup().is_some_and(|backup| backup.problem(Timestamp::now()).is_some()) {
        line += ", no good backup";
    }
    line
}

/// Returns `1 source` or `2 sources`.
fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

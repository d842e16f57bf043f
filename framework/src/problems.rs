//! Log of problems that stay: each again every hour, as who reads the log of today need not know that of last week.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    Store, Text, Timestamp,
    http::{is_delivering, is_well},
    journal::Journal,
    roster::Roster,
    status::{State, WorkerStatus},
};

/// Interval in which a problem that stays is logged again.
const INTERVAL: Duration = Duration::from_secs(3600);

/// Everything that may have a problem which needs a person.
pub(crate) struct Problems {
    pub(crate) journal: Journal,
    pub(crate) store: Arc<Store>,
    pub(crate) roster: Arc<Roster>,
    /// Last success of each at the look before.
    pub(crate) successes: HashMap<(&'static str, Text), Option<Timestamp>>,
}

impl Problems {
    /// Says the problems each hour, until it is dropped.
    pub(crate) async fn repeat(mut self, say: impl Fn(String)) {
        loop {
            sleep(INTERVAL).await;
            self.look().into_iter().for_each(&say);
        }
    }

    /// Returns the problems: of the journal, of its backups, of each plugin that has one, and of all that had no success since the look
    /// before and do not work now.
    fn look(&mut self) -> Vec<String> {
        let now = std::time::Instant::now();
        let sections = self.store.sections();
        let sources = sections
            .iter()
            .map(|section| ("source", &section.name, &section.health.status, is_delivering(section, now)));
        let (publishers, endpoints) = (self.roster.publishers(), self.roster.endpoints());
        let publishers = publishers
            .iter()
            .map(|delivery| ("publisher", &delivery.name, &delivery.status, is_well(delivery)));
        let endpoints = endpoints.iter().map(|endpoint| {
            let works = endpoint.status.state() == State::Delivering;
            ("endpoint", &endpoint.name, &endpoint.status, works)
        });
        let mut problems: Vec<_> =
            self.journal.status().and_then(|status| status.problem).into_iter().collect();
        problems.extend(self.roster.backup().and_then(|backup| Some(backup.problem(Timestamp::now())?.1)));
        for (role, name, status, works) in sources.chain(publishers).chain(endpoints) {
            let success = status.last_success();
            let before = self.successes.insert((role, name.clone()), success).flatten();
            problems.extend(status.stats.problem().map(|problem| format!("{role} `{name}`: {problem}")));
            if !works && before == success {
                problems.push(format!("{role} `{name}` has not worked for an hour{}", reason(status)));
            }
        }
        problems
    }
}

/// Returns its last fault, if there was one since its last success.
fn reason(status: &WorkerStatus) -> String {
    let fault = status.last_error().filter(|fault| status.last_success() <= Some(fault.at));
    fault.map_or_else(String::new, |fault| format!(": {}", fault.message))
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, path::Path};

    use tokio::time::timeout;

    use super::*;
    use crate::{
        Batch, Context, Stats,
        journal::{JournalThread, Settings},
        publish::Delivery,
        serving::EndpointStatus,
        store::Section,
    };

    /// Journal that cannot be opened.
    fn broken() -> (Journal, JournalThread) {
        let (journal, thread) = Journal::start(Settings::new("/proc/nowhere/journal.db")).unwrap();
        journal.wait_open(Duration::from_secs(10));
        (journal, thread)
    }

    fn problems(journal: Journal, stats: Stats) -> Problems {
        let section =
            |name: &'static str, stats| Section::new(name, "test", Duration::from_secs(3600), stats);
        let delivery = Delivery::new("away", "test", Stats::default());
        let address = "127.0.0.1:1".parse().unwrap();
        let closed = EndpointStatus::new("closed", "test", address, Stats::default());
        let roster = Arc::<Roster>::default();
        roster.replace(vec![Arc::new(delivery)], vec![Arc::new(closed)]);
        Problems {
            journal,
            store: Store::new([section("lost", Stats::default()), section("well", stats)]),
            roster,
            successes: HashMap::new(),
        }
    }

    #[test]
    fn what_needs_a_person_is_logged_again_each_hour_until_it_works() {
        let (journal, _thread) = broken();
        let problem = journal.status().unwrap().problem.unwrap();
        let cx = Context::new("well", Path::new("/nonexistent"));
        let mut problems = problems(journal, cx.stats().clone());
        let (store, away) = (Arc::clone(&problems.store), Arc::clone(&problems.roster.publishers()[0]));
        let emit = |name: &str| {
            store.publish(
                &store.section(name).unwrap(),
                Batch { taken_at: Timestamp::now(), readings: vec![] },
            );
        };
        let lost = store.section("lost").unwrap();
        let lost = &lost.health.status;
        lost.fault(crate::FaultCode::DeviceMissing, "no such device");
        lost.set_state(State::Waiting);
        away.status.fault(crate::FaultCode::WrongConfiguration, "the password is wrong");
        away.status.set_state(State::Waiting);
        cx.set_problem(Some((crate::FaultCode::NotSaved, "the count is in memory only")));
        let expected = [
            &*problem,
            "source `lost` has not worked for an hour: no such device",
            "source `well`: the count is in memory only",
            "publisher `away` has not worked for an hour: the password is wrong",
            "endpoint `closed` has not worked for an hour",
        ];
        for _ in 0..3 {
            emit("well");
            assert_eq!(problems.look(), expected);
        }
        // It worked within the hour, and failed again.
        emit("lost");
        lost.set_state(State::Waiting);
        emit("well");
        assert_eq!(problems.look().len(), 4);
        emit("well");
        assert_eq!(problems.look().len(), 5);
        emit("lost");
        away.status.success(Timestamp::now());
        problems.roster.endpoints()[0].status.success(Timestamp::now());
        cx.set_problem(None);
        emit("well");
        assert_eq!(problems.look(), [&*problem]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_stays_full_is_said_again_each_hour() {
        let (journal, _thread) = broken();
        let problem = journal.status().unwrap().problem.unwrap();
        let said = RefCell::new(Vec::new());
        let repeated = problems(journal, Stats::default()).repeat(|line| said.borrow_mut().push(line));
        let _ = timeout(INTERVAL * 4 - Duration::from_secs(1), repeated).await;
        assert_eq!(said.borrow().iter().filter(|line| **line == problem).count(), 3);
    }
}

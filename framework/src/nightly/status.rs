//! What everybody sees of the backups.

use std::{path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use reading::words;

use super::{Failure, saved::Good};
use crate::FaultCode;

/// Time after which a backup that was not made is missed by people.
const OVERDUE: SignedDuration = SignedDuration::from_hours(24);

words! {
    /// State of the backups, with its word in `/health`.
    BackupState {
        /// There is none yet: the clock is not set, or its turn has not come.
        Scheduled = "scheduled",
        /// One is being made or checked.
        Running = "running",
        /// The newest one is good.
        Ok = "ok",
        /// The newest one failed, cannot be read, or is overdue.
        Degraded = "degraded",
    }
}

/// Status of the backups. Only the runner writes it; anybody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BackupStatus {
    pub(crate) folder: PathBuf,
    pub(super) is_running: bool,
    /// The newest good one.
    pub(crate) last: Option<Good>,
    /// Time of the turn that follows the newest good one, or of the start where there is none.
    pub(super) due: Timestamp,
    /// Time of the next attempt.
    pub(crate) next: Option<Timestamp>,
    pub(super) failure: Option<Failure>,
}

impl BackupStatus {
    /// Returns the state.
    pub(crate) fn state(&self, now: Timestamp) -> BackupState {
        match (self.problem(now), self.is_running, &self.last) {
            (Some(_), _, _) => BackupState::Degraded,
            (None, true, _) => BackupState::Running,
            (None, false, Some(_)) => BackupState::Ok,
            (None, false, None) => BackupState::Scheduled,
        }
    }

    /// Returns why the newest backup is not good, or is too old. Who asks computes its age, so that nothing that hangs hides
    /// it.
    pub(crate) fn problem(&self, now: Timestamp) -> Option<(Option<FaultCode>, String)> {
        if let Some(failure) = &self.failure {
            return Some((Some(failure.code()), failure.message.clone()));
        }
        let late = now.duration_since(self.due);
        (late > OVERDUE).then(|| {
            let days = late.as_hours() / 24;
            let what = if days == 1 { "a day".to_owned() } else { format!("{days} days") };
            (None, format!("the backup to `{}` is overdue by {what}", self.folder.display()))
        })
    }

    /// Returns the time of the last failure, unless a good backup followed.
    pub(crate) fn failed_at(&self) -> Option<Timestamp> {
        self.failure.as_ref().map(Failure::at)
    }

    /// Returns the age of the newest good backup.
    pub(crate) fn age(&self, now: Timestamp) -> Option<Duration> {
        let age = now.duration_since(self.last.as_ref()?.at());
        Some(Duration::try_from(age).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_that_failed_or_is_overdue_by_a_day_is_a_problem_until_a_good_one() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let good = Good::new(at("2026-11-28T02:30:00Z"), "file".to_owned(), 7);
        let status = BackupStatus {
            folder: "/mnt/nas".into(),
            is_running: false,
            last: Some(good),
            due: at("2026-11-29T02:30:00Z"),
            next: None,
            failure: None,
        };
        for (now, state) in [
            ("2026-11-28T12:00:00Z", BackupState::Ok),
            ("2026-11-30T02:30:00Z", BackupState::Ok),
            ("2026-11-30T02:30:01Z", BackupState::Degraded),
        ] {
            assert_eq!(status.state(at(now)), state, "{now}");
        }
        // One that hangs is no excuse.
        let hangs = BackupStatus { is_running: true, ..status.clone() };
        assert_eq!(hangs.state(at("2026-11-28T12:00:00Z")), BackupState::Running);
        let problem = hangs.problem(at("2026-12-02T12:00:00Z")).unwrap();
        assert_eq!(problem.1, "the backup to `/mnt/nas` is overdue by 3 days");
        let failure = Some(Failure::new(FaultCode::DiskFull, "full"));
        let failed = BackupStatus { failure, ..status.clone() };
        assert_eq!(
            failed.problem(at("2026-11-28T12:00:00Z")),
            Some((Some(FaultCode::DiskFull), "full".to_owned()))
        );
        let none = BackupStatus { last: None, ..status };
        assert_eq!(none.state(at("2026-11-28T12:00:00Z")), BackupState::Scheduled);
    }
}

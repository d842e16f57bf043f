//! Publishers of history: hours of the journal, compared with those of a remote server.
//!
//! | file | content |
//! |---|---|
//! | `series` | series of hours that a publisher delivers, and which of their hours are complete |
//! | `figures` | figures of hours, read in pieces |
//! | `hours` | both, for a plugin: answers of the journal from a blocking thread |
//! | `update` | one update of a remote server: what it needs, and how far it has come |
//! | `republish` | hours that a person wants to be sent again |
//! | `changes` | news that call for an update |
//! | `runner` | the loop of one publisher: updates, retries |

mod changes;
mod figures;
mod hours;
mod republish;
mod runner;
mod series;
#[cfg(test)]
mod tests;
mod update;

pub use self::{
    figures::{Figures, Hour},
    hours::{HourRows, Hours},
    republish::{Progress, Republication, RepublishError},
    series::{Figure, HourSeries},
    update::{Scope, Update},
};
pub(crate) use self::{republish::Republisher, runner::HistoryRunner};

/// Seconds of an hour.
pub(crate) const HOUR: i64 = 3600;

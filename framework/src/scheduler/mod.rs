//! Scheduler: reads each source when it is due, and reopens it after faults.
//!
//! | file | topic |
//! |---|---|
//! | `schedule` | times at which a source emits batches |
//! | `supervisor` | loop of one source: open, acquire, emit; after a fault close, wait, reopen |
//! | `thinner` | at most one batch in each interval of a source that pushes |
//! | `worker` | thread of one source or publisher |

mod schedule;
mod supervisor;
#[cfg(test)]
mod tests;
mod thinner;
mod worker;

pub use self::schedule::Schedule;
#[cfg(test)]
pub(crate) use self::supervisor::chain;
pub(crate) use self::{
    supervisor::Supervisor,
    worker::{Work, Worker, keep_running, raise_open_files},
};

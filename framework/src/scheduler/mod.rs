//! Scheduler: reads each source when it is due, and reopens it after faults.
//!
//! | file | topic |
//! |---|---|
//! | `schedule` | times at which a source emits batches |
//! | `cron`, `local_time` | cron expressions; local times over the changes of the clock |
//! | `turns`, `wall_clock` | when the next turn of a source is due |
//! | `supervisor` | loop of one source: open, acquire, emit; after a fault close, wait, reopen |
//! | `outlet` | way of its batches into journal and store |
//! | `thinner` | at most one batch in each interval of a source that pushes |
//! | `brake` | limit of a source that returns at once, again and again |
//! | `tidy` | rules that a batch must keep |
//! | `watch` | watch over sources that do not come back |
//! | `worker` | thread of one source or publisher |

mod brake;
mod cron;
mod local_time;
mod outlet;
mod schedule;
mod supervisor;
#[cfg(test)]
mod tests;
mod thinner;
mod tidy;
mod turns;
mod wall_clock;
mod watch;
mod worker;

pub use self::{cron::Cron, outlet::with_causes, schedule::Schedule};
pub(crate) use self::{
    supervisor::{Plan, Supervisor},
    wall_clock::WallClock,
    watch::{Progress, Watch, Watched},
    worker::{Work, Worker, keep_running, raise_open_files},
};

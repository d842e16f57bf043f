//! The log, and what publishers read of it.
#![allow(clippy::unwrap_used)]

mod catching_up;
mod damage;
mod frame;
pub(crate) mod log;
pub(crate) mod queue;
mod queue_faults;
mod queue_properties;

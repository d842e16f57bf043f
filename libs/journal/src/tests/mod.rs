//! Readers of the journal, and the journal as a whole.
#![allow(clippy::unwrap_used)]

mod consumption;
mod faults;
mod history;
mod queue;
mod queue_faults;
mod queue_properties;
mod view;
mod whole;

//! The database.

mod block;
pub(crate) mod checkpoint;
mod counter_resets;
mod database;
mod properties;

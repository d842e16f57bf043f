//! Database: rows of raw readings, roll-ups, events, and the state of the log.

pub(crate) mod block;
mod catalogue;
mod checkpoint;
mod corrections;
pub(crate) mod counter_resets;
mod database;
pub(crate) mod db_series;
mod error;
pub(crate) mod events;
mod first_page;
mod other_file;
mod rice;
pub(crate) mod rollup;
pub(crate) mod rollup_tables;
pub(crate) mod rows;
mod salvage;
mod schema;
pub(crate) mod state;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod walk;

pub(crate) use self::catalogue::Catalogue;
#[cfg(test)]
use self::database::set_aside;
pub use self::other_file::is_other_file;
use self::rows::Rows;
pub(crate) use self::{
    block::{Block, minute_of},
    counter_resets::{Counter, Reset},
    database::{Database, Found, open_for_reading},
    db_series::{DbSeries, Quarter},
    error::DatabaseError,
    rollup::{Level, Rollup},
    schema::VERSION as SCHEMA_VERSION,
    state::folded,
};

//! Database: rows of raw readings, roll-ups, events, and the state of the log.

pub(crate) mod block;
mod catalogue;
mod checkpoint;
mod corrections;
pub(crate) mod counter_resets;
mod database;
pub(crate) mod db_series;
mod error;
mod events;
mod first_page;
mod other_file;
mod rice;
pub(crate) mod rollup;
mod rollup_tables;
mod rows;
mod salvage;
mod schema;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod walk;

#[cfg(test)]
use self::database::set_aside;
pub use self::other_file::is_other_file;
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
use self::{catalogue::Catalogue, rows::Rows};

//! The journal as a whole.
#![allow(clippy::unwrap_used)]

mod damaged_database;
mod faults;
mod live;
mod place;
mod version1;
mod version3;
pub(crate) mod whole;

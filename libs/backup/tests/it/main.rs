//! Backups of whole programs: journal, counts and drop-ins.

#![allow(clippy::unwrap_used)] // tests

mod damage;
mod made;
mod places;
mod program;
mod round_trip;
mod schema;

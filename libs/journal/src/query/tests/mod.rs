//! Answers from the database and the log.
#![allow(clippy::unwrap_used)]

mod consumption;
mod history;
mod register;
mod total;
mod view;

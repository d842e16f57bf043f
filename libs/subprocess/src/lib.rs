//! Programs that a plugin runs: how they start, what they write, how they end.
//!
//! Used by `exec`, whose programs write readings, and by `wmbus`, whose programs write radio telegrams.

mod lines;
mod process;
mod program;
mod stderr;

pub use crate::{
    lines::{Lines, MAX_ENDLESS, MAX_LINE, NoLine},
    process::{Process, in_words},
    program::{EXAMPLE, Program, check},
    stderr::{ErrorLog, Stderr},
};

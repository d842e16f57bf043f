//! End-to-end tests of the real binary.

#![allow(clippy::unwrap_used, reason = "a test's own files and processes")]
#![allow(clippy::print_stdout, reason = "figures of a run")]

mod abroad;
mod backup;
mod check;
mod command_line;
mod contract;
mod costs;
mod csv;
mod damage;
mod derived;
mod dialogue;
mod dlms;
mod documents;
mod drop_ins;
mod exec;
mod greedy_clients;
mod health;
mod history;
mod journal;
mod journal_document;
mod journal_kill9;
mod log;
mod mbus;
mod meaning;
mod merge;
mod meter;
mod nightly;
mod polled;
mod probe;
#[path = "../program/mod.rs"]
mod program;
mod progress;
mod publish;
mod pulses;
mod radio;
mod record;
mod reload;
mod setup;
mod systemd;
mod token;
mod unit;
mod vzlogger;

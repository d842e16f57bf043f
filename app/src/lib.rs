//! The program `smartmeter`: command line, and the plugins that it links.

mod backup;
pub mod cli;
mod config_file;
mod control;
mod decode;
mod demo;
mod failure;
mod health;
mod interrupt;
mod keys;
mod local;
mod log;
mod output;
mod plugins;
mod probe;
mod progress;
mod publish;
mod record;
mod reload;
mod run;
mod setup;
mod token;
mod transfer;

pub use crate::cli::main;

//! `reload`: has the program that runs on this machine reload its configuration, and prints the result.

use std::io::Write as _;

use crate::{
    config_file::ConfigFile,
    control::{self, Question},
    failure::Failure,
    output::output,
};

/// Asks for a reload, prints what it has changed, and fails if it has changed nothing because of mistakes.
pub(crate) fn run(file: &ConfigFile) -> Result<(), Failure> {
    let changes = control::ask(file, &Question::Reload, |_| {})?;
    Ok(output().write_all(changes.as_bytes())?)
}

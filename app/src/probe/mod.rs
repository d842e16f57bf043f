//! `smartmeter probe`: finds the meters at serial ports, and writes their configuration.
//!
//! `ports` lists the ports, `search` looks at one of them, `listen` recognizes pushed bytes, `advice` names missing
//! registers, `section` writes the configuration.

mod advice;
mod listen;
mod ports;
mod search;
mod section;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tokio::task::JoinSet;
use transport::Port;

use self::{search::Found, section::Section};
use crate::failure::Failure;

/// Looks at `ports` at the same time; without any, at all serial ports of the machine.
/// Prints a section for each meter, and adds it to the file `write`.
pub(crate) fn run(ports: Vec<Port>, write: Option<&Path>) -> Result<(), Failure> {
    let ports = if ports.is_empty() { ports::serial(Path::new("/dev")) } else { ports };
    if ports.is_empty() {
        return Err(Failure::fault(
            "no serial port on this machine\nhint: plug the reading head in; `ls /dev/serial/by-id` shows it\n",
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(search_all(ports));
    if found.is_empty() {
        return Err(Failure::fault("no meter was found\n"));
    }
    let sections = found.into_iter().map(Section::of).collect();
    match write {
        Some(file) => section::add(file, sections),
        None => Ok(io::stdout().lock().write_all(section::text(sections).as_bytes())?),
    }
}

/// Returns the meters found, in the order of the ports.
async fn search_all(ports: Vec<Port>) -> Vec<Found> {
    let mut searches = JoinSet::new();
    for (place, port) in ports.into_iter().enumerate() {
        searches.spawn(async move { (place, search::search(&port).await, port) });
    }
    let mut all = Vec::new();
    while let Some(Ok((place, found, port))) = searches.join_next().await {
        match found {
            Ok(found) => {
                say(&port, &format!("found {}", found.what()));
                advice::of(&found.readings).into_iter().for_each(|advice| say(&port, advice));
                all.push((place, found));
            }
            Err(not_found) => say(&port, &not_found.to_string()),
        }
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, found)| found).collect()
}

/// Prints a line about a port, for the person who waits.
fn say(port: &Port, what: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr(), "{port}: {what}");
}

/// Returns the name of a port that stays the same after replugging, where it has one.
fn lasting(port: &Path) -> PathBuf {
    ports::by_id(Path::new("/dev"), port).unwrap_or_else(|| port.to_owned())
}

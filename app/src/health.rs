//! `health`: what the program that runs on this machine says in `/health`, as an exit status.
//!
//! A container has no other client to look with.

use std::io::{self, Write as _};

use clap::Args;
use serde_json::Value as Json;

use crate::{config_file::ConfigFile, failure::Failure, local::Local, output::output};

/// Options of `health`.
#[derive(Args)]
pub(crate) struct Health {
    #[command(flatten)]
    file: ConfigFile,
    /// Succeed as soon as the program answers, even if a source or publisher does not work
    #[arg(long)]
    alive: bool,
}

/// Prints the status, and succeeds if it is `ok`.
pub(crate) fn run(health: &Health) -> Result<(), Failure> {
    let listen = health.file.load().map(|config| config.server.listen).unwrap_or_else(|mistakes| {
        // The program goes on with what it has read before the mistake was made.
        let _ = write!(io::stderr(), "{mistakes}");
        health.file.probable_listen()
    });
    let local = Local::new(listen);
    let address = local.address();
    let body = ask(&local).map_err(|error| {
        Failure::fault(format!(
            "no smartmeter answers on {address}: {error}\nhint: is it running, and with this configuration?\n"
        ))
    })?;
    let status = body["status"].as_str().unwrap_or_default();
    let mut text = format!("{status}\n");
    for role in ["sources", "publishers", "endpoints"] {
        for (name, plugin) in body[role].as_object().into_iter().flatten() {
            let state = plugin["state"].as_str().unwrap_or_default();
            let reason = plugin["problem"].as_str().or_else(|| plugin["last_error"]["message"].as_str());
            let reason =
                reason.filter(|_| status != "ok").map_or_else(String::new, |reason| format!(": {reason}"));
            text += &format!("  {name}: {state}{reason}\n");
        }
    }
    if let Some(problem) = body["journal"]["problem"].as_str() {
        text += &format!("  journal: {problem}\n");
    }
    if let Some(problem) = body["backup"]["problem"].as_str() {
        text += &format!("  backup: {problem}\n");
    }
    if status == "ok" || health.alive {
        return Ok(output().write_all(text.as_bytes())?);
    }
    Err(Failure::fault(text))
}

fn ask(local: &Local) -> io::Result<Json> {
    let (_, body) = local.get("/health?code=200")?;
    let body = Some(body).filter(|body| body["status"].is_string());
    body.ok_or_else(|| io::Error::other("the answer is not that of a smartmeter"))
}

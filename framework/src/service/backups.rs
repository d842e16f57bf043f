//! What the nightly backup copies, and under which name.

use std::{error::Error, path::Path, sync::Arc};

use crate::{
    Config,
    lan::host_name,
    nightly::{Content, Wanted},
};

/// Returns the backups that a configuration wants.
pub(super) fn wanted(config: &Config) -> Option<Wanted> {
    let label = config.server.name.as_ref().map(ToString::to_string).or_else(host_name).unwrap_or_default();
    Some(Wanted { config: config.backup.clone()?, label, content: content(config) })
}

fn content(config: &Config) -> Content {
    // Without a file, it has the name of the command line.
    let main = config.files.first().map(Path::new).filter(|file| file.is_file());
    let places = config.backup_places(main);
    Content {
        write: Arc::new(move |to, step| {
            ::backup::write(&places, to, &mut |_, _| step()).map(drop).map_err(|error| chain(&error))
        }),
        check: Arc::new(|from| {
            ::backup::check(from, &mut |_, _| {}).map(drop).map_err(|error| chain(&error))
        }),
    }
}

/// Returns an error with its causes.
fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

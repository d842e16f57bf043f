//! What the nightly backup copies, and under which name.

use std::{path::Path, sync::Arc};

use crate::{
    Config,
    lan::host_name,
    nightly::{Content, Wanted},
    with_causes,
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
            ::backup::write(&places, to, &mut |_, _| step()).map(drop).map_err(|error| with_causes(&error))
        }),
        check: Arc::new(|from| {
            ::backup::check(from, &mut |_, _| {}).map(drop).map_err(|error| with_causes(&error))
        }),
    }
}

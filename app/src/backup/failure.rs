//! Failures of a backup or restore, with what to do.

use std::{io, path::PathBuf};

use framework::{
    backup::{BackupError, Places},
    journal::TransferError,
    with_causes,
};

use crate::failure::Failure;

/// Explains an error, with a hint. `what` could not be done.
pub(super) fn explain(what: &str, places: &Places, error: &BackupError) -> Failure {
    let hint = match error {
        BackupError::Journal(TransferError::InUse(_)) => return running(what, places),
        BackupError::Journal(TransferError::Missing(_)) => Some(
            "choose the configuration with `--config`; the program creates the journal when it records"
                .to_owned(),
        ),
        BackupError::Journal(TransferError::File(_, error)) | BackupError::File { source: error, .. }
            if error.kind() == io::ErrorKind::PermissionDenied =>
        {
            Some("the files of a service belong to its user: try again with `sudo`".to_owned())
        }
        BackupError::Journal(TransferError::NoSeries(_, known)) => {
            let list: Vec<_> = known.iter().take(20).map(|series| format!("`{series}`")).collect();
            let more = if known.len() > list.len() { ", …" } else { "" };
            Some(format!("nothing was changed; the backup has {}{more}", list.join(", ")))
        }
        BackupError::Journal(TransferError::Names(_)) => {
            Some("nothing was changed; give one of them another name with `--rename OLD=NEW`".to_owned())
        }
        BackupError::Journal(TransferError::Database(_) | TransferError::Ahead(_)) if what == "merge" => {
            Some("the journal is as it was".to_owned())
        }
        BackupError::Truncated | BackupError::Damaged(_) => {
            Some("nothing was changed; take another backup".to_owned())
        }
        BackupError::NotABackup => Some("nothing was changed".to_owned()),
        BackupError::Newer { .. } => {
            Some("nothing was changed; install that version of smartmeter or a later one".to_owned())
        }
        BackupError::NoSpace { .. } => Some(
            "nothing was changed; free space: the journal that is there stays, beside that of the backup"
                .to_owned(),
        ),
        BackupError::NewerReadings { .. } => {
            Some("nothing was changed; `--force` moves that journal aside, with these readings".to_owned())
        }
        BackupError::Partial { aside, unpacked, .. } => {
            let list = |folders: &[PathBuf]| {
                let list: Vec<_> = folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
                list.join(" and ")
            };
            let before = match &aside[..] {
                [] => String::new(),
                aside => format!("; what was there before is in {}", list(aside)),
            };
            let rest = match &unpacked[..] {
                [] => String::new(),
                unpacked => format!("; what is not in its place yet is in {}", list(unpacked)),
            };
            Some(format!("remove the cause, and restore the same backup again{before}{rest}"))
        }
        BackupError::Link(_) => {
            Some("nothing was changed; put a folder there, with the files of it".to_owned())
        }
        BackupError::InProgress(_) => Some("wait for its end, or choose another file".to_owned()),
        BackupError::Occupied(_) => Some("move it away, or choose another file".to_owned()),
        BackupError::Unknown(_) => Some("nothing was changed; `--force` moves that journal aside".to_owned()),
        _ => None,
    };
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    Failure::fault(format!("could not {what}: {}\n{hint}", with_causes(error)))
}

/// A program runs with these files.
pub(super) fn running(what: &str, places: &Places) -> Failure {
    Failure::fault(format!(
        "could not {what}: a program runs with the files in `{}`\nhint: stop it first: `sudo systemctl stop smartmeter`\n",
        places.state_dir.display()
    ))
}

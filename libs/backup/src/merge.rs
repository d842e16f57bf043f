//! Joining of a backup's history into that of this machine, while no program runs.

use std::{
    fs::{self, File},
    io::Read,
    path::{Component, Path, PathBuf},
};

use journal::{Merged, Rename, backup::Replacement};

use crate::{
    BackupError, Contents, Places, Progress, Staged,
    restore::{folder_of, give, give_all, owner},
    staging::make_folder,
    state::Runtime,
};

/// Suffix of the file with the count of a source.
const COUNT: &str = ".count";
/// Folder with what else sources keep.
const SOURCES: &str = "sources";

/// What was done.
#[derive(Debug)]
pub struct Joined {
    /// What the backup has.
    pub contents: Contents,
    /// What its history added.
    pub merged: Merged,
    /// Files of sources that this machine lacked, by their paths in the state folder.
    pub added: Vec<PathBuf>,
}

/// Joins the history of a backup into the journal, which may be that of another machine. What is there already stays.
/// `renames` are the sources and readings of the backup that have another name here.
///
/// The backup is checked completely first. Its readings and roll-ups come in one transaction, and after that the counts
/// of sources that this machine has not counted: neither its drop-ins nor anything else. `unpacking` counts bytes, and
/// `merging` seconds of the history. Where it is interrupted, it may be repeated.
///
/// # Errors
/// Returns an error if a program runs, if the backup cannot be used, or if the names are not those of its series.
pub fn merge(
    places: &Places,
    input: impl Read,
    renames: &[Rename],
    unpacking: Progress<'_>,
    merging: Progress<'_>,
) -> Result<Joined, BackupError> {
    let path = places.journal.as_deref().ok_or(BackupError::NoJournal)?;
    // A program that runs is known before minutes of unpacking.
    let lock = Replacement::lock(path)?;
    let staged = Staged::unpack(places, input, &mut |_| Ok(()), unpacking)?;
    let there = staged.journal.as_ref().ok_or(BackupError::NoJournal)?.database();
    drop(lock);
    let merged = journal::merge(path, &there, renames, merging)?;
    let folder = folder_of(path);
    give_all(folder, &owner(folder), path.file_name().map(|name| name.to_string_lossy().into_owned()))?;
    let added = add(places, &staged, renames)?;
    Ok(Joined { contents: staged.contents.clone(), merged, added })
}

/// Adds the files of sources that this machine lacks.
fn add(places: &Places, staged: &Staged, renames: &[Rename]) -> Result<Vec<PathBuf>, BackupError> {
    let (root, owner) = (&places.state_dir, owner(&places.state_dir));
    let in_memory = Runtime::of(places).map(|runtime| runtime.files()).unwrap_or_default();
    let mut added = Vec::new();
    for (path, _) in &staged.state {
        let Some(here) = of_source(path, renames) else { continue };
        let is_live = here.to_str().is_some_and(|name| in_memory.contains_key(name));
        if is_live || root.join(&here).exists() {
            continue;
        }
        let to = root.join(&here);
        let parent = to.parent().unwrap_or(root);
        make_folder(parent)?.iter().try_for_each(|folder| give(folder, &owner))?;
        fs::rename(staged.state_file(path), &to).map_err(BackupError::file("move", &to))?;
        give(&to, &owner)?;
        let synced = File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(BackupError::file("write", parent))?;
        added.push(here);
    }
    Ok(added)
}

/// Returns the path that a file of a source has here; `None` for a file of anything else.
fn of_source(path: &Path, renames: &[Rename]) -> Option<PathBuf> {
    let parts: Vec<_> = path.components().collect();
    let here = |source: &str| Rename::source_here(renames, source);
    match &parts[..] {
        [Component::Normal(name)] => {
            let source = here(name.to_str()?.strip_suffix(COUNT)?);
            Some(format!("{source}{COUNT}").into())
        }
        [Component::Normal(folder), Component::Normal(name), rest @ ..]
            if *folder == SOURCES && !rest.is_empty() =>
        {
            Some(Path::new(SOURCES).join(here(name.to_str()?)).join(rest.iter().collect::<PathBuf>()))
        }
        _ => None,
    }
}

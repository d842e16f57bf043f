//! Restoring of a backup, while no program runs.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use journal::backup::Replacement;

use crate::{
    BackupError, Contents, DROP_INS, Places, Progress, Staged, machine,
    staging::make_folder,
    state::{Runtime, changed},
};

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// What the backup has.
    pub contents: Contents,
    /// Folders into which was moved what was there before.
    pub aside: Vec<PathBuf>,
    /// Files of the state folder that stayed, as this machine has written them after the backup.
    pub kept: Vec<PathBuf>,
    /// Version of the schema of the backup, if it was brought up to date.
    pub upgraded: Option<i64>,
}

/// Replaces the files of a program by those of a backup. What was there is moved aside.
///
/// Everything is checked first, and nothing is changed where a check fails. Where the machine is that of the backup,
/// counts that it has written later stay: pulses that were counted are not taken back.
///
/// # Errors
/// Returns an error if a program runs, if the backup cannot be used, or, unless `force` is set, if the journal has readings
/// that are newer than the backup.
pub fn restore(
    places: &Places,
    input: impl Read,
    force: bool,
    progress: Progress<'_>,
) -> Result<Restored, BackupError> {
    let mut replacement = places.journal.as_deref().map(Replacement::lock).transpose()?;
    let mut approve = |contents: &Contents| match &replacement {
        Some(replacement) if !force => refuse_newer(replacement, contents),
        _ => Ok(()),
    };
    let mut staged = Staged::unpack(places, input, &mut approve, progress)?;
    no_links(places, &staged)?;
    // All checks are done.
    staged.keep_folders();
    let name = free_name(places, &Timestamp::now().strftime("before-restore-%Y%m%dT%H%M%SZ").to_string());
    let runtime = Runtime::of(places);
    let put = Put { places, aside: places.state_dir.join(&name), owner: owner(&places.state_dir) };
    let journal_aside = places.journal.as_deref().map(|path| folder_of(path).join(&name));
    let mut done =
        Restored { contents: staged.contents.clone(), aside: Vec::new(), kept: Vec::new(), upgraded: None };
    let mut has_begun = false;
    let mut replace = || {
        if let (Some(replacement), Some(journal), Some(path), Some(aside)) =
            (&mut replacement, &staged.journal, &places.journal, &journal_aside)
        {
            let upgraded = Some(journal.schema()).filter(|schema| *schema < journal::backup::SCHEMA_VERSION);
            done.upgraded = upgraded;
            let replaced = replacement.replace(journal, aside);
            has_begun = replacement.has_begun();
            replaced?;
            let (folder, name) = (folder_of(path), path.file_name());
            let owner = owner(folder);
            give_all(folder, &owner, name.map(|name| name.to_string_lossy().into_owned()))?;
            if aside.exists() {
                give(aside, &owner)?;
            }
        }
        has_begun = true;
        put.state(&staged, runtime.as_ref(), &mut done)
    };
    let replaced = replace();
    let mut aside: Vec<_> =
        journal_aside.into_iter().chain([put.aside]).filter(|path| path.is_dir()).collect();
    aside.dedup();
    match replaced {
        Ok(()) => Ok(Restored { aside, ..done }),
        Err(error) if !has_begun => Err(error),
        // Nothing that is left of either is removed.
        Err(error) => Err(BackupError::Partial { aside, unpacked: staged.keep(), source: Box::new(error) }),
    }
}

/// Returns the folder of a file.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses a link in place of a folder: it leads to files that are not the program's, and would get its owner. The folder of
/// the drop-ins is put aside with everything in it.
fn no_links(places: &Places, staged: &Staged) -> Result<(), BackupError> {
    let paths = staged.state.iter().map(|(path, _)| path).filter(|path| !path.starts_with(DROP_INS));
    let folders = paths.flat_map(|path| path.ancestors().skip(1)).filter(|path| !path.as_os_str().is_empty());
    for folder in folders {
        let folder = places.state_dir.join(folder);
        if fs::symlink_metadata(&folder).is_ok_and(|found| found.is_symlink()) {
            return Err(BackupError::Link(folder));
        }
    }
    Ok(())
}

/// Returns a name that no folder has yet into which files are put aside: of one second there may be two restores.
fn free_name(places: &Places, name: &str) -> String {
    let folders = [Some(places.state_dir.as_path()), places.journal.as_deref().map(folder_of)];
    let is_taken = |name: &String| folders.iter().flatten().any(|folder| folder.join(name).is_dir());
    let mut names = std::iter::once(name.to_owned()).chain((2u32..).map(|number| format!("{name}-{number}")));
    names.find(|name| !is_taken(name)).unwrap_or_else(|| name.to_owned())
}

/// Refuses a backup if the journal has newer readings.
fn refuse_newer(replacement: &Replacement, contents: &Contents) -> Result<(), BackupError> {
    let Some(there) = replacement.newest().map_err(BackupError::Unknown)? else { return Ok(()) };
    let there = Timestamp::from_microsecond(there).unwrap_or(Timestamp::MAX);
    // Of what was checkpointed only the end of its minute is known, and a stop checkpoints everything.
    let minute = |time: Timestamp| (time.as_microsecond() + 59_999_999).div_euclid(60_000_000);
    let is_minute = there.as_microsecond() % 60_000_000 == 0;
    match contents.newest {
        Some(backup) if backup >= there || is_minute && minute(backup) == minute(there) => Ok(()),
        backup => Err(BackupError::NewerReadings { there, backup: backup.unwrap_or(contents.created) }),
    }
}

/// State folder whose files are replaced.
struct Put<'p> {
    places: &'p Places,
    aside: PathBuf,
    owner: Option<(u32, u32)>,
}

impl Put<'_> {
    /// Replaces the files of the state folder.
    fn state(
        &self,
        staged: &Staged,
        runtime: Option<&Runtime>,
        done: &mut Restored,
    ) -> Result<(), BackupError> {
        let root = &self.places.state_dir;
        let here = machine::fingerprint();
        let is_same_machine = !here.is_empty() && staged.contents.machine == here;
        let in_memory = runtime.map(Runtime::files).unwrap_or_default();
        // The drop-ins are those of the backup: one that was added later would join them.
        self.put_aside(&root.join(DROP_INS), Path::new(DROP_INS))?;
        for (path, at) in &staged.state {
            let (there, live) = (root.join(path), path.to_str().and_then(|name| in_memory.get(name)));
            let newest =
                [Some(&there), live].into_iter().flatten().map(|path| changed(path)).max().unwrap_or(0);
            let is_drop_in = path.starts_with(DROP_INS);
            if is_same_machine && !is_drop_in && newest > (i128::from(*at) + 1) * 1_000_000_000 {
                done.kept.push(path.clone());
                continue;
            }
            self.put_aside(&there, path)?;
            self.put_aside_notes(path, staged)?;
            if let Some(live) = live {
                self.put_aside_live(live)?;
            }
            self.make_folders(path)?;
            let from = staged.state_file(path);
            fs::rename(&from, &there).map_err(BackupError::file("move", &there))?;
            give(&there, &self.owner)?;
        }
        let synced = File::open(root).and_then(|folder| folder.sync_all());
        synced.map_err(BackupError::file("write", root))
    }

    /// Moves a file or folder aside, if it is there.
    fn put_aside(&self, from: &Path, path: &Path) -> Result<(), BackupError> {
        if fs::symlink_metadata(from).is_err() {
            return Ok(());
        }
        let to = self.aside.join(path);
        self.make(to.parent().unwrap_or(&to))?;
        fs::rename(from, &to).map_err(BackupError::file("move", from))
    }

    /// Moves aside what is noted of a file that is replaced, such as the reason to doubt a count: `s0.count.doubt`.
    fn put_aside_notes(&self, path: &Path, staged: &Staged) -> Result<(), BackupError> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let prefix = format!("{}.", path.file_name().unwrap_or_default().to_string_lossy());
        for entry in fs::read_dir(self.places.state_dir.join(folder)).into_iter().flatten().flatten() {
            let note = folder.join(entry.file_name());
            let is_note = entry.file_name().to_string_lossy().starts_with(&prefix);
            if is_note && !staged.state.iter().any(|(path, _)| *path == note) {
                self.put_aside(&entry.path(), &note)?;
            }
        }
        Ok(())
    }

    /// Moves a file of the folder in memory aside.
    fn put_aside_live(&self, from: &Path) -> Result<(), BackupError> {
        let folder = self.aside.join("runtime");
        self.make(&folder)?;
        let to = folder.join(from.file_name().unwrap_or_default());
        let moved = fs::copy(from, &to).and_then(|_| fs::remove_file(from));
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(BackupError::file("move", from)(error))
            }
            _ => Ok(()),
        }
    }

    fn make_folders(&self, path: &Path) -> Result<(), BackupError> {
        let folder = self.places.state_dir.join(path.parent().unwrap_or(Path::new("")));
        self.make(&folder)
    }

    fn make(&self, folder: &Path) -> Result<(), BackupError> {
        let made = make_folder(folder)?;
        made.iter().try_for_each(|folder| give(folder, &self.owner))
    }
}

/// Returns user and group of a folder.
pub(crate) fn owner(folder: &Path) -> Option<(u32, u32)> {
    fs::metadata(folder).ok().map(|folder| (folder.uid(), folder.gid()))
}

/// Gives a file to an owner. A file that has it already needs no right for that.
pub(crate) fn give(path: &Path, owner: &Option<(u32, u32)>) -> Result<(), BackupError> {
    let there = owner_of_link(path);
    match owner {
        Some((user, group)) if there != *owner => {
            chown(path, Some(*user), Some(*group)).map_err(BackupError::file("write", path))
        }
        _ => Ok(()),
    }
}

fn owner_of_link(path: &Path) -> Option<(u32, u32)> {
    fs::symlink_metadata(path).ok().map(|file| (file.uid(), file.gid()))
}

/// Gives all files whose names begin so to an owner.
pub(crate) fn give_all(
    folder: &Path,
    owner: &Option<(u32, u32)>,
    prefix: Option<String>,
) -> Result<(), BackupError> {
    let prefix = prefix.unwrap_or_default();
    let failed = BackupError::file("read", folder);
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    for entry in entries.map_err(failed)? {
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            give(&entry.path(), owner)?;
        }
    }
    Ok(())
}

//! Unpacked backup, in folders beside the files that it may replace.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::fs::statvfs;

use crate::{
    BackupError, Contents, Places, Progress,
    read::{Entry, Name, Visitor, read},
    state,
};

/// Name of the folder of unpacked files.
const FOLDER: &str = "restore.part";
/// Bytes that stay free.
const RESERVE: u64 = 16 << 20;
/// Permissions of folders and files.
const FOLDER_MODE: u32 = 0o750;
const MODE: u32 = 0o600;

/// A whole backup that is unpacked and checked. Dropping it removes its files.
pub struct Staged {
    /// What the backup has.
    pub contents: Contents,
    /// The journal, if the backup has one.
    pub journal: Option<journal::backup::Restored>,
    /// Paths of the other files in the state folder, and the time of their last change in seconds.
    pub(crate) state: Vec<(PathBuf, u64)>,
    folders: Folders,
}

/// Folders of unpacked files.
struct Folders {
    journal: PathBuf,
    state: PathBuf,
    /// Folders that were made for them, innermost first.
    made: Vec<PathBuf>,
    is_kept: bool,
}

impl Staged {
    /// Unpacks a backup beside the files that it may replace, and checks it completely.
    ///
    /// # Errors
    /// Returns an error if it cannot be used, there is too little space, or `approve` does.
    pub fn unpack(
        places: &Places,
        input: impl Read,
        approve: &mut dyn FnMut(&Contents) -> Result<(), BackupError>,
        progress: Progress<'_>,
    ) -> Result<Self, BackupError> {
        let near =
            |path: &Path| path.parent().map(|folder| folder.join(FOLDER)).unwrap_or_else(|| FOLDER.into());
        let state = places.state_dir.join(FOLDER);
        let mut folders = Folders {
            journal: places.journal.as_deref().map_or_else(|| state.clone(), near).join("journal"),
            state: state.join("state"),
            made: Vec::new(),
            is_kept: false,
        };
        // An earlier one was killed.
        folders.remove();
        let mut unpack = Unpack {
            places,
            folders: &mut folders,
            approve,
            file: None,
            has_journal: false,
            state: Vec::new(),
        };
        let contents = read(input, progress, &mut unpack)?;
        let (has_journal, state) = (unpack.has_journal, unpack.state);
        let journal =
            if has_journal { Some(journal::backup::Restored::check(&folders.journal)?) } else { None };
        Ok(Self { contents, journal, state, folders })
    }

    /// Returns the path of an unpacked file of the state folder.
    pub(crate) fn state_file(&self, path: &Path) -> PathBuf {
        self.folders.state.join(path)
    }

    /// Keeps the folders that were made.
    pub(crate) fn keep_folders(&mut self) {
        self.folders.made.clear();
    }

    /// Keeps what is unpacked, until the next restore. Returns its folders.
    pub(crate) fn keep(mut self) -> Vec<PathBuf> {
        self.folders.is_kept = true;
        let folders = [&self.folders.journal, &self.folders.state];
        let mut parents: Vec<_> = folders.into_iter().filter_map(|folder| folder.parent()).collect();
        parents.dedup();
        parents.into_iter().filter(|folder| folder.exists()).map(Path::to_owned).collect()
    }
}

/// Makes a folder, and those above it that are missing. Returns what was made, the deepest first.
pub(crate) fn make_folder(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let missing = folder.ancestors().take_while(|folder| !folder.exists());
    let missing: Vec<_> = missing.map(Path::to_owned).collect();
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    made.map_err(BackupError::file("create", folder))?;
    Ok(missing)
}

impl Folders {
    fn make(&mut self) -> Result<(), BackupError> {
        for folder in [self.journal.clone(), self.state.clone()] {
            self.made.extend(make_folder(&folder)?);
        }
        Ok(())
    }

    fn remove(&self) {
        for folder in [&self.journal, &self.state] {
            // Where a file cannot be removed, the next restore tries it again.
            let _ = fs::remove_dir_all(folder);
            if let Some(parent) = folder.parent() {
                let _ = fs::remove_dir(parent);
            }
        }
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        self.remove();
        for made in &self.made {
            let _ = fs::remove_dir(made); // one that has files now stays
        }
    }
}

/// Visitor that unpacks.
struct Unpack<'u> {
    places: &'u Places,
    folders: &'u mut Folders,
    approve: &'u mut dyn FnMut(&Contents) -> Result<(), BackupError>,
    file: Option<(PathBuf, File, u64)>,
    has_journal: bool,
    state: Vec<(PathBuf, u64)>,
}

impl Visitor for Unpack<'_> {
    fn begin(&mut self, contents: &Contents) -> Result<(), BackupError> {
        (self.approve)(contents)?;
        self.folders.make()?;
        let folder = &self.folders.journal;
        let space = statvfs(folder).map_err(|error| BackupError::file("read", folder)(error.into()))?;
        let (free, needed) =
            (space.f_bavail.saturating_mul(space.f_frsize), contents.bytes.saturating_add(RESERVE));
        if free < needed {
            // The folder itself is removed.
            let folder = folder.ancestors().nth(2).unwrap_or(folder).to_owned();
            return Err(BackupError::NoSpace { folder, needed, free });
        }
        Ok(())
    }

    fn file(&mut self, entry: &Entry<'_>) -> Result<(), BackupError> {
        let (path, mode) = match entry.name {
            Name::Config => return Ok(()),
            // There is nowhere to put it.
            Name::Journal(_) if self.places.journal.is_none() => return Ok(()),
            Name::Journal(name) => {
                self.has_journal = true;
                (self.folders.journal.join(name), MODE)
            }
            // A file of a journal that is elsewhere may have the name of this one.
            Name::State(path) if !state::is_own(self.places, path) => return Ok(()),
            Name::State(path) => {
                self.state.push((path.to_owned(), entry.changed));
                // The program must be able to change its files.
                (self.folders.state.join(path), entry.mode & 0o770 | MODE)
            }
        };
        let failed = BackupError::file("write", &path);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(failed)?;
        self.file = Some((path, file, entry.changed));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let Some((path, file, _)) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(BackupError::file("write", path))
    }

    fn end(&mut self) -> Result<(), BackupError> {
        let Some((path, file, changed)) = self.file.take() else { return Ok(()) };
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(changed));
        let done = time.map_or(Ok(()), |time| file.set_modified(time)).and_then(|()| file.sync_all());
        done.map_err(|error: io::Error| BackupError::file("write", &path)(error))
    }
}

//! Files of the state folder that a backup has.

use std::{
    collections::BTreeMap,
    fs::{self, Metadata, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use crate::{BackupError, DROP_INS, Places, STATE};

/// Folders of the state folder that are taken with all files in them.
const FOLDERS: [&str; 4] = [DROP_INS, "sources", "publishers", "endpoints"];
/// Longest file that is taken beside them: counts and sessions have a few kilobytes.
const LONGEST: u64 = 1 << 20;
/// Longest file that is read at once, at the moment of the backup. Others are read when they are written.
const AT_ONCE: u64 = 64 << 10;
/// Most bytes that are read at once, of all files.
const ALL_AT_ONCE: u64 = 8 << 20;
/// Deepest folder.
const DEPTH: usize = 16;

/// File of the state folder.
#[derive(Debug)]
pub(crate) struct StateFile {
    /// Its name in the backup.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    /// Permissions.
    pub(crate) mode: u32,
    /// Time of its last change, in seconds since 1970.
    pub(crate) changed: u64,
    /// Its bytes, if they were read at once.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Folder in memory of the program.
pub(crate) struct Runtime {
    folder: PathBuf,
    /// What the names of the journal's segments begin with there.
    journal: Option<String>,
}

impl Runtime {
    /// Finds the folder: the journal knows it, as a command has not the environment of a service.
    pub(crate) fn of(places: &Places) -> Option<Self> {
        let linked = places.journal.as_deref().and_then(journal::backup::runtime_dir);
        let (linked, journal) = linked.unzip();
        let folder = linked.or_else(|| places.runtime_dir.clone())?;
        Some(Self { folder, journal })
    }

    /// Returns the paths of its files by their names.
    pub(crate) fn files(&self) -> BTreeMap<String, PathBuf> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_journal = self.journal.as_ref().is_some_and(|journal| name.starts_with(journal));
            let is_file = entry.metadata().is_ok_and(|file| file.is_file() && file.len() <= LONGEST);
            if is_file && !is_journal && !name.starts_with('.') {
                files.insert(name, entry.path());
            }
        }
        files
    }
}

/// Returns the files of the state folder, in the order of their names. Of a file that is in the folder in memory as well,
/// the later one is taken; one that is there alone becomes one of the state folder.
pub(crate) fn files(places: &Places) -> Result<Vec<StateFile>, BackupError> {
    let mut found = BTreeMap::<String, PathBuf>::new();
    let root = &places.state_dir;
    for entry in entries(root)? {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let path = entry.path();
        if FOLDERS.contains(&&*name) {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let prefix = if name == DROP_INS { name } else { format!("{STATE}/{name}") };
            collect(&path, &prefix, 0, &mut found)?;
        } else if is_own(places, Path::new(&name))
            && entry.metadata().is_ok_and(|file| file.is_file() && file.len() <= LONGEST)
        {
            found.insert(format!("{STATE}/{name}"), path);
        }
    }
    for (name, path) in Runtime::of(places).map(|runtime| runtime.files()).unwrap_or_default() {
        let there = found.get(&format!("{STATE}/{name}"));
        if there.is_none_or(|there| changed(there) <= changed(&path)) {
            found.insert(format!("{STATE}/{name}"), path);
        }
    }
    let mut left = ALL_AT_ONCE;
    let mut files = Vec::new();
    for (name, path) in found.into_iter().filter(|(name, _)| is_possible(name)) {
        files.extend(StateFile::read(name, &path, &mut left)?);
    }
    Ok(files)
}

/// Returns whether a path in the state folder belongs to the program's state: not to the journal, and not to what was set
/// aside.
pub(crate) fn is_own(places: &Places, path: &Path) -> bool {
    let Some(name) = path.to_str() else { return false };
    if let Some((folder, _)) = name.split_once('/') {
        return FOLDERS.contains(&folder);
    }
    let journal = places.journal.as_deref().filter(|path| path.parent() == Some(&places.state_dir));
    let journal = journal.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let is_journal =
        name.starts_with("journal.db") || journal.is_some_and(|journal| name.starts_with(&journal));
    !is_journal && !name.starts_with('.') && !name.ends_with(".part") && !name.contains(".damaged")
}

/// Returns whether a backup can have a file of this name. Checksums are lines, and the header of a tar takes 255 bytes; the
/// program's own files have such names.
fn is_possible(name: &str) -> bool {
    let is_line = !name.contains(|character: char| character.is_control() || character == '\\');
    is_line && tar::Header::new_ustar().set_path(name).is_ok()
}

/// Adds the files of a folder.
fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), BackupError> {
    for entry in entries(folder)? {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let (name, path) = (format!("{prefix}/{name}"), entry.path());
        let kind = entry.file_type().map_err(BackupError::file("read", &path))?;
        if kind.is_dir() && depth < DEPTH {
            collect(&path, &name, depth + 1, found)?;
        } else if kind.is_file() {
            // A link may lead to a file that only the superuser reads, and the restored copy would be the program's.
            found.insert(name, path);
        }
    }
    Ok(())
}

/// Returns the entries of a folder; none where there is no such folder.
fn entries(folder: &Path) -> Result<Vec<fs::DirEntry>, BackupError> {
    match fs::read_dir(folder).and_then(|entries| entries.collect()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(BackupError::file("read", folder)),
    }
}

/// Returns the time of a file's last change, in nanoseconds; zero where there is none.
pub(crate) fn changed(path: &Path) -> i128 {
    let time = |file: Metadata| i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec());
    fs::metadata(path).map_or(0, time)
}

impl StateFile {
    /// Reads a file, or only its length if it is long. Returns `None` if it is gone.
    fn read(name: String, path: &Path, left: &mut u64) -> Result<Option<Self>, BackupError> {
        let failed = BackupError::file("read", path);
        let read = || {
            let no_link = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
            let file = OpenOptions::new().read(true).custom_flags(no_link).open(path)?;
            let found = file.metadata()?;
            let (mut len, mut bytes) = (found.len(), None);
            if len <= AT_ONCE.min(*left) {
                let mut read = Vec::new();
                file.take(AT_ONCE).read_to_end(&mut read)?;
                len = read.len() as u64;
                *left = left.saturating_sub(len);
                bytes = Some(read);
            }
            let (mode, changed) = (found.permissions().mode(), u64::try_from(found.mtime()).unwrap_or(0));
            Ok(Self { name, path: path.to_owned(), len, mode, changed, bytes })
        };
        match read() {
            Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(failed),
        }
    }
}

//! Segments in a folder in memory, which spares a memory card what is written between two syncs.
//!
//! Where the system has a folder that survives the process but not the machine (`/run`), a segment grows there, and is
//! appended to the file beside the database at each sync. After a kill the segments in memory have everything, and after
//! a power cut those on the disk what was synced: what the longer one has is appended to the other at the next start. A
//! link beside the database tells where they are.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, OpenOptionsExt as _, symlink},
    },
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use tracing::{error, warn};

use crate::{
    paths::{MODE, folder, with_suffix},
    wal::{remove, segment_numbers, segment_path},
};

/// Longest name of a file, without its number.
const LONGEST: usize = 200;

/// Returns the path that stands for the database in a folder in memory: the segments there begin with it. `None` where
/// the name would be too long.
pub(crate) fn base(runtime_dir: &Path, database: &Path) -> Option<PathBuf> {
    const RESERVED: &AsciiSet = &CONTROLS.add(b'/').add(b'%');
    let path = folder(database).canonicalize().ok()?.join(database.file_name()?);
    let name = percent_encode(path.as_os_str().as_bytes(), RESERVED).to_string();
    (name.len() <= LONGEST && runtime_dir.is_dir()).then(|| runtime_dir.join(name))
}

fn link(database: &Path) -> PathBuf {
    with_suffix(database, "-live")
}

/// Sets the link of a database.
pub(crate) fn point(database: &Path, base: Option<&Path>) -> io::Result<()> {
    match fs::remove_file(link(database)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    base.map_or(Ok(()), |base| symlink(base, link(database)))
}

/// Returns the numbers of the segments of a database, on the disk and in memory, ascending.
pub(crate) fn numbers(database: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = segment_numbers(database)?;
    if let Some(base) = linked(database) {
        numbers.extend(segment_numbers(&base).unwrap_or_default());
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Returns the path that stands for a database in the folder in memory of the program that records, if that has one.
pub(crate) fn linked(database: &Path) -> Option<PathBuf> {
    fs::read_link(link(database)).ok()
}

/// Opens a segment, on the disk or in memory, where it is longer.
pub(crate) fn open(database: &Path, number: u64) -> io::Result<File> {
    let with_len = |path: PathBuf| File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let disk = with_len(segment_path(database, number));
    let live = linked(database).map(|base| with_len(segment_path(&base, number)));
    match (disk, live) {
        (Ok((len, _)), Some(Ok((longer, live)))) if longer > len => Ok(live),
        (Err(_), Some(Ok((_, live)))) => Ok(live),
        (disk, _) => disk.map(|(_, file)| file),
    }
}

/// Reads a segment, on the disk or in memory, where it is longer.
pub(crate) fn read(database: &Path, number: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(database, number)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Brings to the disk what a program that was killed left in memory: in this folder, or where the link points. Segments
/// up to `checkpointed` are not needed any more, unless they are on the disk.
pub(crate) fn absorb(database: &Path, base: Option<&Path>, checkpointed: u64) -> io::Result<()> {
    let linked = linked(database);
    for base in linked.iter().map(PathBuf::as_path).chain(base) {
        for number in segment_numbers(base).unwrap_or_default() {
            let (live, disk) = (segment_path(base, number), segment_path(database, number));
            if number > checkpointed || disk.exists() {
                match fs::read(&live) {
                    Ok(bytes) => append(&disk, &bytes)?,
                    Err(error) => {
                        error!("could not read {}: {error}", live.display());
                        continue;
                    }
                }
            }
            remove(base, number);
        }
    }
    Ok(())
}

/// Makes a file on the disk as long as what is in memory.
fn append(path: &Path, live: &[u8]) -> io::Result<()> {
    let disk = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        disk => disk?,
    };
    if disk.starts_with(live) {
        return Ok(());
    }
    let same = live.starts_with(&disk);
    if !same {
        let aside = with_suffix(path, ".damaged");
        warn!(
            "{} is not what was recorded: it is replaced, and a copy is {}",
            path.display(),
            aside.display()
        );
        fs::copy(path, aside)?;
    }
    let from = if same { disk.len() } else { 0 };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(path)?;
    file.write_all_at(&live[from..], from as u64)?;
    file.set_len(live.len() as u64)?;
    file.sync_all()?;
    File::open(folder(path))?.sync_all()
}

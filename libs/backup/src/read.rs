//! Reading of a backup, which may be any file: each of its files once, in order, with all checksums.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read},
    path::{Component, Path},
    rc::Rc,
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tar::{Archive, EntryType};

use crate::{
    BackupError, CONFIG, Contents, DROP_INS, MANIFEST, Progress, STATE, SUMS, machine::hex,
    manifest::printable,
};

/// Bytes that are read at once.
const PIECE: usize = 128 << 10;
/// Longest manifest.
const LONGEST_MANIFEST: u64 = 64 << 10;
/// Longest checksums.
const LONGEST_SUMS: u64 = 16 << 20;
/// Most bytes after the end of the tar: programs fill a record of 20 blocks.
const LONGEST_END: usize = 1 << 20;
/// First bytes of gzip.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// File of a backup.
#[derive(Debug)]
pub(crate) enum Name<'n> {
    /// The main configuration.
    Config,
    /// File of the state folder, by its path there.
    State(&'n Path),
    /// File of the journal.
    Journal(&'n str),
}

/// File of a backup, before its bytes.
#[derive(Debug)]
pub(crate) struct Entry<'n> {
    pub(crate) name: Name<'n>,
    pub(crate) mode: u32,
    /// Time of its last change, in seconds since 1970.
    pub(crate) changed: u64,
}

/// Taker of the files of a backup. What it got is not to be used before the whole backup was read.
pub(crate) trait Visitor {
    /// Takes the manifest.
    fn begin(&mut self, contents: &Contents) -> Result<(), BackupError>;
    /// Takes the beginning of a file.
    fn file(&mut self, entry: &Entry<'_>) -> Result<(), BackupError>;
    /// Takes the next bytes of it.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupError>;
    /// Takes the end of it.
    fn end(&mut self) -> Result<(), BackupError>;
}

/// Reads a backup to its end, and compares all checksums.
pub(crate) fn read(
    input: impl Read,
    progress: Progress<'_>,
    visitor: &mut dyn Visitor,
) -> Result<Contents, BackupError> {
    let has_failed = Rc::new(Cell::new(false));
    let input = Input { input, has_failed: Rc::clone(&has_failed) };
    let mut input = BufReader::with_capacity(PIECE, input);
    let begins = input.fill_buf().map_err(BackupError::Input)?;
    if !begins.starts_with(&GZIP[..begins.len().min(GZIP.len())]) {
        return Err(BackupError::NotABackup);
    }
    // A pipe may pass the first byte alone; what is no gzip is found by the decoder then.
    if begins.is_empty() {
        return Err(BackupError::Truncated);
    }
    let explain = |error: io::Error| match error.kind() {
        _ if has_failed.get() => BackupError::Input(error),
        io::ErrorKind::UnexpectedEof => BackupError::Truncated,
        _ => damaged(&error.to_string()),
    };
    let mut archive = Archive::new(MultiGzDecoder::new(input));
    let mut reading =
        Reading { visitor, progress, contents: None, sums: BTreeMap::new(), files: 0, sums_len: 0, done: 0 };
    let mut has_ended = false;
    // Raw, so that a header that announces a name of gigabytes is only an entry of a wrong kind.
    for entry in archive.entries().map_err(explain)?.raw(true) {
        let mut entry = entry.map_err(|error| match explain(error) {
            BackupError::Damaged(_) if reading.contents.is_none() => BackupError::NotABackup,
            error => error,
        })?;
        if has_ended {
            return Err(damaged("there is a file after its checksums"));
        }
        has_ended = reading.entry(&mut entry, &explain)?;
    }
    let contents = match reading.contents {
        Some(contents) if has_ended => contents,
        Some(_) => return Err(BackupError::Truncated),
        None => return Err(BackupError::NotABackup),
    };
    read_end(archive.into_inner(), &explain)?;
    Ok(contents)
}

/// Reads what follows the tar, for the checksum of gzip.
fn read_end(mut rest: impl Read, explain: &impl Fn(io::Error) -> BackupError) -> Result<(), BackupError> {
    let (mut piece, mut read) = (vec![0; PIECE], 0);
    loop {
        let more = rest.read(&mut piece).map_err(explain)?;
        read += more;
        match more {
            0 => return Ok(()),
            _ if read > LONGEST_END || piece[..more].iter().any(|byte| *byte != 0) => {
                return Err(damaged("there is something after its end"));
            }
            _ => {}
        }
    }
}

/// Backup while it is read.
struct Reading<'v> {
    visitor: &'v mut dyn Visitor,
    progress: Progress<'v>,
    contents: Option<Contents>,
    /// Checksums by name, as they were found.
    sums: BTreeMap<String, String>,
    files: u64,
    /// Length of the checksums of these files.
    sums_len: u64,
    done: u64,
}

impl Reading<'_> {
    /// Reads a file. Returns whether it was the last one.
    fn entry<R: Read>(
        &mut self,
        entry: &mut tar::Entry<'_, R>,
        explain: &impl Fn(io::Error) -> BackupError,
    ) -> Result<bool, BackupError> {
        let header = entry.header();
        let is_first = self.contents.is_none();
        let name = match std::str::from_utf8(&entry.path_bytes()) {
            Ok(name) if is_first && name != MANIFEST => return Err(BackupError::NotABackup),
            Ok(name) if is_name(name) => name.to_owned(),
            name => {
                let name = printable(name.unwrap_or("a name that is not UTF-8"));
                return Err(damaged(&format!("`{name}` is not the name of a file of a backup")));
            }
        };
        let regular = [EntryType::Regular, EntryType::Continuous];
        if !regular.contains(&header.entry_type()) {
            return Err(damaged(&format!("`{name}` is not a regular file")));
        }
        let len = header.size().map_err(explain)?;
        let (mode, changed) = (header.mode().unwrap_or(0), header.mtime().unwrap_or(0));
        if self.sums.contains_key(&name) {
            return Err(damaged(&format!("`{name}` is in it twice")));
        }
        match &*name {
            MANIFEST => {
                let text = whole(entry, len, LONGEST_MANIFEST).map_err(explain)?;
                self.sums.insert(name, hex(&Sha256::digest(&text)));
                let contents = Contents::parse(&text)?;
                self.visitor.begin(&contents)?;
                self.contents = Some(contents);
                return Ok(false);
            }
            SUMS => {
                let text = whole(entry, len, LONGEST_SUMS).map_err(explain)?;
                self.compare(&text)?;
                return Ok(true);
            }
            _ => {}
        }
        self.files += 1;
        // Empty files cost nothing but their checksums: those of more could not be read.
        self.sums_len += (64 + 2 + 1 + name.len()) as u64;
        if self.sums_len > LONGEST_SUMS {
            return Err(damaged("it has more files than any backup"));
        }
        let of = self.contents.as_ref().map_or(0, |contents| contents.bytes);
        let files = self.contents.as_ref().map_or(0, |contents| contents.files);
        if self.files > files || len > of.saturating_sub(self.done) {
            return Err(damaged(&format!("`{name}` is more than its manifest announces")));
        }
        self.visitor.file(&Entry { name: Name::of(&name), mode, changed })?;
        let (mut hash, mut piece, mut left) = (Sha256::new(), vec![0; PIECE], len);
        while left > 0 {
            let more = entry.read(&mut piece).map_err(explain)?;
            if more == 0 {
                return Err(BackupError::Truncated);
            }
            hash.update(&piece[..more]);
            self.visitor.bytes(&piece[..more])?;
            left = left.saturating_sub(more as u64);
            self.done += more as u64;
            (self.progress)(self.done, of);
        }
        self.visitor.end()?;
        self.sums.insert(name, hex(&hash.finalize()));
        Ok(false)
    }

    /// Compares the checksums with those that were found.
    fn compare(&self, text: &[u8]) -> Result<(), BackupError> {
        let text = std::str::from_utf8(text).map_err(|_| damaged("its checksums are not text"))?;
        let mut expected = BTreeMap::new();
        for line in text.lines() {
            let (sum, name) = line.split_once("  ").ok_or_else(|| damaged("its checksums are not lines"))?;
            expected.insert(name, sum);
        }
        for (name, sum) in &self.sums {
            if expected.remove(&**name) != Some(sum) {
                return Err(damaged(&format!("the checksum of `{name}` is another one")));
            }
        }
        match expected.first_key_value() {
            None => Ok(()),
            Some((name, _)) => Err(damaged(&format!("`{}` is missing", printable(name)))),
        }
    }
}

impl<'n> Name<'n> {
    fn of(name: &'n str) -> Self {
        match name.strip_prefix(STATE).and_then(|rest| rest.strip_prefix('/')) {
            Some(path) => Self::State(Path::new(path)),
            None if name == CONFIG => Self::Config,
            None if journal::backup::is_part(name) => Self::Journal(name),
            None => Self::State(Path::new(name)),
        }
    }
}

/// Returns whether a file of a backup may have this name. Nothing leads out of a folder.
fn is_name(name: &str) -> bool {
    if [MANIFEST, CONFIG, SUMS].contains(&name) || journal::backup::is_part(name) {
        return true;
    }
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    // `a//b`, `a/./b` and `a/` are the same paths as others.
    let is_plain =
        is_plain && name.split('/').all(|part| !part.is_empty() && part != "." && !part.contains('\0'));
    is_plain && name.split_once('/').is_some_and(|(folder, _)| [STATE, DROP_INS].contains(&folder))
}

/// Reads a short file.
fn whole(entry: &mut impl Read, len: u64, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if len > longest {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its manifest or checksums are too long"));
    }
    entry.read_to_end(&mut bytes)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn damaged(what: &str) -> BackupError {
    BackupError::Damaged(what.to_owned())
}

/// Input that tells its own errors from those of what it carries.
struct Input<R> {
    input: R,
    has_failed: Rc<Cell<bool>>,
}

impl<R: Read> Read for Input<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.input.read(into).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.has_failed.set(true);
            }
        })
    }
}

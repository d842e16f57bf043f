//! Writing of a backup, beside a program that records or without one.

use std::{
    fs::File,
    io::{self, Read as _, Write},
};

use journal::{
    TransferError,
    backup::{Moment, Piece},
};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use crate::{
    BackupError, CONFIG, Contents, MANIFEST, Places, Progress, SUMS, gzip::Gzip, machine::hex, state,
};

/// Length of a block of a tar.
const BLOCK: usize = 512;
/// Permissions of files that have none of their own. The configuration has secrets, also where somebody unpacks it.
const MODE: u32 = 0o600;
/// Bytes that are read at once.
const PIECE: usize = 64 << 10;
/// Longest main configuration.
const LONGEST_CONFIG: u64 = 1 << 20;

/// Writes a backup, and returns what it has.
///
/// The journal is read at one moment, and counts just after it: a restored count is never less than the readings of it.
///
/// # Errors
/// Returns an error if a file cannot be read, or the backup cannot be written. What was written then is not a backup.
pub fn write(places: &Places, out: impl Write, progress: Progress<'_>) -> Result<Contents, BackupError> {
    let moment = places.journal.as_deref().map(Moment::open).transpose()?;
    let state = state::files(places)?;
    let config = places.config.as_deref().map(|path| {
        let mut text = Vec::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST_CONFIG).read_to_end(&mut text));
        read.map(|_| text).map_err(BackupError::file("read", path))
    });
    let config = config.transpose()?;

    let lens = state.iter().map(|file| file.len).chain(config.as_ref().map(|text| text.len() as u64));
    let bytes = lens.sum::<u64>() + moment.as_ref().map_or(0, Moment::bytes);
    let files = state.len() + usize::from(config.is_some()) + moment.as_ref().map_or(0, Moment::count);
    let contents = Contents::new(moment.as_ref(), files as u64, bytes);

    let out = Gzip::new(out).map_err(BackupError::Output)?;
    let now = u64::try_from(contents.created.as_second()).unwrap_or(0);
    let mut tar = Tar { out, entry: None, sums: String::new(), done: 0, of: bytes, progress };
    let manifest =
        serde_json::to_vec_pretty(&contents).map_err(io::Error::from).map_err(BackupError::Output)?;
    tar.file(MANIFEST, MODE, now, &manifest)?;
    if let Some(text) = &config {
        tar.file(CONFIG, MODE, now, text)?;
    }
    for file in &state {
        if let Some(bytes) = &file.bytes {
            tar.file(&file.name, file.mode, file.changed, bytes)?;
            continue;
        }
        let failed = |source| BackupError::File { what: "read", path: file.path.clone(), source };
        let input = match File::open(&file.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // removed just now
            input => input.map_err(failed)?,
        };
        let mut input = input.take(file.len);
        tar.begin(&file.name, file.len, file.mode, file.changed)?;
        let mut piece = vec![0; PIECE];
        loop {
            match input.read(&mut piece).map_err(failed)? {
                0 => break,
                more => tar.bytes(&piece[..more])?,
            }
        }
        // The length was promised.
        tar.end().map_err(|_| failed(io::Error::other("it became shorter while it was read")))?;
    }
    if let Some(moment) = &moment {
        let mut sink = |piece: Piece<'_>| match piece {
            Piece::Begin(part) => {
                tar.end_last()?;
                tar.begin(&part.name, part.len, MODE, now).map_err(into_io)
            }
            Piece::Bytes(bytes) => tar.bytes(bytes).map_err(into_io),
        };
        moment.read(&mut sink).map_err(|error| match error {
            TransferError::Io(error) => BackupError::Output(error),
            error => error.into(),
        })?;
        tar.end_last().map_err(BackupError::Output)?;
    }
    let sums = std::mem::take(&mut tar.sums);
    tar.file(SUMS, MODE, now, sums.as_bytes())?;
    tar.finish()?;
    Ok(contents)
}

fn into_io(error: BackupError) -> io::Error {
    match error {
        BackupError::Output(error) => error,
        error => io::Error::other(error),
    }
}

/// Tar that is written.
struct Tar<'p, W> {
    out: Gzip<W>,
    entry: Option<Entry>,
    sums: String,
    done: u64,
    of: u64,
    progress: Progress<'p>,
}

/// File of it that is being written.
struct Entry {
    name: String,
    len: u64,
    left: u64,
    hash: Sha256,
}

impl<W: Write> Tar<'_, W> {
    fn file(&mut self, name: &str, mode: u32, changed: u64, bytes: &[u8]) -> Result<(), BackupError> {
        self.begin(name, bytes.len() as u64, mode, changed)?;
        self.bytes(bytes)?;
        self.end().map_err(BackupError::Output)
    }

    fn begin(&mut self, name: &str, len: u64, mode: u32, changed: u64) -> Result<(), BackupError> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        // Names of sources have up to 64 characters, and a header takes 255; a longer one is of somebody's own program.
        header.set_path(name).map_err(BackupError::Output)?;
        header.set_size(len);
        header.set_mode(mode & 0o777);
        header.set_mtime(changed);
        header.set_cksum();
        self.out.write_all(header.as_bytes()).map_err(BackupError::Output)?;
        self.entry = Some(Entry { name: name.to_owned(), len, left: len, hash: Sha256::new() });
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        let Some(entry) = &mut self.entry else { return Ok(()) };
        let len = bytes.len() as u64;
        entry.left = entry.left.checked_sub(len).ok_or_else(|| {
            BackupError::Output(io::Error::other(format!("`{}` is longer than it was", entry.name)))
        })?;
        entry.hash.update(bytes);
        self.out.write_all(bytes).map_err(BackupError::Output)?;
        if ![MANIFEST, SUMS].contains(&&*entry.name) {
            self.done += len;
            (self.progress)(self.done, self.of);
        }
        Ok(())
    }

    /// Ends the file that was written last, if there is one.
    fn end_last(&mut self) -> io::Result<()> {
        if self.entry.is_some() { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        let Some(entry) = self.entry.take() else { return Ok(()) };
        if entry.left > 0 {
            return Err(io::Error::other(format!("`{}` is shorter than it was", entry.name)));
        }
        self.sums += &format!("{}  {}\n", hex(&entry.hash.finalize()), entry.name);
        let rest = usize::try_from(entry.len % BLOCK as u64).unwrap_or(0);
        self.out.write_all(&[0; BLOCK][..(BLOCK - rest) % BLOCK])
    }

    fn finish(mut self) -> Result<W, BackupError> {
        self.out.write_all(&[0; 2 * BLOCK]).and_then(|()| self.out.finish()).map_err(BackupError::Output)
    }
}

//! File of a count: two slots, written in turn.
//!
//! ```text
//! offset 0     slot 0 ┐  magic "s0count" and version 1   8 bytes
//! offset 4096  slot 1 ┘  sequence                        u64, little endian
//!                        pulses                          u64
//!                        pulses per kWh, in millionths   u64
//!                        CRC-32 (ISO-HDLC) of the above  u32
//! ```
//!
//! The slot with the higher sequence is valid. A write goes to the other one, so that an interruption leaves the last
//! count whole. Each slot lies in a page of its own.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::rate::Rate;

const MAGIC: [u8; 8] = *b"s0count\x01";
const SLOT: usize = 36;
const OFFSETS: [u64; 2] = [0, 4096];
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Open count file, locked for this process.
#[derive(Debug)]
pub(crate) struct Slots {
    /// It can be synced without blocking a writer.
    pub(crate) file: Arc<File>,
    /// Slot of the newest count.
    newest: usize,
    sequence: u64,
}

/// Content of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Pulses so far.
    pub(crate) pulses: u64,
    /// Rate that converts them to energy.
    pub(crate) rate: Rate,
}

/// State in which a count file was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It was missing or empty.
    New,
    /// Both slots are whole.
    Whole,
    /// One slot is damaged; the other one is used.
    OneDamaged,
    /// Both slots are damaged; the file was renamed to this.
    Unusable(PathBuf),
}

/// Reason why a count file could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Another process holds its lock.
    #[error("another process counts in `{}`; stop that process first", .0.display())]
    Locked(PathBuf),
    /// The file exists, but its count cannot be read.
    #[error("could not read `{}`: {}", .0.display(), .1)]
    Unreadable(PathBuf, io::Error),
    /// The file cannot be opened for writing.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Slots {
    /// Opens the file at `path`, or creates one with no pulses at `rate`.
    ///
    /// # Errors
    /// Fails if another process holds the file, or it cannot be opened for writing.
    pub(crate) fn open(path: &Path, rate: Rate) -> Result<(Self, Count, Found), OpenError> {
        let file = locked(path)?;
        let fresh = Count { pulses: 0, rate };
        if file.metadata()?.len() == 0 {
            return Ok((Self::create(file, path, fresh)?, fresh, Found::New));
        }
        match newest(&file)? {
            Some((newest, sequence, count, found)) => {
                Ok((Self { file: Arc::new(file), newest, sequence }, count, found))
            }
            None => {
                let aside = set_aside(path)?;
                Ok((Self::create(locked(path)?, path, fresh)?, fresh, Found::Unusable(aside)))
            }
        }
    }

    /// Fills both slots and syncs them, so that a count file is never half written.
    fn create(file: File, path: &Path, count: Count) -> io::Result<Self> {
        let mut slots = Self { file: Arc::new(file), newest: 0, sequence: 0 };
        slots.write(count)?;
        slots.write(count)?;
        slots.file.sync_all()?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())?;
        Ok(slots)
    }

    /// Writes a count into the older slot. It then survives this process, and a power cut after the next sync of
    /// `file`.
    ///
    /// # Errors
    /// Returns any I/O error; the last count is still there then.
    pub(crate) fn write(&mut self, count: Count) -> io::Result<()> {
        let (slot, sequence) = (1 - self.newest, self.sequence + 1);
        self.file.write_all_at(&encode(sequence, count), OFFSETS[slot])?;
        (self.newest, self.sequence) = (slot, sequence);
        Ok(())
    }
}

/// Returns the newest count of a read-only file; `None` if there is no file yet.
///
/// # Errors
/// Fails if another process counts in it, or its content cannot be read.
pub(crate) fn peek(path: &Path) -> Result<Option<Count>, OpenError> {
    let unreadable = |error| OpenError::Unreadable(path.to_owned(), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(error)),
    };
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(OpenError::Locked(path.to_owned()));
    }
    match newest(&file).map_err(unreadable)? {
        Some((_, _, count, _)) => Ok(Some(count)),
        None if file.metadata().map_err(unreadable)?.len() == 0 => Ok(None),
        None => Err(unreadable(io::Error::other("it is damaged, and cannot be renamed"))),
    }
}

/// Returns the newest damaged file that is still there, and the time it was set aside, in seconds since 1970.
pub(crate) fn kept_aside(path: &Path) -> Option<(PathBuf, i64)> {
    let status = |aside: PathBuf| Some((fs::metadata(&aside).ok()?.ctime(), aside)); // set by the rename
    let (since, aside) = asides(path).map_while(status).last()?;
    Some((aside, since))
}

fn locked(path: &Path) -> Result<File, OpenError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Renames a damaged file to the first free name.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let free = asides(path).find(|aside| !aside.exists());
    let aside = free.ok_or_else(|| io::Error::other("no free name for the damaged file"))?;
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Returns the names of damaged files: `….damaged-1` and so on.
fn asides(path: &Path) -> impl Iterator<Item = PathBuf> {
    (1..u32::MAX).map(move |n| {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".damaged-{n}"));
        aside.into()
    })
}

fn encode(sequence: u64, count: Count) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..16].copy_from_slice(&sequence.to_le_bytes());
    slot[16..24].copy_from_slice(&count.pulses.to_le_bytes());
    slot[24..32].copy_from_slice(&count.rate.micro().to_le_bytes());
    let crc = CRC.checksum(&slot[..32]);
    slot[32..].copy_from_slice(&crc.to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT]) -> Option<(u64, Count)> {
    let number = |at| slot[at..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    let crc = slot.last_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))?;
    if slot[..8] != MAGIC || crc != CRC.checksum(&slot[..32]) {
        return None;
    }
    Some((number(8)?, Count { pulses: number(16)?, rate: Rate::from_micro(number(24)?)? }))
}

/// Returns the newer slot, its sequence and count, and the file's state; `None` if both are damaged.
fn newest(file: &File) -> io::Result<Option<(usize, u64, Count, Found)>> {
    let mut bytes = Vec::new();
    file.take(OFFSETS[1] + SLOT as u64).read_to_end(&mut bytes)?;
    let slot = |offset: u64| bytes.get(offset as usize..).and_then(<[u8]>::first_chunk).and_then(decode);
    let (newest, (sequence, count), found) = match OFFSETS.map(slot) {
        [Some(first), Some(second)] if second.0 > first.0 => (1, second, Found::Whole),
        [Some(first), Some(_)] => (0, first, Found::Whole),
        [Some(first), None] => (0, first, Found::OneDamaged),
        [None, Some(second)] => (1, second, Found::OneDamaged),
        [None, None] => return Ok(None),
    };
    Ok(Some((newest, sequence, count, found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> Rate {
        Rate::new(1000.0).unwrap()
    }

    fn count(pulses: u64) -> Count {
        Count { pulses, rate: rate() }
    }

    fn open(path: &Path) -> (Slots, u64, Found) {
        let (slots, count, found) = Slots::open(path, rate()).unwrap();
        assert_eq!(count.rate, rate());
        (slots, count.pulses, found)
    }

    /// Creates a file whose last two counts are 41 and 42; returns the slot of the latter.
    fn counted(path: &Path) -> usize {
        let (mut slots, _, found) = open(path);
        assert_eq!(found, Found::New);
        for pulses in 1..=42 {
            slots.write(count(pulses)).unwrap();
        }
        slots.newest
    }

    #[test]
    fn the_newest_count_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s0.count");
        counted(&path);
        for pulses in 42..50 {
            let (mut slots, found_pulses, found) = open(&path);
            assert_eq!((found_pulses, found), (pulses, Found::Whole));
            slots.write(count(pulses + 1)).unwrap();
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), 4096 + SLOT as u64);
    }

    #[test]
    fn a_damaged_byte_costs_only_its_slot() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s0.count");
        let newest = counted(&path);
        let good = fs::read(&path).unwrap();
        for (slot, offset) in OFFSETS.into_iter().enumerate() {
            let survivor = if slot == newest { 41 } else { 42 };
            for at in offset as usize..offset as usize + SLOT {
                for damage in [0x01, 0x80, 0xFF] {
                    let mut bad = good.clone();
                    bad[at] ^= damage;
                    fs::write(&path, &bad).unwrap();
                    let (mut slots, pulses, found) = open(&path);
                    assert_eq!((pulses, found), (survivor, Found::OneDamaged), "byte {at}");
                    // The next write repairs it.
                    slots.write(count(pulses + 1)).unwrap();
                    drop(slots);
                    let (_slots, pulses, found) = open(&path);
                    assert_eq!((pulses, found), (survivor + 1, Found::Whole), "byte {at}");
                }
            }
        }
    }

    #[test]
    fn a_torn_write_at_any_byte_leaves_the_count_before_or_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s0.count");
        let newest = counted(&path);
        let before = fs::read(&path).unwrap();
        open(&path).0.write(count(43)).unwrap();
        let after = fs::read(&path).unwrap();
        let offset = OFFSETS[1 - newest] as usize;
        for written in 0..=SLOT {
            let mut torn = before.clone();
            torn[offset..offset + written].copy_from_slice(&after[offset..offset + written]);
            fs::write(&path, &torn).unwrap();
            let (_slots, pulses, _) = open(&path);
            let whole = torn == after;
            assert_eq!(pulses, if whole { 43 } else { 42 }, "{written} bytes written");
        }
    }

    #[test]
    fn a_file_cut_off_at_any_byte_keeps_its_whole_slots() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s0.count");
        let newest = counted(&path);
        let good = fs::read(&path).unwrap();
        let first = if newest == 0 { 42 } else { 41 };
        for len in 1..good.len() {
            fs::write(&path, &good[..len]).unwrap();
            let (_slots, pulses, found) = open(&path);
            if len < SLOT {
                assert!(matches!(found, Found::Unusable(_)), "{len}");
            } else {
                assert_eq!((pulses, found), (first, Found::OneDamaged), "{len}");
            }
        }
    }

    #[test]
    fn a_file_without_a_count_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s0.count");
        for n in 1..=3 {
            let text = format!("13756.57 kWh, by hand, {n}");
            fs::write(&path, &text).unwrap();
            let (_slots, pulses, found) = open(&path);
            let aside = dir.path().join(format!("s0.count.damaged-{n}"));
            assert_eq!((pulses, found), (0, Found::Unusable(aside.clone())));
            assert_eq!(fs::read_to_string(aside).unwrap(), text);
        }
        assert_eq!(open(&path).2, Found::Whole);
        // A power cut right after the file was created leaves it empty.
        fs::write(&path, "").unwrap();
        assert_eq!(open(&path).2, Found::New);
    }

    #[test]
    fn a_file_is_used_by_one_process_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s0.count");
        let held = open(&path);
        let error = Slots::open(&path, rate()).unwrap_err();
        let message = format!("another process counts in `{}`; stop that process first", path.display());
        assert_eq!(error.to_string(), message);
        assert_eq!(peek(&path).unwrap_err().to_string(), message);
        drop(held);
        open(&path);
    }
}

//! File of a count: two slots, written in turn.
//!
//! ```text
//! offset 0     slot 0 ┐  magic "s0count" and version 1   8 bytes
//! offset 4096  slot 1 ┘  sequence                        u64, little endian
//!                        pulses                          u64
//!                        pulses per kWh, in millionths   u64
//!                        CRC-32 (ISO-HDLC) of the above  u32
//!                        what the counter knows of its line, if that is kept over a restart:
//!                        flags: level known, level, held u32
//!                        number of the last edge         u32
//!                        time of that level, in ns       u64
//!                        CRC-32 of all but the first one u32
//! ```
//!
//! The slot with the higher sequence is valid. A write goes to the other one, so that an interruption leaves the last
//! count whole. Each slot lies in a page of its own.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::{counter::LineState, rate::Rate};

const MAGIC: [u8; 8] = *b"s0count\x01";
const SLOT: usize = 36;
/// Length with the state of a line. An earlier version of this program reads and writes the count only: the second checksum
/// does not fit then.
const SLOT_WITH_LINE: usize = 56;
const OFFSETS: [u64; 2] = [0, 4096];
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// The readings of a household are nobody else's business.
const MODE: u32 = 0o640;

/// Open count file, locked for this process.
#[derive(Debug)]
pub(crate) struct Slots {
    /// It can be synced without blocking a writer.
    pub(crate) file: Arc<File>,
    /// Slot of the newest count.
    newest: usize,
}

/// Content of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Number of the write: the highest one is valid.
    pub(crate) sequence: u64,
    /// Pulses so far.
    pub(crate) pulses: u64,
    /// Rate that converts them to energy.
    pub(crate) rate: Rate,
    /// State of the line after exactly these pulses, if it is kept over a restart.
    pub(crate) line: Option<LineState>,
}

/// State in which a count file was found.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Opens the file at `path`. Without a count, the file is empty until [`fill`](Self::fill): a kill in between leaves
    /// no wrong count.
    ///
    /// # Errors
    /// Fails if another process holds the file, or it cannot be opened for writing.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<Count>, Found), OpenError> {
        let file = locked(path)?;
        let (file, newest, count, found) = match newest(&file)? {
            Some((newest, count, found)) => (file, newest, Some(count), found),
            None if file.metadata()?.len() == 0 => (file, 0, None, Found::New),
            None => {
                let aside = set_aside(path)?;
                (locked(path)?, 0, None, Found::Unusable(aside))
            }
        };
        Ok((Self { file: Arc::new(file), newest }, count, found))
    }

    /// Fills both slots and syncs them, so that a new count file is never half written.
    ///
    /// # Errors
    /// Returns any I/O error.
    pub(crate) fn fill(&mut self, path: &Path, count: Count) -> io::Result<()> {
        self.write(count)?;
        self.write(count)?;
        self.file.sync_all()?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    }

    /// Writes a count into the older slot. It then survives this process, and a power cut after the next sync of
    /// `file`.
    ///
    /// # Errors
    /// Returns any I/O error; the last count is still there then.
    pub(crate) fn write(&mut self, count: Count) -> io::Result<()> {
        let slot = 1 - self.newest;
        let bytes = encode(count);
        match count.line {
            None => self.file.write_all_at(&bytes, OFFSETS[slot])?,
            // In one write, as the two must not be apart.
            Some(line) => self.file.write_all_at(&with_line(&bytes, line), OFFSETS[slot])?,
        }
        self.newest = slot;
        Ok(())
    }

    /// Returns whether this file is the one at `path`: a file that was deleted or replaced takes writes for nobody.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let identity = |file: fs::Metadata| (file.dev(), file.ino());
        let [here, there] = [self.file.metadata(), fs::metadata(path)].map(|file| file.map(identity).ok());
        here == there
    }
}

/// Returns the newest count of a read-only file, and the state of the file; `None` if there is no file yet.
///
/// # Errors
/// Fails if another process counts in it, or its content cannot be read.
pub(crate) fn peek(path: &Path) -> Result<(Option<Count>, Found), OpenError> {
    let unreadable = |error| OpenError::Unreadable(path.to_owned(), error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok((None, Found::New));
        }
        Err(error) => return Err(unreadable(error)),
    };
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(OpenError::Locked(path.to_owned()));
    }
    match newest(&file).map_err(unreadable)? {
        Some((_, count, found)) => Ok((Some(count), found)),
        None if file.metadata().map_err(unreadable)?.len() == 0 => Ok((None, Found::New)),
        None => Err(unreadable(io::Error::other("it is damaged, and cannot be renamed"))),
    }
}

/// Appends a suffix to a file's name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn locked(path: &Path) -> Result<File, OpenError> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Renames a damaged file to the first free name: `….damaged-1` and so on.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut asides = (1..u32::MAX).map(|n| with_suffix(path, &format!(".damaged-{n}")));
    let free = asides.find(|aside| !aside.exists());
    let aside = free.ok_or_else(|| io::Error::other("no free name for the damaged file"))?;
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Returns the bytes of a count.
pub(crate) fn encode(count: Count) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..16].copy_from_slice(&count.sequence.to_le_bytes());
    slot[16..24].copy_from_slice(&count.pulses.to_le_bytes());
    slot[24..32].copy_from_slice(&count.rate.micro().to_le_bytes());
    let crc = CRC.checksum(&slot[..32]);
    slot[32..].copy_from_slice(&crc.to_le_bytes());
    slot
}

/// Returns the count of a slot; `None` if it is damaged.
pub(crate) fn decode(slot: &[u8; SLOT]) -> Option<Count> {
    let number = |at| slot[at..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    let crc = slot.last_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))?;
    if slot[..8] != MAGIC || crc != CRC.checksum(&slot[..32]) {
        return None;
    }
    Some(Count {
        sequence: number(8)?,
        pulses: number(16)?,
        rate: Rate::from_micro(number(24)?)?,
        line: None,
    })
}

/// Returns the bytes of a count and the state of its line.
fn with_line(count: &[u8; SLOT], line: LineState) -> [u8; SLOT_WITH_LINE] {
    let flags = u32::from(line.level.is_some())
        | u32::from(line.level == Some(true)) << 1
        | u32::from(line.stable) << 2;
    let since = u64::try_from(line.since.as_nanos()).unwrap_or(u64::MAX);
    let mut slot = [0; SLOT_WITH_LINE];
    slot[..36].copy_from_slice(count);
    slot[36..40].copy_from_slice(&flags.to_le_bytes());
    slot[40..44].copy_from_slice(&line.seqno.to_le_bytes());
    slot[44..52].copy_from_slice(&since.to_le_bytes());
    let crc = line_checksum(&slot);
    slot[52..].copy_from_slice(&crc.to_le_bytes());
    slot
}

/// Returns the checksum of a count and the state of its line. That of the count alone is left out: it would make the result
/// the same for every count.
fn line_checksum(slot: &[u8; SLOT_WITH_LINE]) -> u32 {
    let mut digest = CRC.digest();
    digest.update(&slot[..32]);
    digest.update(&slot[36..52]);
    digest.finalize()
}

/// Returns the state of the line in a slot; `None` if there is none that belongs to its count.
fn decode_line(slot: &[u8; SLOT_WITH_LINE]) -> Option<LineState> {
    let word = |at| slot[at..].first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
    let since = slot[44..].first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))?;
    if word(52)? != line_checksum(slot) {
        return None;
    }
    let flags = word(36)?;
    Some(LineState {
        seqno: word(40)?,
        level: (flags & 1 > 0).then_some(flags & 2 > 0),
        since: Duration::from_nanos(since),
        stable: flags & 4 > 0,
    })
}

/// Returns the newer slot, its count, and the file's state; `None` if both are damaged.
fn newest(file: &File) -> io::Result<Option<(usize, Count, Found)>> {
    let mut bytes = Vec::new();
    file.take(OFFSETS[1] + SLOT_WITH_LINE as u64).read_to_end(&mut bytes)?;
    let slot = |offset: u64| {
        let slot = bytes.get(offset as usize..)?;
        let line = slot.first_chunk().and_then(decode_line);
        Some(Count { line, ..decode(slot.first_chunk()?)? })
    };
    Ok(match OFFSETS.map(slot) {
        [Some(first), Some(second)] if second.sequence > first.sequence => Some((1, second, Found::Whole)),
        [Some(first), Some(_)] => Some((0, first, Found::Whole)),
        [Some(first), None] => Some((0, first, Found::OneDamaged)),
        [None, Some(second)] => Some((1, second, Found::OneDamaged)),
        [None, None] => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate() -> Rate {
        Rate::new(1000.0).unwrap()
    }

    /// Writes the next count.
    fn write(slots: &mut Slots, pulses: u64) {
        let sequence = newest(&reopened(slots)).unwrap().unwrap().1.sequence + 1;
        slots.write(Count { sequence, pulses, rate: rate(), line: None }).unwrap();
    }

    /// The file of open slots, to be read from its beginning.
    fn reopened(slots: &Slots) -> File {
        use std::os::fd::AsRawFd as _;
        File::open(format!("/proc/self/fd/{}", slots.file.as_raw_fd())).unwrap()
    }

    /// Opens a file, and fills it if it is new.
    fn open(path: &Path) -> (Slots, u64, Found) {
        let (mut slots, count, found) = Slots::open(path).unwrap();
        let count = count.unwrap_or(Count { sequence: 1, pulses: 0, rate: rate(), line: None });
        if !matches!(found, Found::Whole | Found::OneDamaged) {
            slots.fill(path, count).unwrap();
        }
        assert_eq!(count.rate, rate());
        (slots, count.pulses, found)
    }

    /// Creates a file whose last two counts are 41 and 42; returns the slot of the latter.
    fn counted(path: &Path) -> usize {
        let (mut slots, _, found) = open(path);
        assert_eq!(found, Found::New);
        for pulses in 1..=42 {
            write(&mut slots, pulses);
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
            write(&mut slots, pulses + 1);
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), 4096 + SLOT as u64);
    }

    #[test]
    fn the_state_of_a_line_belongs_to_its_count_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s0.count");
        counted(&path);
        let read = || Slots::open(&path).unwrap().1.unwrap();
        for (n, (level, stable)) in
            [(None, false), (Some(false), true), (Some(true), false), (Some(true), true)]
                .into_iter()
                .enumerate()
        {
            let line =
                LineState { seqno: u32::MAX - n as u32, level, since: Duration::from_nanos(77), stable };
            let count = Count { sequence: 100 + n as u64, pulses: 50, rate: rate(), line: Some(line) };
            Slots::open(&path).unwrap().0.write(count).unwrap();
            assert_eq!(read(), count);
        }
        // An earlier version writes the next counts over it.
        for sequence in 200..202 {
            let count = Count { sequence, pulses: 51, rate: rate(), line: None };
            Slots::open(&path).unwrap().0.write(count).unwrap();
            assert_eq!(read(), count);
        }
        let line = LineState { seqno: 7, level: Some(true), since: Duration::from_secs(5), stable: true };
        let count = Count { sequence: 300, pulses: 52, rate: rate(), line: Some(line) };
        let mut slots = Slots::open(&path).unwrap().0;
        slots.write(count).unwrap();
        let offset = OFFSETS[slots.newest] as usize;
        drop(slots);
        let good = fs::read(&path).unwrap();
        for at in offset + SLOT..offset + SLOT_WITH_LINE {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(read(), Count { line: None, ..count }, "byte {at}");
        }
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
                    write(&mut slots, pulses + 1);
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
        write(&mut open(&path).0, 43);
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
        let error = Slots::open(&path).unwrap_err();
        let message = format!("another process counts in `{}`; stop that process first", path.display());
        assert_eq!(error.to_string(), message);
        assert_eq!(peek(&path).unwrap_err().to_string(), message);
        drop(held);
        open(&path);
    }
}

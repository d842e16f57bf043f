//! Remains of a folder after a power cut, from the notes of `recorder.c`.
//!
//! # The model
//!
//! - A file's changes that a sync of that file which has returned covers are on the disk. Each of the others may be
//!   or not, page by page (4096 bytes), as the system writes them back in any order: a page is as it was at any
//!   moment since the sync. A write that is under way is torn: single sectors (512 bytes) of a page are of another
//!   moment. Within a sector nothing is torn.
//! - A file is as long as it was at any of these moments. What lies within it and was never written back is zeros,
//!   or what lay on the disk before.
//! - Names (a file made, renamed or removed) reach the disk in their order, at any time, but all of them with a
//!   sync of the folder, and with a sync of a file those up to that which made this file: as a journaling file
//!   system (ext4, XFS) does it.
//! - `-shm` is shared memory, and gone.

use std::{collections::BTreeMap, path::Path};

use super::Random;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// The files of a folder by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A number of a file; it stays when the file is renamed.
type File = usize;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Resize(usize),
}

#[derive(Debug, Clone)]
enum Naming {
    Made(String, File),
    Renamed(String, String),
    Removed(String),
}

#[derive(Debug)]
enum Event {
    Changed(File, Change),
    Named(Naming),
    /// The changes of the file before this event are safe; without a file, those of the folder.
    Synced(Option<File>, usize),
    /// The program prints this.
    Mark(String),
}

/// All that happened to a folder.
#[derive(Debug)]
pub struct Recording {
    /// Everything in it is on the disk.
    before: Files,
    events: Vec<Event>,
}

/// Fate of the changes that were not synced.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Nothing was written back.
    Lost,
    /// Everything was.
    Kept,
    /// They were written back in order up to some moment.
    Ordered,
    /// Each page has its own moment.
    Shuffled,
}

impl Recording {
    /// Reads the notes. `marks` is the file whose lines are marks; it is none of the folder's.
    pub fn parse(notes: &[u8], folder: &Path, before: Files, marks: &str) -> Self {
        let mut names: BTreeMap<String, File> = before.keys().cloned().zip(0..).collect();
        let mut made = names.len();
        let mut descriptors = BTreeMap::new();
        let mut syncs = BTreeMap::new();
        let mut events = Vec::new();
        let mut rest = notes;
        while let Some((head, more)) = rest.split_first_chunk::<24>() {
            let what = char::from(head[0]);
            let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap()) as usize;
            let descriptor = i32::from_le_bytes(head[4..8].try_into().unwrap());
            let (at, bytes) = (number(8), &more[..number(16)]);
            rest = &more[bytes.len()..];
            let name = |path: &[u8]| {
                let path = Path::new(std::str::from_utf8(path).unwrap());
                path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
            };
            let open: Option<&Option<String>> = descriptors.get(&descriptor);
            // A file that was renamed while it was open would have to be followed; nobody does that.
            let file = open.cloned().flatten().and_then(|name| names.get(&name).copied());
            match what {
                'O' => {
                    let name = name(bytes);
                    descriptors.insert(descriptor, Some(name.clone()).filter(|name| !name.is_empty()));
                    if name.is_empty() || name == marks {
                        continue;
                    }
                    if let Some(file) = names.get(&name) {
                        if at == 1 {
                            events.push(Event::Changed(*file, Change::Resize(0)));
                        }
                    } else {
                        names.insert(name.clone(), made);
                        events.push(Event::Named(Naming::Made(name, made)));
                        made += 1;
                    }
                }
                'W' if open == Some(&Some(marks.to_owned())) => {
                    let text = std::str::from_utf8(bytes).unwrap();
                    events.extend(text.lines().map(|line| Event::Mark(line.to_owned())));
                }
                // Removed while it was open: nobody sees it.
                'W' | 'T' if file.is_none() => {}
                'W' => events.push(Event::Changed(file.unwrap(), Change::Write(at, bytes.to_vec()))),
                'T' => events.push(Event::Changed(file.unwrap(), Change::Resize(at))),
                'S' => {
                    syncs.insert(at, (open.cloned().flatten(), file, events.len()));
                }
                'E' => {
                    let (name, file, since) = syncs.remove(&at).unwrap();
                    if name.is_none() || file.is_some() {
                        events.push(Event::Synced(file, since));
                    }
                }
                'U' => {
                    let name = name(bytes);
                    names.remove(&name);
                    events.push(Event::Named(Naming::Removed(name)));
                }
                'R' => {
                    let mut both = bytes.split(|byte| *byte == 0).map(name);
                    let (from, to) = (both.next().unwrap(), both.next().unwrap());
                    let file = names.remove(&from).unwrap();
                    names.insert(to.clone(), file);
                    events.push(Event::Named(Naming::Renamed(from, to)));
                }
                other => panic!("an unknown note `{other}`"),
            }
        }
        assert!(rest.is_empty(), "the notes are torn");
        Self { before, events }
    }

    /// Number of moments at which the power can go.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Lines that the program had printed before a moment, in order.
    pub fn marks(&self, cut: usize) -> impl DoubleEndedIterator<Item = &str> {
        let marks = self.events[..cut].iter();
        marks.filter_map(|event| if let Event::Mark(text) = event { Some(&**text) } else { None })
    }

    /// A moment at which the power may go: often just before or after a sync or a change of names, where much
    /// can go wrong.
    pub fn moment(&self, random: &mut Random) -> usize {
        let any = random.below(self.len() as u64 + 1) as usize;
        if random.below(2) == 0 {
            return any;
        }
        let special = |event: &Event| matches!(event, Event::Synced(..) | Event::Named(_));
        let next = self.events[any..].iter().position(special).map_or(any, |more| any + more);
        (next + random.below(4) as usize).saturating_sub(1).min(self.len())
    }

    /// Files that every program sees before the event number `cut`, also after the program was killed.
    pub fn seen(&self, cut: usize) -> Files {
        self.left(cut, |_| Fate::Kept, &mut Random::new(1))
    }

    /// Files that are left by a power cut before the event number `cut`.
    pub fn cut(&self, cut: usize, random: &mut Random) -> Files {
        let one = match random.below(8) {
            0 => Some(Fate::Lost),
            1 => Some(Fate::Kept),
            2 => Some(Fate::Ordered),
            _ => None,
        };
        // Where they differ: one file is written back, another is not.
        let fate = |random: &mut Random| match random.below(6) {
            0 => Fate::Lost,
            1 => Fate::Kept,
            2 => Fate::Ordered,
            _ => Fate::Shuffled,
        };
        self.left(cut, |random| one.unwrap_or_else(|| fate(random)), random)
    }

    fn left(&self, cut: usize, fate: impl Fn(&mut Random) -> Fate, random: &mut Random) -> Files {
        let events = &self.events[..cut];
        let namings: Vec<_> = (0..cut).filter(|i| matches!(events[*i], Event::Named(_))).collect();
        let (mut safe, mut safe_names) = (BTreeMap::new(), 0);
        for event in events {
            let Event::Synced(file, since) = event else { continue };
            let names = match file {
                None => *since,
                Some(file) => {
                    safe.insert(*file, *since);
                    let made =
                        |i: &&usize| matches!(&events[**i], Event::Named(Naming::Made(_, f)) if f == file);
                    namings.iter().find(made).map_or(0, |i| i + 1)
                }
            };
            safe_names = safe_names.max(names);
        }
        let sure = namings.iter().filter(|i| **i < safe_names).count();
        let count = match fate(random) {
            Fate::Lost => sure,
            Fate::Kept => namings.len(),
            Fate::Ordered | Fate::Shuffled => sure + random.below((namings.len() - sure) as u64 + 1) as usize,
        };

        let mut names: BTreeMap<&str, File> = self.before.keys().map(String::as_str).zip(0..).collect();
        for i in &namings[..count] {
            let Event::Named(naming) = &events[*i] else { continue };
            match naming {
                Naming::Made(name, file) => {
                    names.insert(name, *file);
                }
                Naming::Renamed(from, to) => {
                    let file = names.remove(from.as_str()).unwrap();
                    names.insert(to, file);
                }
                Naming::Removed(name) => {
                    names.remove(name.as_str());
                }
            }
        }
        let mut files = Files::new();
        for (name, file) in names {
            if name.ends_with("-shm") {
                continue;
            }
            let mut content = self.before.values().nth(file).cloned().unwrap_or_default();
            let synced = safe.get(&file).copied().unwrap_or(0);
            let mut unsure = Vec::new();
            for (i, event) in events.iter().enumerate() {
                match event {
                    Event::Changed(of, change) if *of == file && i < synced => apply(&mut content, change),
                    Event::Changed(of, change) if *of == file => unsure.push(change),
                    _ => {}
                }
            }
            let content = match fate(random) {
                Fate::Lost => content,
                Fate::Kept => at(&content, &unsure),
                Fate::Ordered => torn(&content, &unsure, random),
                Fate::Shuffled => shuffled(&content, &unsure, random),
            };
            files.insert(name.to_owned(), content);
        }
        files
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, bytes) => {
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Change::Resize(size) => content.resize(*size, 0),
    }
}

fn at(content: &[u8], changes: &[&Change]) -> Vec<u8> {
    let mut content = content.to_vec();
    changes.iter().for_each(|change| apply(&mut content, change));
    content
}

/// All changes up to some moment, the last of them in part.
fn torn(content: &[u8], changes: &[&Change], random: &mut Random) -> Vec<u8> {
    let count = random.below(changes.len() as u64 + 1) as usize;
    let mut content = at(content, &changes[..count]);
    if let Some(Change::Write(at, bytes)) = changes.get(count) {
        // Sectors come one after the other; those of the disk, not of the write.
        let end = at + random.below(bytes.len() as u64) as usize;
        let end = (end / SECTOR * SECTOR).saturating_sub(*at);
        if end > 0 {
            apply(&mut content, &Change::Write(*at, bytes[..end].to_vec()));
        }
    }
    content
}

/// Each page as it was at a moment of its own, and some sectors of yet another one.
fn shuffled(content: &[u8], changes: &[&Change], random: &mut Random) -> Vec<u8> {
    let moments = changes.len() as u64 + 1;
    let mut state = content.to_vec();
    let mut states = vec![state.clone()];
    for change in changes {
        apply(&mut state, change);
        states.push(state.clone());
    }
    let any = |random: &mut Random| random.below(moments) as usize;
    let mut out = vec![0; states[any(random)].len()];
    let old = if random.below(4) == 0 { 0xa5 } else { 0 };
    for (page, bytes) in out.chunks_mut(PAGE).enumerate() {
        let moment = any(random);
        for (sector, bytes) in bytes.chunks_mut(SECTOR).enumerate() {
            let moment = if random.below(8) == 0 { any(random) } else { moment };
            let start = page * PAGE + sector * SECTOR;
            let there = states[moment].get(start..).unwrap_or_default();
            let there = &there[..there.len().min(bytes.len())];
            bytes[..there.len()].copy_from_slice(there);
            // A page that was written back has zeros after the file's end.
            let never = states[moment].len() <= page * PAGE;
            bytes[there.len()..].fill(if never { old } else { 0 });
        }
    }
    out
}

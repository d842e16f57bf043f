//! Files of a journal for a backup, and their return from one.
//!
//! [`Moment`] reads them beside a program that records: the pages of the database in a read transaction, and the
//! segments. [`Restored`] are such files in a folder beside the journal, which [`Replacement`] puts in its place.

mod moment;
mod pages;
mod replacement;
mod restored;
mod segments;

use std::path::{Path, PathBuf};

pub use self::{
    moment::{Moment, Part, Piece},
    replacement::Replacement,
    restored::Restored,
};
use crate::{paths::folder, wal::live};

/// Version of the database's schema that this program writes.
pub const SCHEMA_VERSION: i64 = crate::db::SCHEMA_VERSION;

/// Name of the database among the files of a backup.
const DATABASE: &str = "journal.db";
/// What the names of segments begin with there.
const SEGMENT: &str = "journal.db-tail.";

/// Returns whether this is the name of a file of a journal in a backup.
pub fn is_part(name: &str) -> bool {
    name == DATABASE || segment_number(name).is_some()
}

/// Returns the number of a segment by its name in a backup.
fn segment_number(name: &str) -> Option<u64> {
    let text = name.strip_prefix(SEGMENT)?;
    // `+7` and `07` are numbers, too.
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// Returns the folder in memory of the program that records, and the names of the journal's own files in it begin with
/// the second; `None` where it has none.
pub fn runtime_dir(path: &Path) -> Option<(PathBuf, String)> {
    let base = live::linked(path)?;
    Some((folder(&base).to_owned(), base.file_name()?.to_string_lossy().into_owned()))
}

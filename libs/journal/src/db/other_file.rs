//! Files that never were a journal. They are left alone: a path that is wrong by a letter must not cost anybody a file.

use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use crate::{
    db::schema::{APPLICATION, SCHEMA},
    paths::with_suffix,
    wal::live,
};

const MAGIC: &[u8] = b"SQLite format 3\0";

/// Returns whether there is a file that never was a journal, not even one that is damaged now: neither is anything of
/// one in its first page, nor is a log or a file of SQLite beside it.
///
/// Reads one page. A file that cannot be read is none.
#[must_use]
pub fn is_other_file(path: &Path) -> bool {
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let mut page = Vec::new();
    if File::open(path).and_then(|file| file.take(4096).read_to_end(&mut page)).is_err() {
        return false;
    }
    // "The Database Header", https://www.sqlite.org/fileformat2.html: a database without a table may become a journal.
    let has_no_table =
        page.starts_with(MAGIC) && page.get(100) == Some(&13) && page.get(103..105) == Some(&[0, 0]);
    let is_cut = MAGIC.starts_with(&page);
    let id = page.get(68..).and_then(|rest| rest.first_chunk());
    let has_id = id.is_some_and(|id| i64::from(u32::from_be_bytes(*id)) == APPLICATION);
    let table = SCHEMA.trim_start().split(',').next().unwrap_or(SCHEMA).as_bytes();
    let has_schema = page.windows(table.len()).any(|text| text == table);
    let has_files = || {
        ["-wal", "-shm", "-journal"].iter().any(|suffix| with_suffix(path, suffix).exists())
            || live::numbers(path).is_ok_and(|numbers| !numbers.is_empty())
    };
    !(has_no_table || is_cut || has_id || has_schema || has_files())
}

//! Files of a folder: each has one header, and whole rows.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, WriterBuilder};
use framework::PublishError;
use rustix::fs::OFlags;

use crate::{
    fault,
    table::{Format, Table},
};

/// Most files of a source and a day. A source that names its readings anew each time must not fill the folder.
const MAX_FILES: usize = 100;
/// Longest header that is read.
const MAX_HEADER: u64 = 256 * 1024;
/// Longest row, of which a power cut may have left the beginning.
const MAX_ROW: u64 = 1024 * 1024;

/// Rows that are on the disk.
pub(crate) struct Appended {
    file: File,
    /// Length of the file before.
    before: u64,
}

impl Appended {
    /// Removes them.
    pub(crate) fn remove(self) {
        // If that fails, they are there twice, as after a power cut.
        let _ = self.file.set_len(self.before);
    }
}

/// Appends a table to the first file of its day that has all of its columns, and returns when the rows are on the disk.
pub(crate) fn append(folder: &Path, table: &Table<'_>, format: &Format) -> Result<Appended, PublishError> {
    let wanted = table.header();
    for number in 1..=MAX_FILES {
        let path = folder.join(match number {
            1 => format!("{}_{}.csv", table.source, table.day),
            _ => format!("{}_{}_{number}.csv", table.source, table.day),
        });
        let failed = |what| move |error: io::Error| (what, error);
        let appended = open(&path)
            .map_err(failed("open"))
            .and_then(|file| write(file, folder, table, &wanted, format).map_err(failed("write")));
        match appended {
            Ok(Some(appended)) => return Ok(appended),
            // Another set of series, or a file of somebody else's.
            Ok(None) => {}
            Err((what, error)) => return Err(fault(what, &path, &error)),
        }
    }
    Err(PublishError::refused(format!(
        "`{}` has more than {MAX_FILES} sets of readings on {}: choose some with `series`",
        table.source, table.day
    )))
}

/// Opens a file, or makes an empty one. It is opened for each delivery: it may have been moved or replaced.
fn open(path: &PathBuf) -> io::Result<File> {
    // A pipe would block.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).append(true).create(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is not a regular file: remove it"))
}

/// Writes rows, if the file is empty or has all their columns.
fn write(
    file: File,
    folder: &Path,
    table: &Table<'_>,
    wanted: &[String],
    format: &Format,
) -> io::Result<Option<Appended>> {
    let (header, before, is_new) = match header(&file, format)? {
        Header::None => (wanted.to_vec(), 0, true),
        Header::Columns(columns) if wanted.iter().all(|title| columns.contains(title)) => {
            (columns, whole_rows(&file)?, false)
        }
        Header::Columns(_) | Header::Foreign => return Ok(None),
    };
    let mut out = WriterBuilder::new().delimiter(format.separator()).from_writer(Vec::new());
    if is_new {
        out.write_record(&header)?;
    }
    for row in table.rows(&header, format) {
        out.write_record(&row)?;
    }
    let rows = out.into_inner().map_err(|error| error.into_error())?;
    // A row that a power cut left half written comes again.
    file.set_len(before)?;
    let appended = Appended { file, before };
    let written = (&appended.file).write_all(&rows).and_then(|()| appended.file.sync_data());
    // The name of a new file is on the disk when its folder is.
    let written = written.and_then(|()| if is_new { File::open(folder)?.sync_all() } else { Ok(()) });
    if let Err(error) = written {
        appended.remove();
        return Err(error);
    }
    Ok(Some(appended))
}

/// First line of a file.
enum Header {
    /// The file has no whole line.
    None,
    Columns(Vec<String>),
    /// It is not one of ours.
    Foreign,
}

fn header(file: &File, format: &Format) -> io::Result<Header> {
    let mut text = Vec::new();
    let mut start = file;
    start.seek(SeekFrom::Start(0))?;
    BufReader::new(start).take(MAX_HEADER).read_until(b'\n', &mut text)?;
    let own = [b"time".as_slice(), &[format.separator()]].concat();
    if text.last() != Some(&b'\n') {
        let is_torn = own.starts_with(&text) || text.starts_with(&own);
        return Ok(if is_torn { Header::None } else { Header::Foreign });
    }
    let mut reader =
        ReaderBuilder::new().has_headers(false).delimiter(format.separator()).from_reader(&text[..]);
    Ok(match reader.records().next() {
        Some(Ok(columns)) if columns.get(0) == Some("time") => {
            Header::Columns(columns.iter().map(str::to_owned).collect())
        }
        _ => Header::Foreign,
    })
}

/// Returns the length of a file up to the end of its last whole row.
fn whole_rows(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    for most in [1, MAX_ROW] {
        let from = length.saturating_sub(most);
        let (mut end, mut tail) = (Vec::new(), file);
        tail.seek(SeekFrom::Start(from))?;
        tail.take(most).read_to_end(&mut end)?;
        if let Some(at) = end.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + at as u64 + 1);
        }
    }
    Err(io::Error::other(format!("its last {MAX_ROW} bytes have no line: remove it")))
}

//! `smartmeter export` and `smartmeter import`: the journal as text.

mod rows;
mod text;

use std::{
    fs::{File, Metadata},
    io::{self, BufRead, BufReader, BufWriter, Write as _},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use framework::journal::{Archive, Import as Journal, Level, Selection, Summary, TransferError, parse_time};
use jiff::{Timestamp, Zoned};

use self::{
    rows::Rows,
    text::{Format, READING, ROLLUP},
};
use crate::{
    config_file::ConfigFile,
    failure::Failure,
    output::{is_unread, output},
    progress::{Progress, Unit},
};

/// Maximum number of damaged times that are listed.
const MAX_GAPS: usize = 20;
/// Maximum bytes of a line.
const MAX_LINE: u64 = 64 << 10;

/// Place of the journal.
#[derive(Args)]
struct Place {
    /// Configuration with the path of the journal [default: config.toml, else /etc/smartmeter/config.toml]
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    config: Option<PathBuf>,
    /// Database of the journal itself
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

impl Place {
    fn path(&self) -> Result<PathBuf, Failure> {
        match &self.journal {
            Some(path) => Ok(path.clone()),
            None => Ok(ConfigFile::named(self.config.clone()).load()?.journal.path),
        }
    }
}

/// Options of an export.
#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: Place,
    /// First moment: `2026-11-23`, `2026-11-23T07:30`, `-24h`, RFC 3339 [default: the first reading]
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    from: Option<String>,
    /// End, not included [default: all]
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only series that match this pattern of `section/name`, with `*` and `?`; may be repeated
    #[arg(long, value_name = "GLOB")]
    series: Vec<String>,
    /// Single readings, or roll-ups of this length
    #[arg(long, default_value = "raw")]
    step: Step,
    /// CSV with a header, or a JSON object a line
    #[arg(long, default_value = "csv")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Step {
    Raw,
    #[value(name = "1m")]
    Minute,
    #[value(name = "15m")]
    Quarter,
    #[value(name = "1h")]
    Hour,
    #[value(name = "1d")]
    Day,
}

/// Options of an import.
#[derive(Args)]
pub(crate) struct Import {
    #[command(flatten)]
    place: Place,
    /// File as written by `export`, CSV or JSON lines; `-` for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

/// Prints the journal. It only reads: another program may record in it at the same time.
pub(crate) fn export(export: &Export) -> Result<(), Failure> {
    let now = Zoned::now();
    let time = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => parse_time(text, &now)
            .map(|moment| Some(moment.as_microsecond()))
            .map_err(|message| Failure::usage(message + "\n")),
    };
    let selection =
        Selection { from: time(&export.from)?, to: time(&export.to)?, series: export.series.clone() };
    if let (Some(from), Some(to)) = (selection.from, selection.to)
        && from >= to
    {
        let [from, to] = [from, to].map(|time| Timestamp::from_microsecond(time).unwrap_or_default());
        let message = format!("`--from` must be before `--to`: it is {from}, and `--to` is {to}\n");
        return Err(Failure::usage(message));
    }
    let path = export.place.path()?;
    let failure = |error| failure("read", &path, error);
    let archive = Archive::open(&path).map_err(failure)?;
    let level = match export.step {
        Step::Raw => None,
        Step::Minute => Some(Level::Minute),
        Step::Quarter => Some(Level::Quarter),
        Step::Hour => Some(Level::Hour),
        Step::Day => Some(Level::Day),
    };
    let progress = Progress::beside_output("exporting", Unit::Count("rows"));
    let (mut rows, span) = (0, Span::new(&selection, &archive));
    let mut passed = |micros: i64| {
        rows += 1;
        let (done, of) = span.share(micros);
        progress.set_share(rows, done, of);
    };
    let mut printed = || {
        let columns = if level.is_some() { &ROLLUP[..] } else { &READING };
        let mut out = text::Export::new(export.format, BufWriter::new(output()), columns)?;
        let summary = match level {
            None => archive.readings(&selection, |labels, time, value, set_from| {
                passed(time);
                out.reading(labels, time, value, set_from)
            }),
            Some(level) => archive.rollups(&selection, level, |labels, start, rollup| {
                passed(start.saturating_mul(1_000_000));
                out.rollup(labels, start, rollup)
            }),
        }?;
        out.flush()?;
        Ok(summary)
    };
    let printed = printed();
    match &printed {
        Ok(_) => progress.finish(),
        Err(_) => drop(progress),
    }
    match printed {
        // The reader has seen enough: `| head`.
        Err(TransferError::Io(error)) if is_unread(&error) => Ok(()),
        Err(error) => Err(failure(error)),
        Ok(Summary { damaged: 0, gaps, .. }) if gaps.is_empty() => Ok(()),
        Ok(summary) => Err(Failure::fault(missing(&summary))),
    }
}

/// Times between which rows are exported, in microseconds since 1970.
struct Span(Option<(i64, i64)>);

impl Span {
    /// Span of the readings, limited by the selection.
    fn new(selection: &Selection, archive: &Archive) -> Self {
        Self(archive.span().map(|(first, last)| {
            (
                selection.from.map_or(first, |from| from.max(first)),
                selection.to.map_or(last, |to| to.min(last)),
            )
        }))
    }

    /// Returns which part of the span has passed at a time, and the whole one.
    fn share(&self, time: i64) -> (u64, u64) {
        let since = |first: i64, time: i64| u64::try_from(time.saturating_sub(first)).unwrap_or(0);
        self.0.map_or((0, 0), |(first, last)| (since(first, time.min(last)), since(first, last)))
    }
}

/// Says what an export left out.
fn missing(summary: &Summary) -> String {
    let mut text = String::new();
    if summary.damaged > 0 {
        text = format!(
            "{} minutes of a source are damaged in the database, and were skipped\n",
            summary.damaged
        );
    }
    let time = |micros| Timestamp::from_microsecond(micros).map_or("the end".to_owned(), |at| at.to_string());
    for (from, to) in summary.gaps.iter().take(MAX_GAPS) {
        text += &format!("from {} to {}: damaged in the database, and skipped\n", time(*from), time(*to));
    }
    if let Some(more) = summary.gaps.len().checked_sub(MAX_GAPS).filter(|more| *more > 0) {
        text += &format!("and {more} more times that are damaged\n");
    }
    text
}

/// Imports a file into the journal, up to its first mistake.
pub(crate) fn import(import: &Import) -> Result<(), Failure> {
    let path = import.place.path()?;
    let standard = import.file.as_os_str() == "-";
    let name = if standard { "standard input".to_owned() } else { import.file.display().to_string() };
    let unreadable = |error: io::Error| Failure::fault(format!("could not read `{name}`: {error}\n"));
    let file = match standard {
        true => File::from(io::stdin().as_fd().try_clone_to_owned().map_err(unreadable)?),
        false => File::open(&import.file).map_err(unreadable)?,
    };
    let failure = |error| failure("write", &path, error);
    // A pipe does not tell its length.
    let size = file.metadata().ok().filter(Metadata::is_file).map(|found| found.len());
    let unit = if size.is_some() { Unit::Bytes } else { Unit::Count("lines") };
    let progress = Progress::new("importing", unit);
    let mut journal = Journal::open(&path).map_err(failure)?;
    if let Some(damaged) = journal.set_aside() {
        progress.say(&format!(
            "the database was damaged, and is now `{}`; starting a new one",
            damaged.display()
        ));
    }
    let mut input = BufReader::with_capacity(256 << 10, file);
    let mut rows = Rows::new(Timestamp::now());
    let (mut line, mut number, mut bytes) = (Vec::new(), 0u64, 0u64);
    let mistake = loop {
        line.clear();
        // Inherent `take` would consume the input.
        let read = io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line).map_err(unreadable);
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                journal.finish().map_err(failure)?;
                return Err(error);
            }
        };
        if read == 0 {
            break rows.end().err();
        }
        number += 1;
        bytes += read as u64;
        match size {
            Some(size) => progress.set(bytes, size),
            None => progress.set(number, 0),
        }
        if line.last() != Some(&b'\n') && read as u64 == MAX_LINE {
            break Some(format!("this line is longer than {MAX_LINE} bytes"));
        }
        match rows.line(&line) {
            Ok(None) => {}
            Ok(Some(reading)) => journal.add(reading).map_err(failure)?,
            Err(message) => break Some(message),
        }
    };
    let count = journal.finish().map_err(failure)?;
    drop(progress);
    let into = path.display();
    let (readings, are) = if count == 1 { ("reading", "is") } else { ("readings", "are") };
    match mistake {
        None => Ok(writeln!(output(), "{count} {readings} of {name} {are} in `{into}`")?),
        Some(message) => Err(Failure::usage(format!(
            "{name}:{}: {message}\nnothing was imported from this line on; {count} {readings} before it {are} in `{into}`\n",
            number.max(1)
        ))),
    }
}

/// Explains an error, with a hint. `what` could not be done to the journal `path`.
fn failure(what: &str, path: &Path, error: TransferError) -> Failure {
    let hint = match &error {
        TransferError::Missing(_) => Some(
            "choose it with `--config` or `--journal`; the program creates it when it records".to_owned(),
        ),
        TransferError::NoJournal(..) => {
            Some("`--journal` takes the journal's database, usually called `journal.db`".to_owned())
        }
        TransferError::InUse(_) => {
            Some("stop it while you import (`systemctl stop smartmeter`); an export needs no stop".to_owned())
        }
        TransferError::NoSeries(_, known) if known.is_empty() => Some("the journal is empty".to_owned()),
        TransferError::NoSeries(_, known) => {
            let list: Vec<_> = known.iter().take(20).map(|series| format!("`{series}`")).collect();
            let more = if known.len() > list.len() { ", …" } else { "" };
            Some(format!("there are {}{more}", list.join(", ")))
        }
        TransferError::File(_, error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some("the journal of a service belongs to its user: try again with `sudo`".to_owned())
        }
        TransferError::Database(_)
        | TransferError::File(..)
        | TransferError::Io(_)
        | TransferError::Names(_)
        | TransferError::Ahead(_) => None,
    };
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    match error {
        TransferError::NoSeries(..) => Failure::usage(format!("{error}\n{hint}")),
        TransferError::Database(_) => {
            Failure::fault(format!("could not {what} the journal `{}`: {error}\n", path.display()))
        }
        TransferError::Io(_) => Failure::fault(format!("could not write the output: {error}\n")),
        _ => Failure::fault(format!("{error}\n{hint}")),
    }
}

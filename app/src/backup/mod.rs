//! `smartmeter backup` and `smartmeter restore`: the program's history, counts and drop-ins in one file.

mod failure;
mod report;

use std::{
    cell::{OnceCell, RefCell},
    fs::File,
    io::{self, IsTerminal as _, Read, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use framework::{
    ConfigFiles,
    backup::{self, Places},
    is_name,
    journal::Rename,
};

use self::failure::explain;
use crate::{
    config_file::ConfigFile,
    control,
    failure::Failure,
    output::output,
    progress::{Progress, Unit},
};

/// Added to the process's nice value: the program that records comes first.
const NICE: i32 = 10;

/// Options of a backup.
#[derive(Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    config: Config,
    /// File to write, such as `home.tar.gz`; `-` for standard output
    file: PathBuf,
}

/// Options of a restore.
#[derive(Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    config: Config,
    /// Backup; `-` for standard input
    file: PathBuf,
    /// Replace a journal that has newer readings than the backup
    #[arg(long)]
    force: bool,
    /// Join its history into the journal that is here, such as that of another machine; what is here stays
    #[arg(long, conflicts_with = "force")]
    merge: bool,
    /// Name here of a source of the backup, or of a reading of one (`OLD_SOURCE/OLD_NAME=NEW_SOURCE/NEW_NAME`); may be repeated
    #[arg(long, value_name = "OLD=NEW", requires = "merge", conflicts_with = "force", value_parser = renamed)]
    rename: Vec<Rename>,
}

/// Choice of the configuration.
#[derive(Args)]
struct Config {
    /// Configuration with the folders [default: config.toml, else /etc/smartmeter/config.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Config {
    fn read(&self) -> Result<(ConfigFiles, Places), Failure> {
        let files = ConfigFile::named(self.config.clone()).files()?;
        let places = files.load()?.backup_places(files.path());
        Ok((files, places))
    }
}

/// Writes a backup. It only reads: the program may be running.
pub(crate) fn backup(backup: &Backup) -> Result<(), Failure> {
    let (_, places) = backup.config.read()?;
    let _ = rustix::process::nice(NICE); // a courtesy
    let path = &backup.file;
    if let Ok(found) = path.metadata()
        && !found.is_file()
    {
        let kind = if found.is_dir() { "a folder" } else { "a device or the like" };
        let hint = "hint: `-` is standard output";
        let message = format!("`{}` is {kind}, expected a file\n{hint}\n", path.display());
        return Err(Failure::usage(message));
    }
    if path.as_os_str() != "-" {
        let progress = Progress::new("backing up", Unit::Bytes);
        let contents = backup::write_file(&places, path, &mut |done, of| progress.set(done, of));
        let contents = contents.map_err(|error| explain("back up", &places, &error))?;
        progress.finish();
        return Ok(writeln!(output(), "{}", report::written(path, &contents))?);
    }
    let mut out = output();
    if out.is_terminal() {
        return Err(Failure::usage(
            "a backup is no text: write it into a file, `smartmeter backup - > home.tar.gz`\n",
        ));
    }
    let progress = Progress::new("backing up", Unit::Bytes);
    match backup::write(&places, &mut out, &mut |done, of| progress.set(done, of)) {
        Ok(_) => {
            progress.finish();
            Ok(())
        }
        // Half a backup is none, also where a reader has seen enough.
        Err(error) => Err(explain("back up", &places, &error)),
    }
}

/// Replaces the program's files by those of a backup. The program must be stopped.
pub(crate) fn restore(restore: &Restore) -> Result<(), Failure> {
    let (files, places) = restore.config.read()?;
    if control::is_running(&places) {
        return Err(failure::running(if restore.merge { "merge" } else { "restore" }, &places));
    }
    let path = &restore.file;
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        let input = io::stdin().lock();
        if input.is_terminal() {
            let message = "a backup is no text: pass a file, `smartmeter restore - < home.tar.gz`\n";
            return Err(Failure::usage(message));
        }
        Box::new(input)
    } else {
        Box::new(File::open(path).map_err(|error| unreadable(path, &error))?)
    };
    if restore.merge {
        return merge(&places, input, &restore.rename);
    }
    let progress = Progress::new("restoring", Unit::Bytes);
    let restored = backup::restore(&places, input, restore.force, &mut |done, of| progress.set(done, of));
    let restored = restored.map_err(|error| explain("restore", &places, &error))?;
    progress.finish();
    let mut out = output();
    write!(out, "{}", report::restored(&places, &restored))?;
    // Its drop-ins may not fit to the main file of this machine.
    if let Err(mistakes) = files.load() {
        write!(
            out,
            "warning: the configuration has mistakes now:\n{mistakes}hint: the backup has the main file of its machine, too: \
             `tar -xzOf FILE config.toml` prints it\n"
        )?;
    }
    Ok(())
}

/// Joins the history of a backup into the journal.
fn merge(places: &Places, input: Box<dyn Read>, renames: &[Rename]) -> Result<(), Failure> {
    // Ends before the next one begins: both would draw on the same line.
    let checking = RefCell::new(Some(Progress::new("checking", Unit::Bytes)));
    let finish_checking = || checking.take().into_iter().for_each(Progress::finish);
    // Of its history, the hours are counted.
    let merging = OnceCell::new();
    let mut check = |done, of| checking.borrow().iter().for_each(|checking| checking.set(done, of));
    let joined = backup::merge(places, input, renames, &mut check, &mut |done, of| {
        finish_checking();
        let merging = merging.get_or_init(|| Progress::new("merging", Unit::Count("hours")));
        merging.set(done / 3600, of / 3600);
    });
    let joined = joined.map_err(|error| explain("merge", places, &error))?;
    finish_checking();
    if let Some(merging) = merging.into_inner() {
        merging.finish();
    }
    Ok(write!(output(), "{}", report::joined(places, &joined))?)
}

/// Parses a new name, which must be one that a configuration may give.
fn renamed(text: &str) -> Result<Rename, String> {
    let rename = text.parse::<Rename>()?;
    match rename.source() {
        source if is_name(source) => Ok(rename),
        source => Err(format!(
            "`{source}` cannot be the name of a source: expected at most 64 letters, digits, `_` and `-`"
        )),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::fault(format!("could not read `{}`: {error}\n", path.display()))
}

//! One backup, and one check of the newest file. Both block, and may never return.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

use backup::Synced;
use jiff::Timestamp;
use rustix::fs::{Advice, fadvise};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    Content, Failure,
    folder::Folder,
    name,
    saved::{Good, Saved},
    transit::{Passed, way},
};
use crate::FaultCode;

/// Priority of the threads, by which everything else goes first. The system counts it for each thread.
const NICE: i32 = 15;

/// Signs of life of a job: who waits for one that hangs sees no more of them. Reading ends soon where writing hangs, and a
/// slow reader is no folder that does not answer.
#[derive(Debug, Default)]
pub(super) struct Steps(AtomicU64);

impl Steps {
    fn step(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A backup or a check, and all that it needs.
pub(super) struct Job {
    pub(super) content: Content,
    pub(super) folder: PathBuf,
    pub(super) label: String,
    pub(super) keep: usize,
    pub(super) saved: Saved,
    /// Now.
    pub(super) at: Timestamp,
    pub(super) steps: Arc<Steps>,
    pub(super) stop: CancellationToken,
}

/// A good backup, and where its file system is mounted.
pub(super) struct Made {
    pub(super) good: Good,
    pub(super) mount: PathBuf,
}

/// File that is removed unless it is kept.
struct Draft(Option<PathBuf>);

impl Drop for Draft {
    fn drop(&mut self) {
        // What cannot be removed now is removed before the next backup.
        let _ = self.0.take().map(fs::remove_file);
    }
}

impl Job {
    /// Makes a backup: writes it, reads it back, and removes the oldest.
    pub(super) fn back_up(&self) -> Result<Made, Failure> {
        lower_priority();
        let folder = self.open()?;
        let shown = self.folder.display();
        let failed =
            |what: &str, error: io::Error| Failure::io(&format!("could not {what} `{shown}`"), &error);
        folder.remove_parts().map_err(|error| failed("remove an unfinished backup from", error))?;
        let name = name::of(&self.label, &self.saved.id, self.at);
        let (file, part) = (folder.file(&name), folder.file(&name::part(&name)));
        let mut draft = Draft(Some(part.clone()));
        let size = self.write(&part)?;
        self.steps.step();
        self.read_back(&part).map_err(|failure| failure.of(&format!("the new backup in `{shown}`")))?;
        fs::rename(&part, &file).map_err(|error| failed("finish the backup in", error))?;
        draft.0 = None;
        folder.sync();
        self.steps.step();
        // The new one is good, whatever becomes of the old ones.
        if let Err(error) = folder.remove_old(self.keep, &self.saved.bad, self.at) {
            warn!("could not remove old backups from `{shown}`: {error}");
        }
        Ok(Made { good: Good::new(self.at, name, size), mount: folder.mount })
    }

    /// Checks the newest backup.
    pub(super) fn check(&self, good: &Good) -> Result<(), Failure> {
        lower_priority();
        let file = self.open()?.file(&good.file);
        let whole = fs::metadata(&file).map_err(|error| {
            Failure::io(&format!("could not find the newest backup, `{}`", file.display()), &error)
        })?;
        let shown = format!("the newest backup, `{}`,", file.display());
        if whole.len() != good.size {
            let message = format!("{shown} has {} bytes instead of {}", whole.len(), good.size);
            return Err(Failure::new(FaultCode::Unreadable, message));
        }
        self.read_back(&file).map_err(|failure| failure.of(&shown))
    }

    fn open(&self) -> Result<Folder<'_>, Failure> {
        let folder = Folder::open(&self.folder, &self.saved.id, self.saved.mount.as_deref())?;
        self.steps.step();
        Ok(folder)
    }

    /// Writes a file, and syncs it. Returns its length.
    fn write(&self, part: &Path) -> Result<u64, Failure> {
        let failed = |error: io::Error| Failure::io(&format!("could not write `{}`", part.display()), &error);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed)?;
        let (mut intake, outlet) = way(Handle::current(), self.stop.clone());
        thread::scope(|scope| {
            let reader = thread::Builder::new().name("backup-read".to_owned());
            let (content, steps) = (&self.content, &self.steps);
            let reader = reader.spawn_scoped(scope, move || {
                let written = (content.write)(&mut intake, &mut || steps.step());
                intake.end(written);
            });
            let reader = reader.map_err(|error| Failure::io("could not start a thread", &error))?;
            let written = self.receive(&file, outlet, &failed);
            // Its panic is in the log, and `written` knows that the end is missing.
            let _ = reader.join();
            written
        })
    }

    /// Writes what comes. The way is closed when this returns, so that the other thread ends.
    fn receive(
        &self,
        file: &File,
        mut outlet: mpsc::Receiver<Passed>,
        failed: &dyn Fn(io::Error) -> Failure,
    ) -> Result<u64, Failure> {
        let (mut file, mut size) = (Synced::new(file), 0);
        loop {
            match outlet.blocking_recv() {
                Some(Passed::Bytes(bytes)) => {
                    file.write_all(&bytes).map_err(failed)?;
                    size += bytes.len() as u64;
                    self.steps.step();
                }
                Some(Passed::End(Ok(()))) => break,
                Some(Passed::End(Err(_))) | None if self.stop.is_cancelled() => {
                    return Err(Failure::new(FaultCode::Stopped, "the backup was given up"));
                }
                Some(Passed::End(Err(error))) => {
                    let message = format!("could not read what is to be backed up: {error}");
                    return Err(Failure::new(FaultCode::Unreadable, message));
                }
                None => return Err(Failure::new(FaultCode::Bug, "reading the journal panicked")),
            }
        }
        file.sync().map_err(failed)?;
        Ok(size)
    }

    /// Reads a file as a restore does.
    fn read_back(&self, file: &Path) -> Result<(), Failure> {
        let opened = File::open(file).map_err(|error| Failure::io("cannot be opened", &error))?;
        // The system may have it in memory, as far as it lets go of it: the disk or the server is to show what it has.
        let _ = fadvise(&opened, 0, None, Advice::DontNeed);
        let counted = Counted { file: opened, steps: &self.steps, stop: &self.stop };
        let mut reader = BufReader::with_capacity(128 * 1024, counted);
        let checked = (self.content.check)(&mut reader);
        checked.map_err(|error| Failure::new(FaultCode::Unreadable, format!("cannot be read: {error}")))
    }
}

impl Failure {
    /// Returns it with the file that it is about.
    fn of(self, file: &str) -> Self {
        Self { message: format!("{file} {}", self.message), ..self }
    }
}

/// File whose reads are signs of life.
struct Counted<'a> {
    file: File,
    steps: &'a Steps,
    stop: &'a CancellationToken,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_cancelled() {
            return Err(io::Error::other("the check was given up"));
        }
        let count = self.file.read(buffer)?;
        self.steps.step();
        Ok(count)
    }
}

/// Lets every other thread go first, as far as the system permits it. Threads that it starts do the same.
fn lower_priority() {
    let _ = rustix::process::setpriority_process(None, NICE);
}

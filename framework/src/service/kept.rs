//! Open files that outlive a run: listening sockets, and files of sources, such as a GPIO line whose edges the kernel
//! goes on queueing. This process has the latter while a source restarts. systemd keeps both while the program restarts,
//! whatever ended it (sd_pid_notify_with_fds(3)), and passes them to the next one (sd_listen_fds(3)).

use std::{
    os::fd::{AsFd, BorrowedFd, IntoRawFd as _, OwnedFd},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustix::io::{FdFlags, fcntl_setfd};
use tracing::{debug, warn};

use super::notify;
use crate::SourceContext;

/// First bytes of the name of each file of a source.
const OF_SOURCE: &str = "source-";
/// Longest name that systemd takes.
const MAX_NAME: usize = 255;

/// Files from systemd that nobody has taken yet, and those of sources.
static FILES: LazyLock<Mutex<Vec<File>>> = LazyLock::new(|| Mutex::new(passed()));

struct File {
    name: String,
    file: OwnedFd,
    /// A source of this process has it.
    is_used: bool,
}

/// Takes over the files from the environment.
fn passed() -> Vec<File> {
    let passed = sd_listen_fds::get().unwrap_or_else(|error| {
        warn!("systemd passed files in a form that this program does not know: {error}");
        Vec::new()
    });
    let mut files = Vec::new();
    for (name, file) in passed {
        let file = file.into_std();
        // Programs that this one starts must not have them.
        match fcntl_setfd(&file, FdFlags::CLOEXEC) {
            Ok(()) => files.push(File { name: name.unwrap_or_default(), file, is_used: false }),
            // It is not open, so it must not be closed either.
            Err(_) => drop(file.into_raw_fd()),
        }
    }
    files
}

fn files() -> MutexGuard<'static, Vec<File>> {
    FILES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the first file for which `is_it` returns true.
pub(super) fn take(is_it: impl Fn(&str, BorrowedFd<'_>) -> bool) -> Option<(String, OwnedFd)> {
    let mut files = files();
    let at = files.iter().position(|file| is_it(&file.name, file.file.as_fd()))?;
    let file = files.swap_remove(at);
    Some((file.name, file.file))
}

/// Takes all files that are not those of a source.
pub(super) fn take_rest() -> Vec<(String, OwnedFd)> {
    let mut files = files();
    let rest = files.extract_if(.., |file| !file.name.starts_with(OF_SOURCE));
    rest.map(|file| (file.name, file.file)).collect()
}

/// Files that the sources of a program keep.
#[derive(Debug, Default)]
pub(super) struct Kept(Vec<KeptFile>);

impl Kept {
    /// Those that the program before has left.
    pub(super) fn left() -> Self {
        let place = |file: &File| KeptFile { name: (*file.name).into() };
        let is_left = |file: &&File| file.name.starts_with(OF_SOURCE) && !file.is_used;
        Self(files().iter().filter(is_left).map(place).collect())
    }

    /// Closes those that none of these sources keeps: they are gone from the configuration, or have changed.
    pub(super) fn retain<'a>(&mut self, sources: impl IntoIterator<Item = &'a SourceContext>) {
        let kept: Vec<_> = sources.into_iter().flat_map(|source| source.kept_files().all()).collect();
        for place in &self.0 {
            if kept.iter().all(|kept| kept.name != place.name) {
                debug!("closing `{}`, which no source keeps any more", place.name);
                place.close();
            }
        }
        self.0 = kept;
    }
}

/// Place for an open file that is kept while a source, or the program, restarts. A clone is the same place.
///
/// Its name is that of the source and of a key, which should have all that the file depends on: a file under another
/// key is closed.
#[derive(Debug, Clone)]
pub struct KeptFile {
    name: Arc<str>,
}

impl KeptFile {
    fn new(source: &str, key: &str) -> Self {
        Self { name: format!("{OF_SOURCE}{source}-{}", utf8_percent_encode(key, NON_ALPHANUMERIC)).into() }
    }

    /// Returns the file that is kept there, if there is one.
    pub fn get(&self) -> Option<OwnedFd> {
        let mut files = files();
        let kept = files.iter_mut().find(|kept| *kept.name == *self.name)?;
        kept.is_used = true;
        kept.file.try_clone().ok()
    }

    /// Keeps a file in place of the one before. It stays open when the source closes it.
    pub fn keep(&self, file: impl AsFd) {
        self.close();
        let file = match file.as_fd().try_clone_to_owned() {
            Ok(file) => file,
            Err(error) => return debug!("could not keep `{}`: {error}", self.name),
        };
        if self.name.len() <= MAX_NAME {
            notify::keep(&self.name, file.as_fd());
        }
        files().push(File { name: self.name.to_string(), file, is_used: true });
    }

    /// Closes the file that is kept there.
    pub fn close(&self) {
        let closed = files().extract_if(.., |kept| *kept.name == *self.name).count();
        if closed > 0 {
            notify::forget(&self.name);
        }
    }
}

/// Places of one source.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeptFiles(Arc<Mutex<Vec<KeptFile>>>);

impl KeptFiles {
    fn all(&self) -> Vec<KeptFile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl SourceContext {
    /// Returns a place for an open file that is kept while the source or the program restarts. Call it while the source
    /// is built: the files of places that nobody has asked for are closed. The same key is the same place.
    pub fn kept_file(&self, key: &str) -> KeptFile {
        let file = KeptFile::new(self.name(), key);
        let mut files = self.kept_files().0.lock().unwrap_or_else(PoisonError::into_inner);
        if files.iter().all(|known| known.name != file.name) {
            files.push(file.clone());
        }
        file
    }
}

//! State that survives a restart: offsets of counters, and sums of integrals.
//!
//! It is written before a batch shows it, so that no number runs backwards after the end of the process. Each state
//! goes to a file that is not synced, in memory if there is a folder; one a minute and the last one are synced to the
//! memory card, for the end of the machine.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use framework::{SourceContext, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::{counters::Counter, integral::Integral};

/// Time between two states on the memory card.
const SYNC_INTERVAL: Duration = Duration::from_secs(60);

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Number of this state: a later one has a greater number.
    number: u64,
    /// By source and reading.
    pub(crate) counters: BTreeMap<String, Counter>,
    /// By value.
    pub(crate) integrals: BTreeMap<String, Integral>,
}

/// Files of the state of one source.
#[derive(Debug)]
pub(crate) struct Files {
    /// The synced one.
    lasting: PathBuf,
    /// The one that has each state.
    fleeting: PathBuf,
    /// The copy of that one from a backup.
    restored: PathBuf,
    written: State,
    /// Time of the last sync, and the number of the state that it kept.
    synced: Option<(Instant, u64)>,
    /// Message that no state could be read although there was one.
    lost: Option<String>,
}

impl Files {
    /// The files of a source. Nothing is read yet.
    pub(crate) fn of(cx: &SourceContext) -> Self {
        let name = format!("derived-{}.json", cx.name());
        let restored = cx.program_state_dir().join(&name);
        let fleeting = match cx.runtime_dir() {
            Some(folder) => folder.join(name),
            None => cx.state_dir().join("recent.json"),
        };
        let lasting = cx.state_dir().join("derived.json");
        Self { lasting, fleeting, restored, written: State::default(), synced: None, lost: None }
    }

    /// Reads the latest state. A file that cannot be used is kept aside; where no other is left, [`Self::lost`] says so.
    pub(crate) fn load(&mut self) -> State {
        let (mut found, mut defects) = (Vec::new(), Vec::new());
        for path in [&self.lasting, &self.fleeting, &self.restored] {
            match read(path) {
                Ok(state) => found.extend(state),
                Err(defect) => defects.push(format!("{} {defect}{}", path.display(), keep_aside(path))),
            }
        }
        let defects = defects.join("; ");
        let newest = found.into_iter().max_by_key(|state: &State| state.number);
        match &newest {
            _ if defects.is_empty() => {}
            Some(_) => warn!("{defects}: the state of the other file is taken, which may be older"),
            None => {
                let today = Timestamp::now().strftime("%Y-%m-%d");
                let lost = format!(
                    "{defects}: no other state is left, so counters and integrals begin again on {today}"
                );
                error!("{lost}");
                self.lost = Some(lost);
            }
        }
        self.written = newest.unwrap_or_default();
        self.written.clone()
    }

    /// Returns what was lost at the start, until the next one.
    pub(crate) fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Writes a state, unless it is the last one.
    ///
    /// # Errors
    /// Returns the file that cannot be written, and the system's error.
    pub(crate) async fn save(&mut self, state: &mut State) -> Result<(), String> {
        if *state == self.written {
            return Ok(());
        }
        state.number = self.written.number + 1;
        write(&self.fleeting, state, false)?;
        self.written = state.clone();
        if self.synced.is_none_or(|(last, _)| last.elapsed() >= SYNC_INTERVAL) {
            self.sync().await?;
        }
        Ok(())
    }

    /// Writes the last state to the memory card.
    ///
    /// # Errors
    /// Returns the file that cannot be written, and the system's error.
    pub(crate) async fn sync(&mut self) -> Result<(), String> {
        let number = self.written.number;
        if number == self.synced.map_or(0, |(_, number)| number) {
            return Ok(());
        }
        self.synced = Some((Instant::now(), number));
        let (path, state) = (self.lasting.clone(), self.written.clone());
        // A memory card may take its time.
        let written = tokio::task::spawn_blocking(move || write(&path, &state, true)).await;
        written.unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Reads a state; `None` if there is no file.
fn read(path: &Path) -> Result<Option<State>, String> {
    match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|error| format!("is damaged ({error})")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot be read ({error})")),
    }
}

/// Renames a file that cannot be used, so that no state replaces it. Returns the end of a message about it.
fn keep_aside(path: &Path) -> String {
    let asides = (1_u32..).map(|n| {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".damaged-{n}"));
        PathBuf::from(aside)
    });
    let Some(aside) = asides.take(100).find(|aside| !aside.exists()) else { return String::new() };
    match fs::rename(path, &aside) {
        Ok(()) => format!(" and is kept as {}", aside.display()),
        Err(error) => format!(" and cannot be kept as {} ({error})", aside.display()),
    }
}

/// Replaces a file at once, so that it is whole whatever happens.
fn write(path: &Path, state: &State, sync: bool) -> Result<(), String> {
    let replace = || {
        let mut text = serde_json::to_vec(state)?;
        text.push(b'\n');
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(&new, path)?;
        if sync {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    replace().map_err(|error: io::Error| format!("could not write {}: {error}", path.display()))
}

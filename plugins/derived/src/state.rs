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

use framework::SourceContext;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::warn;

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
    written: State,
    /// Time of the last sync, and the number of the state that it kept.
    synced: Option<(Instant, u64)>,
}

impl Files {
    /// The files of a source. Nothing is read yet.
    pub(crate) fn of(cx: &SourceContext) -> Self {
        let fleeting = match cx.runtime_dir() {
            Some(folder) => folder.join(format!("derived-{}.json", cx.name())),
            None => cx.state_dir().join("recent.json"),
        };
        let lasting = cx.state_dir().join("derived.json");
        Self { lasting, fleeting, written: State::default(), synced: None }
    }

    /// Reads the latest state.
    pub(crate) fn load(&mut self) -> State {
        let found = [&self.lasting, &self.fleeting].into_iter().filter_map(|path| {
            let text = match fs::read(path) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                Err(error) => {
                    warn!("could not read {}: {error}; counters may begin again", path.display());
                    return None;
                }
            };
            let state = serde_json::from_slice::<State>(&text);
            state
                .inspect_err(|error| warn!("{} is damaged: {error}; an older state is taken", path.display()))
                .ok()
        });
        self.written = found.max_by_key(|state| state.number).unwrap_or_default();
        self.written.clone()
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

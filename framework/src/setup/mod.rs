//! Setup of the running program: its drop-ins, the devices of this machine, and the search for meters.

mod connection;
mod devices;
mod drop_ins;
mod permitted;
mod secrets;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub use self::{
    connection::test_connection,
    devices::{Devices, LineInfo, PortInfo, ProbeEvent, ProbedReading},
    drop_ins::{DropInError, DropIns, TOKEN_FILE},
};
use crate::{
    Changes, ConfigFiles, Control, Diagnostics, DropIn, Outline, Outlined, ReloadError, config::Examined,
};

/// Findings of a search that wait for a client who reads slowly.
const EVENTS: usize = 64;

/// Setup of the running program.
pub struct Setup {
    files: ConfigFiles,
    devices: Arc<dyn Devices>,
    /// Handle of the running program, once it has one.
    control: OnceLock<Control>,
    /// Held while a drop-in is checked, written and applied: one writer at a time.
    writing: Mutex<()>,
    /// The search for meters, of which there is one at a time: it opens ports exclusively.
    searching: Arc<Semaphore>,
}

/// A change that may be written.
struct Checked {
    change: DropIn,
    /// Folder of the drop-ins.
    folder: PathBuf,
    /// The configuration with it; its mistakes, if it had them before.
    config: Result<crate::Config, Diagnostics>,
}

/// Reason why a change was not saved.
#[derive(Debug)]
pub enum SaveError {
    /// The whole configuration would be wrong with it. Nothing was written.
    Wrong(Diagnostics),
    /// It cannot be written.
    DropIn(DropInError),
    /// The running program refuses it. The drop-in is as it was before.
    Refused(String),
}

/// What a change has done.
#[derive(Debug, Default, serde::Serialize)]
pub struct Saved {
    /// The drop-in.
    pub file: String,
    /// Sources, publishers and endpoints that were started.
    pub started: Vec<String>,
    /// Those that were stopped.
    pub stopped: Vec<String>,
    /// Those that were started again with other keys.
    pub restarted: Vec<String>,
    /// Those that people call otherwise now, and which went on.
    pub relabelled: Vec<String>,
    /// Number of the others.
    pub unchanged: usize,
    /// What takes effect only when the program starts again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
    /// Mistakes that the configuration has had before: until they are corrected, nothing is applied.
    #[serde(skip)]
    pub mistakes: Option<Diagnostics>,
}

impl Saved {
    fn of(file: String, changes: Changes) -> Self {
        let restart = changes.restart();
        let Changes { started, stopped, restarted, relabelled, unchanged, .. } = changes;
        Self { file, started, stopped, restarted, relabelled, unchanged, restart, mistakes: None }
    }
}

impl Setup {
    /// Setup of a program with this configuration, on a machine with these devices.
    pub fn new(files: ConfigFiles, devices: Arc<dyn Devices>) -> Self {
        let (control, writing) = (OnceLock::new(), Mutex::default());
        Self { files, devices, control, writing, searching: Arc::new(Semaphore::new(1)) }
    }

    /// Applies changes by this handle from now on.
    pub(crate) fn controlled_by(&self, control: Control) {
        let _ = self.control.set(control);
    }

    /// The files of the configuration.
    pub(crate) fn files(&self) -> &ConfigFiles {
        &self.files
    }

    /// Returns the sections as they are written, with all mistakes, and the texts of the drop-ins, without secrets.
    pub(crate) async fn outline(&self) -> Result<(Outline, Diagnostics, Vec<DropIn>), Diagnostics> {
        let files = self.files.clone();
        blocking(move || {
            let Examined { outline, mistakes, .. } = files.examine(None)?;
            let texts = DropIns::new(&outline.folder).masked();
            Ok((outline, mistakes, texts))
        })
        .await
    }

    /// Returns the devices of this machine, and the sources that read them.
    pub(crate) async fn devices(&self, outline: Option<&Outline>) -> (Vec<PortInfo>, Vec<LineInfo>) {
        let (devices, outline) = (Arc::clone(&self.devices), outline.cloned());
        blocking(move || {
            let mut ports = devices.ports();
            for port in &mut ports {
                let reader = outline.as_ref().and_then(|outline| outline.reader_of(&port.device));
                port.used_by = reader.map(str::to_owned);
            }
            (ports, devices.lines())
        })
        .await
    }

    /// Checks the whole configuration as it would be with a drop-in.
    pub(crate) async fn check(&self, change: DropIn) -> Result<(), SaveError> {
        self.checked(change).await?.config.map(drop).map_err(SaveError::Wrong)
    }

    /// Checks a change.
    async fn checked(&self, change: DropIn) -> Result<Checked, SaveError> {
        let (files, devices) = (self.files.clone(), Arc::clone(&self.devices));
        blocking(move || {
            let before = files.examine(None).map_err(SaveError::Wrong)?;
            let drop_ins = DropIns::new(&before.outline.folder);
            let (change, restored) = drop_ins.permitted(change).map_err(SaveError::DropIn)?;
            let after = files.examine(Some(&change)).map_err(SaveError::Wrong)?;
            let touched = connection::names_in("sources", change.text.as_deref().unwrap_or_default());
            if let Some(refused) =
                sources_of(&after.outline, &touched).find(|source| !devices.may_be_saved(&source.plugin))
            {
                return Err(SaveError::DropIn(DropInError::Program(refused.name.clone())));
            }
            secrets::check(&before.outline, &after.outline, &change.file, &restored)
                .map_err(SaveError::DropIn)?;
            let Some(config) = after.config else {
                // A file that is wrong must not keep others from being corrected or removed.
                let added = after.mistakes.beyond(&before.mistakes);
                if before.mistakes.is_empty() {
                    return Err(SaveError::Wrong(files.load_with(Some(&change)).err().unwrap_or(added)));
                }
                if !added.is_empty() {
                    return Err(SaveError::Wrong(added));
                }
                // A file that cannot be read may have secrets, or the plugin of a section.
                let is_vague = after.is_partial
                    && (secrets::has_new_receiver(&before.outline, &after.outline)
                        || sources_of(&after.outline, &touched).any(|source| source.plugin.is_empty()));
                if is_vague {
                    return Err(SaveError::Wrong(after.mistakes));
                }
                return Ok(Checked { change, folder: after.outline.folder, config: Err(after.mistakes) });
            };
            Ok(Checked { change, folder: after.outline.folder, config: Ok(config) })
        })
        .await
    }

    /// Connects to the remote server of the only publisher of a drop-in, as it would be with that drop-in.
    pub(crate) async fn test(
        &self,
        change: DropIn,
    ) -> Result<Result<String, crate::PublishError>, SaveError> {
        let names = connection::names_in("publishers", change.text.as_deref().unwrap_or_default());
        let mut config = self.checked(change).await?.config.map_err(SaveError::Wrong)?;
        config.publishers.retain(|publisher| names.contains(&publisher.name));
        let Some(publisher) = config.publishers.pop() else {
            return Err(SaveError::DropIn(DropInError::NoPublisher));
        };
        Ok(test_connection(publisher).await)
    }

    /// Writes a drop-in, or removes it, and applies the configuration. A change that makes it wrong, or more wrong than it
    /// is, is not written.
    pub(crate) async fn save(&self, change: DropIn) -> Result<Saved, SaveError> {
        let _one = self.writing.lock().await;
        let Checked { change, folder, config } = self.checked(change).await?;
        let file = change.file.clone();
        let mistakes = config.err();
        let replaced = {
            let folder = folder.clone();
            blocking(move || DropIns::new(&folder).replace(&change)).await.map_err(SaveError::DropIn)?
        };
        if mistakes.is_some() {
            return Ok(Saved { file, mistakes, ..Saved::default() });
        }
        let unknown = ReloadError::NoFiles;
        let reloaded = match self.control.get() {
            Some(control) => control.reload().await,
            None => Err(unknown),
        };
        match reloaded {
            Ok(changes) => Ok(Saved::of(file, changes)),
            // Everything is right: it only has to wait.
            Err(error @ (ReloadError::NeedsRestart(_) | ReloadError::NoFiles | ReloadError::Ending)) => {
                Ok(Saved { file, restart: Some(error.to_string()), ..Saved::default() })
            }
            Err(error) => {
                blocking(move || DropIns::new(&folder).write(&replaced)).await.map_err(SaveError::DropIn)?;
                Err(match error {
                    ReloadError::Wrong(mistakes) => SaveError::Wrong(mistakes),
                    error => SaveError::Refused(error.to_string()),
                })
            }
        }
    }

    /// Looks for meters, on a thread of its own: opening a port may block. Returns the findings; dropping them ends the
    /// search. `None` while another search runs.
    pub(crate) async fn probe(
        &self,
        ports: Vec<String>,
        stop: CancellationToken,
    ) -> Option<mpsc::Receiver<ProbeEvent>> {
        let permit = Arc::clone(&self.searching).try_acquire_owned().ok()?;
        let known = self.outline().await.map(|(outline, ..)| outline).unwrap_or_default();
        let (events, findings) = mpsc::channel(EVENTS);
        let gone = events.clone();
        let devices = Arc::clone(&self.devices);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime {
                runtime.block_on(async {
                    tokio::select! {
                        () = devices.probe(ports, known, events) => {}
                        () = gone.closed() => {}
                        () = stop.cancelled() => {}
                    }
                });
                runtime.shutdown_background();
            }
            drop(permit);
        };
        std::thread::Builder::new().name("probe".to_owned()).spawn(run).ok()?;
        Some(findings)
    }
}

/// Returns the sources with these names.
fn sources_of<'o>(outline: &'o Outline, names: &'o [String]) -> impl Iterator<Item = &'o Outlined> {
    outline.sources.iter().filter(|source| names.contains(&source.name))
}

/// Runs what blocks for a disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

//! `reload`: has the program that runs on this machine reload its configuration, and returns the result.
//!
//! It is asked through a socket in the state folder of the configuration, else in the runtime folder of the service: HTTP
//! may listen where this command does not look, as `listen` may be what was changed. Only its user and root can open the socket.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use framework::{Changes, ReloadError, Reloader, ServerConfig, backup::Places};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    time::{sleep, timeout},
};
use tracing::warn;

use crate::{config_file::ConfigFile, failure::Failure};

/// Name of the socket in its folder.
const SOCKET: &str = "control.sock";
/// Runtime folder of the service.
const OF_SERVICE: &str = "/run/smartmeter";
/// State folder of the service.
const STATE_OF_SERVICE: &str = "/var/lib/smartmeter";
/// The only question so far.
const RELOAD: &str = "reload\n";
/// Limit for a question, and for its client to take the answer.
const PROMPT: Duration = Duration::from_secs(5);
/// Pause after a client that could not be accepted.
const PAUSE: Duration = Duration::from_secs(1);
/// Limit for an answer: files may be on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest question and answer.
const LONGEST: u64 = 1 << 20;

/// What a reload has come to: a text of whole lines.
#[derive(Serialize, Deserialize)]
struct Answer {
    done: bool,
    text: String,
}

/// Returns the place of the socket of a program with this configuration.
pub(crate) fn socket(server: &ServerConfig) -> PathBuf {
    server.runtime_dir.as_deref().unwrap_or(&server.state_dir).join(SOCKET)
}

/// Answers those who ask for a reload, one after the other, until it is dropped.
pub(crate) async fn serve(path: PathBuf, reloader: Reloader) {
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(error) => {
            return warn!(
                "`smartmeter reload` cannot reach this program, as {} cannot be made: {error}; SIGHUP reloads, too",
                path.display()
            );
        }
    };
    loop {
        // The system may have no file left for a moment.
        let Ok((mut client, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let mut question = String::new();
        let mut read = tokio::io::BufReader::new((&mut client).take(RELOAD.len() as u64));
        let asked = timeout(PROMPT, read.read_line(&mut question)).await;
        if !matches!(asked, Ok(Ok(_))) || question != RELOAD {
            continue;
        }
        let answer = Answer::of(&reloader.reload().await);
        let answer = serde_json::to_vec(&answer).unwrap_or_default();
        // Who asked may be gone.
        let _ = timeout(PROMPT, client.write_all(&answer)).await;
    }
}

/// Takes the place of a socket that an earlier run has left.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another program serves there"));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Answer {
    fn of(result: &Result<Changes, ReloadError>) -> Self {
        match result {
            Ok(changes) => {
                let restart = changes.restart().map(|restart| format!("{restart}\n")).unwrap_or_default();
                Self { done: true, text: format!("{changes}\n{restart}") }
            }
            Err(error) => Self { done: false, text: format!("{error}\n") },
        }
    }
}

/// Asks for a reload, prints what it has changed, and fails if it has changed nothing because of mistakes.
pub(crate) fn run(file: &ConfigFile) -> Result<(), Failure> {
    let of_service = [env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from), Some(OF_SERVICE.into())];
    // A configuration with mistakes may be the one to reload; the program says so.
    let of_config =
        file.load().map_or_else(|_| file.probable_state_dir(), |config| Some(config.server.state_dir));
    // Its own program first: the service may run beside it.
    let places: Vec<_> =
        [of_config].into_iter().chain(of_service).flatten().map(|folder| folder.join(SOCKET)).collect();
    let mut reason = io::Error::from(io::ErrorKind::NotFound);
    for place in &places {
        match UnixStream::connect(place) {
            Ok(program) => {
                let answer = ask(program).map_err(|error| {
                    Failure::fault(format!("the program did not say whether it has reloaded: {error}\n"))
                })?;
                return match answer.done {
                    true => Ok(io::stdout().lock().write_all(answer.text.as_bytes())?),
                    false => Err(Failure::fault(answer.text)),
                };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => reason = io::Error::new(error.kind(), format!("{}: {error}", place.display())),
        }
    }
    Err(Failure::fault(format!(
        "no smartmeter that runs could be reached: {reason}\nhint: is it running, and are you its user or root?\n"
    )))
}

/// Returns whether a program runs with these folders, also one without a journal.
pub(crate) fn is_running(places: &Places) -> bool {
    let linked = places.journal.as_deref().and_then(framework::journal::backup::runtime_dir);
    // A command has not the environment of the service.
    let of_service = (places.state_dir == Path::new(STATE_OF_SERVICE)).then(|| PathBuf::from(OF_SERVICE));
    let folders = [
        Some(places.state_dir.clone()),
        places.runtime_dir.clone(),
        linked.map(|(folder, _)| folder),
        of_service,
    ];
    folders.into_iter().flatten().any(|folder| UnixStream::connect(folder.join(SOCKET)).is_ok())
}

fn ask(mut program: UnixStream) -> io::Result<Answer> {
    program.set_read_timeout(Some(PATIENCE))?;
    program.set_write_timeout(Some(PROMPT))?;
    program.write_all(RELOAD.as_bytes())?;
    let mut answer = Vec::new();
    program.take(LONGEST).read_to_end(&mut answer)?;
    serde_json::from_slice(&answer).map_err(|_| io::Error::other("it has ended meanwhile"))
}

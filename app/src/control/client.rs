//! The side of a command.

use std::{
    env,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use framework::backup::Places;

use super::{Amounts, Answer, Message, Question, SOCKET};
use crate::{config_file::ConfigFile, failure::Failure};

/// Runtime folder of the service.
const OF_SERVICE: &str = "/run/smartmeter";
/// State folder of the service.
const STATE_OF_SERVICE: &str = "/var/lib/smartmeter";
/// Limit for the program to take the question.
const PROMPT: Duration = Duration::from_secs(5);
/// Limit for a line of the answer: files may be on a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest line of an answer.
const LONGEST: u64 = 1 << 20;

/// Asks the program of a configuration, and passes each report on the way. Returns the result's text.
///
/// # Errors
/// Returns a failure if no program answers, or with the text of one that has not done it.
pub(crate) fn ask(
    file: &ConfigFile,
    question: &Question,
    report: impl FnMut(Amounts),
) -> Result<String, Failure> {
    let of_service = [env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from), Some(OF_SERVICE.into())];
    // A configuration with mistakes may be the one to reload; the program says so.
    let of_config =
        file.load().map_or_else(|_| file.probable_state_dir(), |config| Some(config.server.state_dir));
    // Its own program first: the service may run beside it.
    let places: Vec<_> =
        [of_config].into_iter().chain(of_service).flatten().map(|folder| folder.join(SOCKET)).collect();
    let mut reason = None;
    for place in &places {
        match UnixStream::connect(place) {
            Ok(program) => {
                let answer = answer(program, question, report).map_err(|error| {
                    Failure::fault(format!("the program did not say whether it has done that: {error}\n"))
                })?;
                return if answer.done { Ok(answer.text) } else { Err(Failure::fault(answer.text)) };
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => reason = Some(format!(": {}: {error}", place.display())),
        }
    }
    let reason = reason.unwrap_or_default();
    Err(Failure::fault(format!(
        "no smartmeter that runs could be reached{reason}\nhint: is it running, and are you its user or root?\n"
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

pub(super) fn answer(
    mut program: UnixStream,
    question: &Question,
    mut report: impl FnMut(Amounts),
) -> io::Result<Answer> {
    program.set_read_timeout(Some(PATIENCE))?;
    program.set_write_timeout(Some(PROMPT))?;
    program.write_all(question.line().as_bytes())?;
    let mut program = BufReader::new(program);
    loop {
        let mut line = Vec::new();
        (&mut program).take(LONGEST).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            let message =
                "it has ended meanwhile, or is an older one that cannot do it: restart it, and ask again";
            return Err(io::Error::other(message));
        }
        match serde_json::from_slice(&line)? {
            Message::Progress { progress } => report(progress),
            Message::Answer(answer) => return Ok(answer),
        }
    }
}

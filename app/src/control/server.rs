//! The side of the running program.

use std::{
    fs, io,
    os::unix::{fs::PermissionsExt as _, net::UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    time::Duration,
};

use framework::{Changes, Control, ReloadError, Republication};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{Amounts, Answer, Message, Publish, Question};

/// Limit for a question, and for its client to take a line of the answer.
const PROMPT: Duration = Duration::from_secs(5);
/// Pause after a client that could not be accepted.
const PAUSE: Duration = Duration::from_secs(1);
/// Interval of reports while nothing new is known.
const BEAT: Duration = Duration::from_secs(2);
/// Longest question.
const LONGEST: u64 = 4096;
/// Most clients at once. Further ones wait.
const CLIENTS: usize = 16;

/// Answers those who ask, until it is dropped.
pub(crate) async fn serve(path: PathBuf, control: Control) {
    let listener = match listen(&path) {
        Ok(listener) => listener,
        Err(error) => {
            return warn!(
                "`smartmeter reload` and `smartmeter publish` cannot reach this program, as {} cannot be made: {error}; \
                 SIGHUP reloads, too",
                path.display()
            );
        }
    };
    let mut clients = JoinSet::new();
    loop {
        while clients.try_join_next().is_some() {}
        if clients.len() >= CLIENTS {
            clients.join_next().await;
        }
        // The system may have no file left for a moment.
        let Ok((client, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        clients.spawn(answer(client, control.clone()));
    }
}

/// Takes the place of a socket that an earlier run has left.
fn listen(path: &Path) -> io::Result<UnixListener> {
    if StdUnixStream::connect(path).is_ok() {
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

/// Answers one client.
async fn answer(client: UnixStream, control: Control) {
    let (read, mut write) = client.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    let asked = timeout(PROMPT, (&mut read).take(LONGEST).read_line(&mut line)).await;
    let Some(question) = line.strip_suffix('\n').filter(|_| matches!(asked, Ok(Ok(_)))) else { return };
    let answer = match Question::parse(question) {
        Some(Question::Reload) => Answer::of(&control.reload().await),
        Some(Question::Publish(Publish { publisher, from, to })) => {
            match control.republish(&publisher, from..to).await {
                Ok(publication) => match follow(publication, &mut read, &mut write).await {
                    Some(answer) => answer,
                    // The client has gone.
                    None => return,
                },
                Err(error) => Answer { done: false, text: format!("{error}\n") },
            }
        }
        None => Answer { done: false, text: "the program does not know this question\n".to_owned() },
    };
    // Who asked may be gone.
    let _ = send(&mut write, &Message::Answer(answer)).await;
}

/// Reports the progress until the end, and returns the result; `None` if the client has gone, which cancels the rest.
async fn follow(
    mut publication: Republication,
    read: &mut BufReader<OwnedReadHalf>,
    write: &mut OwnedWriteHalf,
) -> Option<Answer> {
    let mut amounts = Amounts::default();
    loop {
        tokio::select! {
            progress = publication.progress() => match progress {
                Ok(Some(progress)) => amounts = progress.into(),
                Ok(None) => return Some(Answer { done: true, text: text(amounts.done) }),
                Err(error) => return Some(Answer { done: false, text: format!("{error}\n") }),
            },
            // It says nothing more before it ends.
            _ = read.read_u8() => return None,
            () = sleep(BEAT) => {}
        }
        send(write, &Message::Progress { progress: amounts }).await.ok()?;
    }
}

fn text(hours: u64) -> String {
    match hours {
        0 => "there was nothing to send: no selected series has a complete hour in this time\n".to_owned(),
        1 => "sent 1 hour again\n".to_owned(),
        hours => format!("sent {hours} hours again\n"),
    }
}

async fn send(client: &mut OwnedWriteHalf, message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    timeout(PROMPT, client.write_all(&line)).await?
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

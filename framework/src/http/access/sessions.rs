//! Sessions of browsers that have logged in: a cookie in place of the token.
//!
//! A cookie has 256 random bits. Here only a hash of it is kept, with a hash of the token that opened the session: a
//! session ends with its token. They are also in a file, so that a restart logs nobody out.

use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::warn;
use uuid::Uuid;
use warp::http::{HeaderMap, header};

use crate::Secret;

/// Time until a session ends by itself, in seconds: a year, so that a tablet on a wall stays logged in.
pub(super) const LIFETIME: i64 = 365 * 24 * 60 * 60;
/// Most sessions; the one that ends first makes room.
const SESSIONS: usize = 128;
/// Longest file that is read.
const LONGEST: u64 = 64 * 1024;
/// Bytes of a cookie.
const BYTES: usize = 32;

/// Sessions of all browsers.
pub(super) struct Sessions {
    /// Name of the cookie. Cookies do not tell ports apart, so it has that of this program.
    cookie: String,
    file: PathBuf,
    /// All sessions, by the hash of their cookie. Each request with a cookie holds the lock for a moment.
    open: Mutex<HashMap<Uuid, Session>>,
    /// Held by the thread that writes the file.
    writing: Mutex<()>,
}

/// Session of one browser.
#[derive(Clone, Copy)]
struct Session {
    /// Hash of the token that opened it.
    granted: Uuid,
    /// End, in seconds since 1970.
    ends: i64,
}

impl Sessions {
    /// Sessions in a file of `folder`, of the program at this port.
    pub(super) fn new(folder: &Path, port: u16) -> Self {
        let file = folder.join("sessions");
        let (open, writing) = (Mutex::new(read(&file)), Mutex::default());
        Self { cookie: format!("smartmeter-{port}"), file, open, writing }
    }

    /// Opens a session for who has shown a token, and returns the cookie's value.
    ///
    /// # Errors
    /// Returns the system's error if it has no random numbers.
    pub(super) fn open(&self, token: &Secret) -> io::Result<String> {
        let mut random = [0; BYTES];
        fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let value: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let (name, now) = (hash(&value), now());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| session.ends > now);
        if open.len() >= SESSIONS
            && let Some(first) = open.iter().min_by_key(|(_, session)| session.ends).map(|(name, _)| *name)
        {
            open.remove(&first);
        }
        open.insert(name, Session { granted: granted(&name, token), ends: now.saturating_add(LIFETIME) });
        Ok(value)
    }

    /// Ends the sessions of a request.
    pub(super) fn end(&self, headers: &HeaderMap) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for value in self.values(headers) {
            open.remove(&hash(value));
        }
    }

    /// Returns whether a request has a session that this token has opened.
    pub(super) fn has(&self, headers: &HeaderMap, token: Option<&Secret>) -> bool {
        let Some(token) = token else { return false };
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Another program on this machine may have a cookie of the same name below another path.
        self.values(headers).any(|value| {
            let name = hash(value);
            open.get(&name)
                .is_some_and(|session| session.ends > now() && session.granted == granted(&name, token))
        })
    }

    /// Returns the cookies' values of a request.
    fn values<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, value)| *name == self.cookie && value.len() == 2 * BYTES).map(|(_, value)| value)
    }

    /// Returns a `Set-Cookie`. It names no path: browsers take that of the page, which a proxy may have changed.
    pub(super) fn set_cookie(&self, value: &str, lifetime: i64, is_encrypted: bool) -> String {
        let secure = if is_encrypted { "; Secure" } else { "" };
        format!("{}={value}; Max-Age={lifetime}; HttpOnly; SameSite=Strict{secure}", self.cookie)
    }

    /// Writes the file. It blocks.
    pub(super) fn save(&self) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = |open: &HashMap<Uuid, Session>| -> String {
            open.iter()
                .map(|(name, session)| format!("{name} {} {}\n", session.granted, session.ends))
                .collect()
        };
        let text = lines(&self.open.lock().unwrap_or_else(PoisonError::into_inner));
        if let Err(error) = write(&self.file, &text) {
            let shown = self.file.display();
            warn!("could not write {shown}: {error}; after a restart, browsers must log in again");
        }
    }
}

/// Returns what stands for a cookie here.
fn hash(value: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, value.as_bytes())
}

/// Returns what stands for a token in one session.
fn granted(name: &Uuid, token: &Secret) -> Uuid {
    Uuid::new_v5(name, token.reveal().as_bytes())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Reads the sessions in a file. What is not understood is left out: then somebody logs in again.
fn read(file: &Path) -> HashMap<Uuid, Session> {
    let mut text = String::new();
    if fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text)).is_err() {
        return HashMap::new();
    }
    let sessions = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (name, granted) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((name, Session { granted, ends: words.next()?.parse().ok()? }))
    });
    sessions.take(SESSIONS).collect()
}

/// Replaces a file that nobody else may read.
fn write(file: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = file.with_extension("new");
    let _ = fs::remove_file(&new);
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?.write_all(text.as_bytes())?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn token(text: &str) -> Secret {
        let text = format!("[server]\ntoken = \"{text}\"");
        Config::parse("config.toml", &text, &[]).unwrap().server.token.unwrap()
    }

    fn with(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; smartmeter-8080={value}").parse().unwrap());
        headers
    }

    #[test]
    fn a_thousand_logins_take_little_memory_and_a_small_file() {
        let folder = tempfile::tempdir().unwrap();
        let (sessions, token) = (Sessions::new(folder.path(), 8080), token("s3cret"));
        let values: Vec<_> = (0..1000).map(|_| sessions.open(&token).unwrap()).collect();
        assert_eq!(sessions.open.lock().unwrap().len(), SESSIONS);
        sessions.save();
        let length = fs::metadata(&sessions.file).unwrap().len();
        assert!(length < LONGEST, "{length}");
        let text = fs::read_to_string(&sessions.file).unwrap();
        assert!(values.iter().all(|value| !text.contains(value)), "the file opens no session");
        assert_eq!(values.iter().filter(|value| sessions.has(&with(value), Some(&token))).count(), SESSIONS);
    }

    #[test]
    fn a_session_survives_a_restart_and_ends_with_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let (before, right, other) = (Sessions::new(folder.path(), 8080), token("s3cret"), token("another"));
        let value = before.open(&right).unwrap();
        before.save();
        let after = Sessions::new(folder.path(), 8080);
        assert!(after.has(&with(&value), Some(&right)));
        assert!(!after.has(&with(&value), Some(&other)));
        assert!(!after.has(&with(&value), None));
        for guess in ["", "0", &"0".repeat(64), &value[1..], &value.to_uppercase(), &hash(&value).to_string()]
        {
            assert!(!after.has(&with(guess), Some(&right)) || guess == value, "{guess}");
        }
        after.end(&with(&value));
        assert!(!after.has(&with(&value), Some(&right)));
        // A file with anything in it opens nothing.
        fs::write(&after.file, b"x\n\xff\n- - -\n").unwrap();
        assert!(Sessions::new(folder.path(), 8080).open.lock().unwrap().is_empty());
    }
}

//! Writing of drop-ins.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::{
        fd::AsFd as _,
        unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Gid, Mode, Uid, fchmod, fchown},
    process::geteuid,
};

use super::{permitted, secrets};
use crate::{DropIn, FaultCode};

/// Permissions of a drop-in, which may hold a secret.
const MODE: u32 = 0o640;
/// Permissions of their folder.
const FOLDER_MODE: u32 = 0o750;
/// Longest name of a drop-in.
const MAX_NAME: usize = 96;
/// Largest drop-in that is written, in bytes.
const MAX_SIZE: usize = 64 * 1024;

/// Name of the drop-in that `smartmeter token` writes again each time.
pub const TOKEN_FILE: &str = "90-token.toml";

/// The folder of the drop-ins.
#[derive(Debug)]
pub struct DropIns {
    folder: PathBuf,
}

/// Reason why a drop-in was not written.
#[derive(Debug, thiserror::Error)]
pub enum DropInError {
    /// Its name is not one of a drop-in.
    #[error(
        "`{0}` is not the name of a drop-in: expected two digits, a name and `.toml`, such as `10-house.toml`"
    )]
    Name(String),
    /// It is too large.
    #[error("a drop-in has at most {MAX_SIZE} bytes")]
    Large,
    /// There is no such file.
    #[error("there is no drop-in `{0}`")]
    Missing(String),
    /// A secret that is not shown is not known either.
    #[error("`{0}` is `{mask}`, which stands for a secret that is not shown, and none is known here: write the secret", mask = secrets::MASK)]
    Masked(String),
    /// A secret would be sent elsewhere than it was saved for.
    #[error("write `{secret}` again, because `{changed}` was changed")]
    Moved {
        /// The key of the secret.
        secret: String,
        /// The key with another value than before.
        changed: &'static str,
    },
    /// A secret in another file would be sent elsewhere than it was written for.
    #[error("`{changed}` decides where `{secret}` in {place} is sent: change both in one file")]
    Apart {
        /// The key of the secret.
        secret: String,
        /// The key with another value than before.
        changed: &'static str,
        /// The file with the secret.
        place: String,
    },
    /// A key of it names a file, or opens the program to others.
    #[error("`{0}` cannot be set here: write it into `config.toml`")]
    Key(String),
    /// The file of the token has something else in it.
    #[error("`{TOKEN_FILE}` is for `[server]` alone: save the rest under another name")]
    TokenFile,
    /// The token would be lost.
    #[error("`{TOKEN_FILE}` has the token, which this text lacks: keep its line `token`, or remove the file")]
    TokenLost,
    /// A source of it runs a program.
    #[error("`{0}` runs a program, which no client may choose: write that source into `config.toml`")]
    Program(String),
    /// The text has not exactly one publisher.
    #[error("the text has no publisher that could be tested: expected one `[publishers.<name>]`")]
    NoPublisher,
    /// The system refuses to write it.
    #[error("could not write {path}: {error}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

impl DropInError {
    /// Returns its kind, for clients that say it in their own words.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "wrong_name",
            Self::Large => "body_too_large",
            Self::Missing(_) => "not_found",
            Self::Masked(_) | Self::Moved { .. } => "secret_needed",
            Self::Apart { .. } => "secret_elsewhere",
            Self::Key(_) => "key_not_permitted",
            Self::TokenFile => "token_alone",
            Self::TokenLost => "token_lost",
            Self::Program(_) => "program_not_permitted",
            Self::NoPublisher => "no_publisher",
            Self::Io { error, .. } => FaultCode::from(error).as_str(),
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        let Self::Io { path, error } = self else { return None };
        Some(match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "the disk is full: make room, and save it again; nothing was changed".to_owned()
            }
            io::ErrorKind::PermissionDenied => {
                format!("the program may not write there: `ls -ld {}` shows who may", path.display())
            }
            io::ErrorKind::ReadOnlyFilesystem => {
                "the file system is read-only: `state_dir` must be on one that can be written".to_owned()
            }
            _ => "nothing was changed".to_owned(),
        })
    }
}

/// Returns whether the program writes drop-ins of this name: `10-house.toml`.
fn is_name(file: &str) -> bool {
    let stem = file.strip_suffix(".toml").unwrap_or_default();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match stem.as_bytes() {
        [a, b, b'-', name @ ..] => {
            a.is_ascii_digit()
                && b.is_ascii_digit()
                && !name.is_empty()
                && file.len() <= MAX_NAME
                && name.iter().copied().all(is_word)
        }
        _ => false,
    }
}

impl DropIns {
    /// The drop-ins in a folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Returns the drop-ins, with a mask in place of each secret. The text of one that cannot be read is `None`.
    pub(super) fn masked(&self) -> Vec<DropIn> {
        let files = crate::config::drop_ins(&self.folder).unwrap_or_default();
        let drop_ins = files.into_iter().map(|file| {
            let text = fs::read_to_string(self.folder.join(&file)).ok();
            DropIn { text: text.as_deref().and_then(secrets::masked), file }
        });
        drop_ins.collect()
    }

    /// Checks that a change may be written, and replaces the masks in it by the secrets of the present file. Returns the
    /// paths of their keys, too.
    ///
    /// # Errors
    /// Returns the reason why it cannot be written.
    pub(super) fn permitted(&self, change: DropIn) -> Result<(DropIn, Vec<String>), DropInError> {
        let DropIn { file, text } = change;
        let Some(text) = text else {
            let known = crate::config::drop_ins(&self.folder).unwrap_or_default();
            return match known.contains(&file) {
                true => Ok((DropIn { file, text: None }, Vec::new())),
                false => Err(DropInError::Missing(file)),
            };
        };
        if !is_name(&file) {
            return Err(DropInError::Name(file));
        }
        if text.len() > MAX_SIZE {
            return Err(DropInError::Large);
        }
        let old = fs::read_to_string(self.folder.join(&file)).unwrap_or_default();
        let (text, restored) = secrets::unmasked(&text, &old)?;
        permitted::check(&file, &text, &old)?;
        Ok((DropIn { file, text: Some(text) }, restored))
    }

    /// Writes a drop-in, or removes it. Returns what was there before.
    ///
    /// # Errors
    /// Returns the reason why it was not written. Nothing has changed then.
    pub(super) fn replace(&self, change: &DropIn) -> Result<DropIn, DropInError> {
        let path = self.folder.join(&change.file);
        let before = match fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(DropInError::Io { path, error }),
        };
        self.write(change)?;
        Ok(DropIn { file: change.file.clone(), text: before })
    }

    /// Writes a drop-in, or removes it. After a power cut, either the old or the new one is there, whole.
    ///
    /// # Errors
    /// Returns the reason why it was not written. Nothing has changed then.
    pub fn write(&self, change: &DropIn) -> Result<(), DropInError> {
        let path = self.folder.join(&change.file);
        let failed = |error| DropInError::Io { path: path.clone(), error };
        match &change.text {
            Some(text) => self.put(&path, &change.file, text).map_err(failed),
            None => fs::remove_file(&path).and_then(|()| self.sync()).map_err(failed),
        }
    }

    fn put(&self, path: &Path, file: &str, text: &str) -> io::Result<()> {
        let owner = self.make_folder()?;
        // Hidden, so that it is no drop-in if it stays.
        let draft = self.folder.join(format!(".{file}.tmp"));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written =
            File::options().write(true).create_new(true).mode(MODE).open(&draft).and_then(|mut new| {
                // Whatever the process's mask is.
                fchmod(new.as_fd(), Mode::from_raw_mode(MODE))?;
                owner.give(&new)?;
                new.write_all(text.as_bytes())?;
                new.sync_all()?;
                fs::rename(&draft, path)
            });
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written.and_then(|()| self.sync())
    }

    /// Makes the folder unless it is there. Returns the owner of what is written there.
    fn make_folder(&self) -> io::Result<Owner> {
        if let Some(state_dir) = self.folder.parent() {
            fs::create_dir_all(state_dir)?;
            let owner = Owner::of(state_dir)?;
            match DirBuilder::new().mode(FOLDER_MODE).create(&self.folder) {
                Ok(()) => {
                    owner.give(&File::open(&self.folder)?)?;
                    File::open(state_dir)?.sync_all()?;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Owner::of(&self.folder)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// Owner of a folder, who is to read what root writes there.
struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    fn of(folder: &Path) -> io::Result<Self> {
        let found = fs::metadata(folder)?;
        Ok(Self { uid: Uid::from_raw(found.uid()), gid: Gid::from_raw(found.gid()) })
    }

    /// Gives a file to this owner, as only root can.
    fn give(&self, file: &File) -> io::Result<()> {
        if geteuid().is_root() {
            fchown(file.as_fd(), Some(self.uid), Some(self.gid))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_digits_and_a_name_make_a_drop_in_that_is_written() {
        let long = format!("10-{}.toml", "a".repeat(90));
        for file in ["10-house.toml", "00-a.toml", "99-Heat_pump-2.toml"] {
            assert!(is_name(file), "{file}");
        }
        for file in [
            "",
            ".toml",
            "10-.toml",
            "10.toml",
            "house.toml",
            "1-house.toml",
            "10-house",
            "10-house.toml~",
            "10-house.toml.tmp",
            "10-../x.toml",
            "../10-house.toml",
            "/10-house.toml",
            "10-a/b.toml",
            "10-a\0.toml",
            "10-a b.toml",
            "10-ä.toml",
            ".10-a.toml",
            "10-a.toml\n",
            "10-a.b.toml",
            &long,
        ] {
            assert!(!is_name(file), "{file}");
        }
    }
}

//! Reading of the file, which may be anything.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use rustix::fs::OFlags;

/// Largest file: a thousand sources fit into it.
const MAX_SIZE: u64 = 1024 * 1024;

/// Use of a file, for the hints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// `config.toml`, which `--config` chooses.
    Main,
    /// A file in `config.d`.
    DropIn,
}

/// Reads a file as text.
///
/// # Errors
/// Returns the mistake, and a hint.
pub(super) fn read(path: &Path, of: Use) -> Result<String, (String, String)> {
    let shown = path.display();
    let unreadable = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound if of == Use::DropIn => "remove the link, or make its file".to_owned(),
            io::ErrorKind::NotFound => format!("`smartmeter sample d0 > {shown}` begins one"),
            io::ErrorKind::PermissionDenied => format!(
                "this user may not read it, or may not enter its folder: run it with `sudo`; `ls -l {shown}` shows who may"
            ),
            _ if of == Use::DropIn => format!("remove it: `rm {shown}`"),
            _ => "choose another file with `--config`".to_owned(),
        };
        (format!("could not read this file: {error}"), hint)
    };
    // A pipe would block, and a device would never end.
    let found = fs::metadata(path).map_err(unreadable)?;
    if found.is_dir() {
        let hint = match of {
            Use::Main => {
                format!("write the file's own name: `--config {}`", path.join("config.toml").display())
            }
            Use::DropIn => "move it elsewhere: a drop-in is a file".to_owned(),
        };
        return Err(("this is a folder, not a file".to_owned(), hint));
    }
    if !found.is_file() {
        let hint = match of {
            Use::Main => "write the text into a file, and choose that with `--config`".to_owned(),
            Use::DropIn => format!("remove it: `rm {shown}`"),
        };
        return Err(("this is a device or a pipe, not a regular file".to_owned(), hint));
    }
    let mut bytes = Vec::new();
    let opened = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    opened.and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SIZE {
        let hint = "a configuration has a few kilobytes: is it another file?".to_owned();
        return Err(("this file is larger than 1 MiB".to_owned(), hint));
    }
    text(bytes).map_err(|(message, encoding)| {
        let hint = format!("save it as UTF-8 in the editor, or with `iconv -f {encoding} -t UTF-8 {shown}`");
        (message, hint)
    })
}

/// Returns the text, or the mistake and the name of the encoding that it probably has.
fn text(bytes: Vec<u8>) -> Result<String, (String, &'static str)> {
    let zeros = bytes.iter().filter(|&&byte| byte == 0).count();
    let encoding = match bytes[..] {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        // Without a mark, each second byte of Latin letters is 0.
        _ if zeros * 3 > bytes.len() => Some(if bytes[0] == 0 { "UTF-16BE" } else { "UTF-16LE" }),
        _ => None,
    };
    if let Some(encoding) = encoding {
        return Err((format!("this file is {encoding}, expected UTF-8"), encoding));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (valid, at) = (error.utf8_error(), error.utf8_error().valid_up_to());
        let line = error.as_bytes()[..at].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        let what = if valid.error_len().is_none() { "ends within a character" } else { "is not UTF-8" };
        (format!("line {line} {what} (byte 0x{byte:02x})"), "ISO-8859-1")
    })
}

//! The file itself: one that is missing, huge, a device, or in another encoding.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use framework::ConfigFiles;

fn load(path: &Path) -> String {
    ConfigFiles::new(Some(path.to_owned()))
        .load()
        .err()
        .map(|mistakes| mistakes.to_string())
        .unwrap_or_default()
}

#[test]
fn what_is_no_file_of_text_is_refused_at_once_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let utf16 = |order: fn(u16) -> [u8; 2]| "[server]\n".encode_utf16().flat_map(order).collect::<Vec<_>>();
    for (name, bytes) in [
        ("utf-16le", [&[0xff, 0xfe][..], &utf16(u16::to_le_bytes)].concat()),
        ("utf-16be", [&[0xfe, 0xff][..], &utf16(u16::to_be_bytes)].concat()),
        ("utf-16 without a mark", utf16(u16::to_le_bytes)),
        ("latin-1", b"[server]\n# K\xfcche\n".to_vec()),
        ("cut", b"# K\xc3".to_vec()),
        ("huge", vec![b'#'; 1024 * 1024 + 1]),
        ("largest", vec![b'#'; 1024 * 1024]),
    ] {
        fs::write(path(name), bytes).unwrap();
    }
    rustix::fs::mknodat(rustix::fs::CWD, path("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for (file, expected, hint) in [
        (path("missing"), "could not read this file: ", "`smartmeter sample d0 > "),
        (path("missing/config.toml"), "could not read this file: ", "`smartmeter sample d0 > "),
        (folder.path().to_owned(), "this is a folder", "config.toml`"),
        (path("fifo"), "not a regular file", "write the text into a file"),
        ("/dev/zero".into(), "not a regular file", "write the text into a file"),
        ("/dev/null".into(), "not a regular file", "write the text into a file"),
        (path("huge"), "larger than 1 MiB", "is it another file?"),
        (path("utf-16le"), "this file is UTF-16, expected UTF-8", "iconv -f UTF-16 -t UTF-8"),
        (path("utf-16be"), "this file is UTF-16, expected UTF-8", "iconv -f UTF-16 -t UTF-8"),
        (
            path("utf-16 without a mark"),
            "this file is UTF-16LE, expected UTF-8",
            "iconv -f UTF-16LE -t UTF-8",
        ),
        (path("latin-1"), "line 2 is not UTF-8 (byte 0xfc)", "iconv -f ISO-8859-1 -t UTF-8"),
        (path("cut"), "line 1 ends within a character", "save it as UTF-8"),
    ] {
        let shown = load(&file);
        assert!(shown.starts_with(&format!("{}: ", file.display())), "{shown}");
        assert!(shown.contains(expected) && shown.contains("\nhint: ") && shown.contains(hint), "{shown}");
    }
    assert_eq!(load(&path("largest")), "");
}

#[test]
fn a_file_that_this_user_may_not_read_is_answered_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    let shown = load(&path);
    // Root may read anything.
    assert!(shown.is_empty() || shown.contains("hint: this user may not read it"), "{shown}");
}

#[test]
fn a_secret_that_everybody_can_read_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let token = folder.path().join("token");
    fs::write(&token, "secret").unwrap();
    let by_file = format!("[server]\ntoken_file = \"{}\"\n", token.display());
    for (text, mode, of_token, expected) in [
        ("[server]\ntoken = \"a secret\"\n", 0o644, 0o600, &["secret `token` in "][..]),
        ("[server]\ntoken = \"a secret\"\n", 0o640, 0o600, &[]),
        ("[server]\nlisten = \"127.0.0.1:0\"\n", 0o644, 0o600, &[]),
        (&by_file, 0o644, 0o600, &[]),
        (&by_file, 0o644, 0o604, &["the secret in "]),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        fs::set_permissions(&token, Permissions::from_mode(of_token)).unwrap();
        let warnings = ConfigFiles::new(Some(path.clone()))
            .load()
            .map_err(|mistakes| mistakes.to_string())
            .unwrap()
            .warnings;
        assert_eq!(warnings.len(), expected.len(), "{text} {mode:o}: {warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.contains(expected) && warning.contains("chmod o-r"), "{warning}");
            assert!(!warning.contains("a secret\""), "{warning}");
        }
    }
}

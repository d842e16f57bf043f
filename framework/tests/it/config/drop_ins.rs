//! Drop-ins: files in `config.d` of the state folder, which are read after `config.toml`.

use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

use framework::{Config, ConfigFiles, DropIn, SourceRole};
use tempfile::TempDir;

/// A configuration in a folder of its own.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(main: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("state/config.d")).unwrap();
        let state = folder.path().join("state");
        let text = format!("[server]\nstate_dir = \"{}\"\n{main}", state.display());
        fs::write(folder.path().join("config.toml"), text).unwrap();
        Self { folder }
    }

    fn drop_in(&self, file: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("state/config.d").join(file)
    }

    fn with(self, file: &str, text: impl AsRef<[u8]>) -> Self {
        fs::write(self.drop_in(file), text).unwrap();
        self
    }

    fn files(&self) -> ConfigFiles {
        ConfigFiles::new(Some(self.folder.path().join("config.toml")))
    }

    fn load(&self) -> Result<Config, String> {
        self.files().load().map_err(|mistakes| mistakes.to_string())
    }

    fn mistakes(&self) -> String {
        self.load().err().expect("a mistake")
    }
}

#[test]
fn drop_ins_add_tables_and_keys_in_the_order_of_their_names() {
    let files = Files::new("[sources.level]\nplugin = \"fake\"\nport = \"/dev/a\"\n")
        .with("20-more.toml", "[sources.tank]\nplugin = \"fake\"\nport = \"/dev/c\"\nrole = \"hidden\"\n")
        .with("10-first.toml", "[sources.pool]\nplugin = \"fake\"\nport = \"/dev/b\"\n")
        .with("50-label.toml", "[sources.level]\nlabel = \"Füllstand im Keller\"\n");
    let config = files.load().unwrap();
    let names: Vec<_> = config.sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["level", "pool", "tank"]);
    assert_eq!(config.sources[0].labels.source.label.as_deref(), Some("Füllstand im Keller"));
    assert_eq!(config.sources[2].labels.source.role, Some(SourceRole::Hidden));
    let read: Vec<_> = config.files.iter().map(|file| file.rsplit('/').next().unwrap()).collect();
    assert_eq!(read, ["config.toml", "10-first.toml", "20-more.toml", "50-label.toml"]);
}

#[test]
fn a_configuration_without_a_source_is_right() {
    assert!(Files::new("").load().unwrap().sources.is_empty());
}

#[test]
fn a_mistake_in_a_drop_in_is_named_with_its_file_line_and_column() {
    for (text, expected) in [
        (
            "# a comment\n\n[sources.pool]\nplugin = \"fake\"\nprot = \"/dev/b\"\n",
            "10-x.toml:5:1: unknown key `prot`",
        ),
        ("[sources.pool]\nplugin = \"fake\"\nport = 5\n", "10-x.toml:3:8: expected a text in quotes"),
        ("[sources.pool\n", "10-x.toml:1:14: "),
        ("[sources.pool]\nplugin = ", "10-x.toml:2:10: "),
        ("\n[server]\nstate_dir = \"/x\"\n", "10-x.toml:3:1: `server.state_dir` is set twice: here, and at "),
        ("[publishers.x]\nplugin = \"nothing\"\n", "10-x.toml:2:10: unknown publisher plugin `nothing`"),
        ("[sorces.x]\n", "10-x.toml:1:2: unknown key `sorces`"),
        (
            "[sources.\"a b\"]\nplugin = \"fake\"\nport = \"/dev/b\"\n",
            "10-x.toml:1:10: `a b` cannot be the name",
        ),
        ("sources = 5\n", "10-x.toml:1:1: `sources` is set twice: here, and at "),
        ("[sources.level]\nlabel = \"\"\n", "10-x.toml:2:9: `label` must have 1 to 64 characters"),
        ("[sources.level]\nlabel = \"a\\nb\"\n", "10-x.toml:2:9: `label` must have 1 to 64 characters"),
        ("[sources.level]\nrole = \"solar\"\n", "10-x.toml:2:8: unknown value `solar`"),
    ] {
        // The other files are longer, and have other lines.
        let files = Files::new("[sources.level]\nplugin = \"fake\"\nport = \"/dev/a\"\n# last\n")
            .with(
                "05-before.toml",
                "# größer\n[sources.other]\nplugin = \"fake\"\nport = \"/dev/o\"\n# no line end",
            )
            .with("10-x.toml", text)
            .with("90-after.toml", "# nothing\n");
        let shown = files.mistakes();
        assert!(shown.contains(expected), "{text}\n{shown}");
    }
}

#[test]
fn a_key_that_is_set_twice_is_a_mistake_that_names_both_places() {
    let files =
        Files::new("listen = \"127.0.0.1:1\"\n[sources.level]\nplugin = \"fake\"\nport = \"/dev/a\"\n")
            .with("10-a.toml", "[server]\nlisten = \"0.0.0.0:2\"\n[sources.level]\nlabel = \"One\"\n")
            .with("20-b.toml", "[sources.level]\nlabel = \"One\"\n");
    let shown = files.mistakes();
    let first = format!(
        "10-a.toml:2:1: `server.listen` is set twice: here, and at {}:3",
        files.folder.path().join("config.toml").display()
    );
    let second = format!(
        "20-b.toml:2:1: `sources.level.label` is set twice: here, and at {}:4",
        files.drop_in("10-a.toml").display()
    );
    assert!(shown.contains(&first) && shown.contains(&second), "{shown}");
    // Never a value: it may be a secret.
    let files = Files::new("token = \"first secret\"\n")
        .with("90-token.toml", "[server]\ntoken = \"other secret\"\n");
    let shown = files.mistakes();
    assert!(shown.contains("`server.token` is set twice") && !shown.contains("secret\""), "{shown}");
}

#[test]
fn hidden_files_and_backups_are_no_drop_ins() {
    let wrong = "[this is wrong";
    let mut files = Files::new("");
    for file in
        [".10-a.toml", "10-a.toml~", "10-a.toml.tmp", "10-a.toml.bak", "#10-a.toml#", "10-a.txt", "toml"]
    {
        files = files.with(file, wrong);
    }
    assert_eq!(files.load().unwrap().files.len(), 1);
}

#[test]
fn a_drop_in_that_cannot_be_read_is_a_mistake_with_a_hint() {
    let files = Files::new("")
        .with("10-latin.toml", b"# K\xfcche\n")
        .with("20-huge.toml", vec![b'#'; 1024 * 1024 + 1]);
    fs::create_dir(files.drop_in("30-folder.toml")).unwrap();
    symlink("/nowhere/at/all", files.drop_in("40-link.toml")).unwrap();
    symlink("/dev/zero", files.drop_in("50-device.toml")).unwrap();
    let shown = files.mistakes();
    for (file, expected) in [
        ("10-latin.toml", "line 1 is not UTF-8 (byte 0xfc)"),
        ("20-huge.toml", "this file is larger than 1 MiB"),
        ("30-folder.toml", "this is a folder, not a file"),
        ("40-link.toml", "could not read this file"),
        ("50-device.toml", "this is a device or a pipe"),
    ] {
        assert!(shown.contains(&format!("{file}: {expected}")), "{shown}");
    }
    assert_eq!(shown.matches("\nhint: ").count(), 5, "{shown}");

    let files = Files::new("");
    let name = std::ffi::OsStr::from_bytes(b"10-\xff.toml");
    fs::write(files.drop_in(name), "").unwrap();
    let shown = files.mistakes();
    assert!(shown.contains("is not UTF-8") && shown.contains("hint: rename it"), "{shown}");

    let mut files = Files::new("");
    for n in 0..65 {
        files = files.with(&format!("10-{n}.toml"), "");
    }
    let shown = files.mistakes();
    assert!(shown.contains("65 drop-ins are too many, expected at most 64\nhint: join"), "{shown}");
}

#[test]
fn a_folder_of_drop_ins_that_is_a_file_is_a_mistake() {
    let files = Files::new("");
    fs::remove_dir(files.drop_in("")).unwrap();
    fs::write(files.drop_in("").to_str().unwrap().trim_end_matches('/'), "").unwrap();
    let shown = files.mistakes();
    assert!(shown.contains("config.d: could not read this folder") && shown.contains("hint: "), "{shown}");
}

#[test]
fn a_change_is_checked_with_the_whole_configuration_and_nothing_is_written() {
    let files = Files::new("[sources.level]\nplugin = \"fake\"\nport = \"/dev/a\"\n")
        .with("10-pool.toml", "[sources.pool]\nplugin = \"fake\"\nport = \"/dev/b\"\n");
    let check = |file: &str, text: Option<&str>| {
        let change = DropIn { file: file.to_owned(), text: text.map(str::to_owned) };
        files.files().load_with(Some(&change)).map(|config| config.sources.len()).map_err(|m| m.to_string())
    };
    let other = "[sources.pool]\nplugin = \"fake\"\nport = \"/dev/c\"\n";
    assert_eq!(check("10-pool.toml", Some(other)), Ok(2));
    assert_eq!(check("10-pool.toml", None), Ok(1));
    assert!(check("20-pool.toml", Some(other)).unwrap_err().contains("`sources.pool.plugin` is set twice"));
    // Two sources cannot read one device.
    let same = "[sources.third]\nplugin = \"fake\"\nport = \"/dev/a\"\n";
    assert!(
        check("20-third.toml", Some(same))
            .unwrap_err()
            .contains("20-third.toml:1:10: `third` and `level` both use")
    );
    assert_eq!(fs::read_dir(files.drop_in("")).unwrap().count(), 1);
}

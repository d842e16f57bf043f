//! `smartmeter check` with the real plugins.

use std::fs;

use crate::program::*;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_check_knows_what_real_plugins_cannot_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let line = line();
    let link = folder.path().join("by-id");
    std::os::unix::fs::symlink(line.path(), &link).unwrap();
    let broker = |name: &str| {
        format!("[publishers.{name}]\nplugin = \"mqtt\"\nurl = \"mqtt://broker\"\nclient_id = \"me\"\n")
    };
    let sources = format!(
        "[sources.grid]\nplugin = \"d0\"\nport = \"{}\"\nbaud = 9601\nmax_power = 43\n[sources.heat]\nplugin = \"s0\"\n\
         port = \"{}\"\nbaud = \"fast\"\n[sources.folder]\nplugin = \"sml\"\nport = \"{}\"\n[sources.wrong]\nplugin = \"mqtt\"\n",
        line.path().display(),
        link.display(),
        folder.path().display()
    );
    let publishers = format!(
        "{}{}[publishers.influx]\nplugin = \"influx\"\nurl = \"http://nas:99999\"\n[publishers.two]\nplugin = \"influx\"\n\
         url = \"http://nas\"\norg = \"o\"\nbucket = \"b\"\n[publishers.vz]\nplugin = \"volkszaehler\"\nurl = \"http://nas\"\n\
         channels = {{ \"gird/POWER\" = \"01e2f3a4-0000-11ee-8000-0123456789ab\" }}\n[publishers.meter]\nplugin = \"d0\"\n",
        broker("one"),
        broker("other")
    );
    fs::write(&config, sources + &publishers).unwrap();
    let output = output(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let shown = text(&output.stderr);
    for expected in [
        "config.toml:4:8: 9601 is not a valid baud rate",
        "config.toml:5:13: expected a text in quotes, not the number `43`",
        "hint: write `max_power = \"100kW\"`",
        "`heat` and `grid` both use one device: ",
        "config.toml:9:8: expected a whole number, not the text `fast`",
        "hint: write `baud = 9600`",
        " is a folder: expected a serial port in it",
        "unknown source plugin `mqtt`",
        "hint: `mqtt` is a publisher: write it below `[publishers.…]`",
        "`other` and `one` both use the client id `me` at broker:1883",
        "`other` and `one` both use the topic `smartmeter` at broker:1883",
        "the port of the URL is not a number from 1 to 65535",
        "missing key `token`, which version `v2` needs",
        "unknown source `gird`, expected one of `grid`, `heat`, `folder`, `wrong`",
        "hint: `d0` is a source: write it below `[sources.…]`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
}

#[test]
fn a_check_says_which_file_it_read_and_warns_of_open_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\ntoken = \"a secret of mine\"\n").unwrap();
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let checked = smartmeter().arg("check").current_dir(folder.path()).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    let shown = text(&checked.stdout);
    let name = folder.path().canonicalize().unwrap().join("config.toml");
    assert!(shown.starts_with(&format!("{}: configuration OK; serves ", name.display())), "{shown}");
    assert!(shown.contains("warning: everybody on this machine can read the secret `token`"), "{shown}");
    assert!(!shown.contains("a secret of mine"), "{shown}");
    let state = format!("--state-dir={}", folder.path().display());
    let program = Program::start(&["--config", config.to_str().unwrap(), &state]);
    assert!(
        program.log().contains("WARN everybody on this machine can read the secret `token`"),
        "{}",
        program.log()
    );
}

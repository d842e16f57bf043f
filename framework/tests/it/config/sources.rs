//! `[sources.<name>]`.

use std::os::unix::fs::symlink;

use super::{mistakes, parse};

fn two(one: &str, two: &str) -> String {
    let source = |name, port| format!("[sources.{name}]\nplugin = \"fake\"\nport = \"{port}\"\n");
    format!("{}{}", source("one", one), source("two", two))
}

#[test]
fn one_device_under_two_names_is_found_without_opening_it() {
    let folder = tempfile::tempdir().unwrap();
    let pty = simulator::Pty::open().unwrap();
    let (link, chain) = (folder.path().join("by-id"), folder.path().join("by-path"));
    symlink(pty.path(), &link).unwrap();
    symlink(&link, &chain).unwrap();
    let other = simulator::Pty::open().unwrap();
    let [pty, link, chain, other] =
        [pty.path(), &link, &chain, other.path()].map(|path| path.display().to_string());
    for (a, b) in [(&pty, &link), (&link, &pty), (&link, &chain), (&chain, &pty)] {
        let shown = mistakes(&two(a, b));
        let expected = format!("config.toml:4:10: `two` and `one` both use one device: {b} is {a}");
        assert!(shown.contains(&expected), "{shown}");
    }
    let shown = mistakes(&two("tcp://Meter.lan:2000", "tcp://meter.lan:2000"));
    assert!(shown.contains("both use one device"), "{shown}");
    for (a, b) in
        [(&*pty, &*other), ("/dev/tty-of-nobody", "/dev/tty-of-nobody-else"), ("tcp://a:1", "tcp://a:2")]
    {
        assert!(parse(&two(a, b)).is_ok(), "{a} {b}");
    }
}

#[test]
fn a_source_must_be_given_the_time_to_its_next_reading() {
    let source = "[sources.m]\nplugin = \"fake\"\nport = \"x\"\n";
    for (keys, least) in [
        ("interval = \"1m\"\nstale_after = \"30s\"", Some("1m")),
        ("interval = \"1m\"\nstale_after = \"1m\"", None),
        ("daily = \"03:00\"\nstale_after = \"1h\"", Some("1d")),
        ("daily = \"03:00\"\nstale_after = \"25h\"", None),
        ("stale_after = \"1s\"", None),
        ("interval = \"1h\"", None),
    ] {
        let shown = parse(&format!("{source}{keys}")).err().unwrap_or_default();
        match least {
            Some(least) => {
                let expected = format!("config.toml:5:15: `stale_after` must be at least {least}");
                assert!(shown.contains(&expected), "{keys}: {shown}");
            }
            None => assert_eq!(shown, "", "{keys}"),
        }
    }
    let shown = mistakes(&format!("{source}interval = \"36526d\"\nstale_after = \"999999d\""));
    assert_eq!(shown.matches("expected at most 100 years").count(), 2, "{shown}");
}

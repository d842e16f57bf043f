//! `[sources.<name>]`.

use std::os::unix::fs::symlink;

use framework::SourceRole;

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

#[test]
fn readings_have_labels_and_roles_of_their_own_and_other_labels_are_no_other_source() {
    let source = "[sources.m]\nplugin = \"fake\"\nport = \"x\"\n";
    let keys = "label = \"Haus\"\n[sources.m.readings]\n\"POWER*\" = { role = \"hidden\" }\n\
                POWER_L1 = { label = \"Küche 台所\", role = \"consumer\" }\n";
    let config = parse(&format!("{source}{keys}")).unwrap();
    let labels = &config.sources[0].labels;
    let of = |name: &str| {
        let label = labels.reading(name);
        (label.label.map(|label| label.to_string()), label.role)
    };
    assert_eq!(labels.source.label.as_deref(), Some("Haus"));
    assert_eq!(of("POWER_L1"), (Some("Küche 台所".to_owned()), Some(SourceRole::Consumer)));
    assert_eq!(of("POWER_L2"), (None, Some(SourceRole::Hidden)));
    assert_eq!(of("ENERGY"), (None, None));
    let long = "x".repeat(65);
    for (keys, expected) in [
        ("A = { label = \"a\\u0007b\" }", "5:15: `label` must have 1 to 64 characters"),
        (&*format!("A = {{ label = \"{long}\" }}"), "5:15: `label` must have 1 to 64 characters"),
        ("A = { lable = \"a\" }", "5:7: unknown key `lable`, expected one of `label`, `role`"),
        ("A = { role = \"nobody\" }", "5:14: "),
        ("A = 5", "5:5: expected a table with the tables of readings"),
    ] {
        let shown = mistakes(&format!("{source}[sources.m.readings]\n{keys}\n"));
        assert!(shown.starts_with(&format!("config.toml:{expected}")), "{keys}: {shown}");
        assert_eq!(shown.matches("config.toml:").count(), 1, "{shown}");
    }
}

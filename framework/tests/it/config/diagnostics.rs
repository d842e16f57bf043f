//! Mistakes in the file: their places, snippets and hints.

use framework::{Config, Setting};

use super::{mistakes, parse};

#[test]
fn an_unknown_field_is_shown_with_line_caret_and_hint() {
    assert_eq!(
        mistakes("\n[sources.m]\nplugin = \"fake\"\nport = \"/dev/a\"\nintervall = \"5s\"\n"),
        "\
config.toml:5:1: unknown key `intervall`, expected one of `port`, `pin`, `does`, `plugin`, `enabled`, `label`, `role`, `interval`, `daily`, `cron`, `timeout`, `stale_after`
  |
5 | intervall = \"5s\"
  | ^^^^^^^^^
hint: did you mean `interval`?
"
    );
}

#[test]
fn every_mistake_of_the_file_is_reported() {
    let text = mistakes(
        r#"
[server]
listen = "8080"
tokn = "x"
[sources.one]
plugin = "fake"
prot = "/dev/a"
pin = "x"
interval = "0s"
[sources.two]
plugin = "fak"
[sources.three]
plugin = "fake"
port = "/dev/a"
pin = 99
[sources.four]
port = "/dev/b"
[sources."a b"]
plugin = "fake"
port = "/dev/c"
interval = "5"
daily = "25:00"
[publishers.x]
plugin = "mqtt"
"#,
    );
    for expected in [
        "config.toml:4:1: unknown key `tokn`, expected one of `listen`",
        "config.toml:7:1: unknown key `prot`",
        "hint: did you mean `port`?",
        "config.toml:8:7: expected a whole number, not the text `x`",
        "config.toml:5:10: missing key `port`",
        "config.toml:9:12: `interval` must be greater than 0",
        "config.toml:11:10: unknown source plugin `fak`, expected one of `counting`, `fake`, `keeper`, `level`, `listener`, `load`, `registers`",
        "hint: did you mean `fake`?",
        "config.toml:15:7: pin 99 does not exist",
        "hint: BCM pins are 0 to 27",
        "config.toml:16:10: missing key `plugin`",
        "config.toml:18:10: `a b` cannot be the name of a source",
        "config.toml:21:12: `5` is not a valid duration",
        "config.toml:22:9: `25:00` is not a valid time of day",
        "config.toml:24:10: unknown publisher plugin `mqtt`, expected one of `far`",
    ] {
        assert!(text.contains(expected), "`{expected}` is missing in:\n{text}");
    }
}

#[test]
fn an_old_key_is_answered_with_its_new_name() {
    let shown = mistakes(
        "[journal]\ncommit_every = \"60s\"\nkeep_raw = \"30d\"\n[publishers.x]\nplugin = \"far\"\nurl = \"x\"\n\
         every = \"5s\"\nmax_backlog = \"30d\"\nflush_every = \"1s\"\n",
    );
    for expected in [
        "config.toml:2:1: unknown key `commit_every`, expected one of `enabled`",
        "hint: it is now called `sync_interval`\n",
        "config.toml:3:1: unknown key `keep_raw`",
        "hint: it is now called `raw_retention`\n",
        "config.toml:7:1: unknown key `every`",
        "hint: it is now called `interval`\n",
        "hint: it is now called `max_backlog_age`\n",
        "hint: it is now called `flush_interval`\n",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    // The new name must be one that is understood there.
    assert!(!mistakes("[server]\nevery = 1").contains("hint: it is now"));
    let shown = mistakes("[vzlogger]\nlisten = \"127.0.0.1:8081\"\n");
    assert_eq!(
        shown,
        "\
config.toml:1:2: unknown key `vzlogger`
  |
1 | [vzlogger]
  |  ^^^^^^^^
hint: it is an endpoint now: write `[endpoints.vzlogger]` with `plugin = \"vzlogger\"`
"
    );
}

#[test]
fn every_mistake_in_lists_and_tables_is_reported_in_its_place() {
    let shown = mistakes(
        r#"
[publishers.x]
plugin = "far"
url = "x"
[[publishers.x.channels]]
uuid = "a"
[[publishers.x.channels]]
uuid = 1
factor = "x"
scale = 2
[[publishers.x.channels]]
factor = 3.0
[publishers.x.by_name.b]
uuidd = "a"
[publishers.x.by_name.c]
uuid = "c"
every = "5s"
[publishers.y]
plugin = "far"
url = "x"
channels = [{ uuid = "a", factor = true }, { uuid = "b" }, 7]
"#,
    );
    for expected in [
        "config.toml:8:8: expected a text in quotes, not the number `1`",
        "config.toml:9:10: expected a number, not the text `x`",
        "config.toml:10:1: unknown key `scale`, expected one of `uuid`, `factor`\n",
        "config.toml:11:1: missing key `uuid`",
        "config.toml:14:1: unknown key `uuidd`, expected one of `uuid`, `factor`\n",
        "hint: did you mean `uuid`?",
        "config.toml:13:1: missing key `uuid`",
        "config.toml:17:1: unknown key `every`, expected one of `uuid`, `factor`\n",
        "config.toml:21:36: expected a number, not `true`",
        "config.toml:21:60: expected a table in braces, not the number `7`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    assert_eq!(shown.matches("config.toml:").count(), 9, "{shown}");
}

#[test]
fn broken_toml_is_a_mistake_with_a_place() {
    let shown = mistakes("[sources.m]\nplugin = \"fake\nport = 3\n");
    assert!(shown.starts_with("config.toml:2:"), "{shown}");
    // Whatever the bytes: an answer, never a panic.
    for text in [
        "[",
        "a = ",
        "\u{feff}[server]\n",
        "[sources.m.n]\nx=1",
        "ü = \"ä",
        "[sources]\nm = 1",
        "a.b.c.d.e = 1",
    ] {
        let _ = parse(text);
    }
}

#[test]
fn the_command_line_sets_keys() {
    let port = |name| Setting::set("--serialPort", &["sources", name, "port"], "/dev/other");
    let listen = Setting::set("--port", &["server", "listen"], "0.0.0.0:9999");
    let plugin = |name| Setting::set("--serialPort", &["sources", name, "plugin"], "fake");
    let no_pin = Setting::remove("--serialPort", &["sources", "mine", "pin"]);
    let file =
        "[server]\nlisten = \"0.0.0.0:1\"\n[sources.mine]\nplugin = \"fake\"\nport = \"/dev/a\"\npin = 99\n";

    let config = Config::parse("config.toml", file, &[port("mine"), no_pin, listen]).unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9999");
    assert_eq!(config.sources.len(), 1);
    assert_eq!(config.sources[0].device.as_deref(), Some("/dev/other"));

    let config = Config::parse("config.toml", "", &[plugin("new"), port("new")]).unwrap();
    assert_eq!(config.sources[0].name, "new");

    let bad = Setting::set_number("--s0Pin", &["sources", "x", "pin"], 99);
    let error = Config::parse("config.toml", "", &[plugin("x"), port("x"), bad]).err().unwrap().to_string();
    assert_eq!(error, "--s0Pin: pin 99 does not exist\nhint: BCM pins are 0 to 27\n");

    let error = Config::parse("config.toml", "sources = 1", &[port("x")]).err().unwrap().to_string();
    assert!(error.contains("`sources` must be a table, not an integer"), "{error}");
}

#[test]
fn a_panic_in_build_is_a_mistake_of_that_section_beside_all_others() {
    framework::log_panics();
    let source =
        |name: &str, pin| format!("[sources.{name}]\nplugin = \"fake\"\nport = \"{name}\"\npin = {pin}\n");
    let shown = mistakes(&format!("{}{}", source("a", 13), source("b", 99)));
    assert!(
        shown.contains("config.toml:1:10: plugin `fake` panicked at framework/tests/it/plugins.rs:"),
        "{shown}"
    );
    assert!(shown.contains(": a bug in build\n"), "{shown}");
    assert!(shown.contains("config.toml:8:7: pin 99 does not exist"), "{shown}");
}

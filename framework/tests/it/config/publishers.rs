//! `[publishers.<name>]`.

use std::time::Duration;

use super::{mistakes, parse};

#[test]
fn publishers_are_read_with_what_they_get() {
    let text = r#"
        [sources.meter]
        plugin = "fake"
        port = "/dev/a"
        [publishers.home]
        plugin = "far"
        url = "x"
        sources = ["met*"]
        series = ["POWER_*", "count"]
        interval = "10s"
        max_backlog_age = "7d"
        max_rate = 100
        [publishers.all]
        plugin = "far"
        url = "x"
        [publishers.off]
        plugin = "far"
        url = "x"
        enabled = false
        "#;
    let publishers = parse(text).unwrap().publishers;
    let [home, all] = &publishers[..] else { panic!("{} publishers", publishers.len()) };
    assert_eq!((home.name.as_str(), all.name.as_str()), ("home", "all"));
    assert_eq!((home.route.interval, home.route.max_rate), (Some(Duration::from_secs(10)), 100));
    assert_eq!(home.route.max_backlog_age, Duration::from_secs(7 * 86_400));
    assert!(home.route.sources[0].matches("meter") && home.route.series[0].matches("POWER_IMPORT"));
    assert_eq!((all.route.interval, all.route.max_backlog_age), (None, Duration::from_secs(30 * 86_400)));
    let off = format!("[journal]\nenabled = false\n{text}");
    assert!(mistakes(&off).contains("`home` needs the journal"));
}

#[test]
fn every_mistake_about_a_publisher_is_shown() {
    let shown = mistakes(
        r#"[sources.meter]
plugin = "fake"
port = "/dev/a"
[publishers.one]
plugin = "far"
url = ""
sources = ["metre", "m*"]
interval = "100ms"
max_rate = 0
max_backlog_age = "0s"
[publishers.two]
plugin = "fake"
[publishers.three]
plugin = "far"
url = "x"
evry = "5s"
[publishers."a b"]
plugin = "far"
"#,
    );
    for expected in [
        "config.toml:6:7: `url` is empty",
        "config.toml:7:11: `metre` matches no source, expected one of `meter`",
        "did you mean `meter`?",
        "config.toml:8:12: `interval` must be 1s to 1h, not 100ms",
        "config.toml:9:12: `max_rate` must be at least 1 record a second",
        "config.toml:10:19: `max_backlog_age` must be greater than 0",
        "config.toml:12:10: unknown publisher plugin `fake`, expected one of `far`",
        "hint: `fake` is a source: write it below `[sources.…]`",
        "config.toml:16:1: unknown key `evry`, expected one of `url`, `flush_interval`, `channels`, `by_name`, `plugin`",
        "`a b` cannot be the name of a publisher",
        "missing key `url`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
}

#[test]
fn keys_that_say_how_records_are_sent_are_mistakes_for_a_publisher_of_history() {
    let right = "[publishers.home]\nplugin = \"past\"\nsources = [\"*\"]\nseries = [\"POWER_*\"]\n\
                 [sources.meter]\nplugin = \"fake\"\nport = \"/dev/a\"\n";
    let [home] = &parse(right).unwrap().publishers[..] else { panic!("one publisher") };
    assert!(home.plugin.is_of_history && home.route.has_series("POWER_IMPORT"));
    assert!(
        mistakes(&format!("[journal]\nenabled = false\n{right}"))
            .contains("`home` needs the journal, whose history")
    );
    let shown = mistakes(&right.replace(
        "plugin = \"past\"\n",
        "plugin = \"past\"\ninterval = \"10s\"\nmax_rate = 7\nmax_backlog_age = \"7d\"\n",
    ));
    let what = "`past` delivers whole hours of the journal, and no records";
    for expected in [
        format!("config.toml:3:12: {what}: there is nothing to average"),
        "hint: remove `interval`".to_owned(),
        format!("config.toml:4:12: {what}: the remote server sets the pace"),
        format!("config.toml:5:19: {what}: no hour is ever too old"),
    ] {
        assert!(shown.contains(&expected), "`{expected}` is missing in:\n{shown}");
    }
}

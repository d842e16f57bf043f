use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::*;
use crate::{
    AcquireError, Batch, ConfigError, DataAcquisition, Mode, PublishError, Publisher, PublisherPlugin,
    Record, Schedule, Source, SourceContext, SourcePlugin,
};

/// A plugin with one required and one limited key.
struct Fake;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FakeConfig {
    port: String,
    #[serde(default)]
    pin: u8,
}

struct Nothing;

#[async_trait::async_trait]
impl DataAcquisition for Nothing {
    async fn acquire(&mut self) -> Result<Batch, AcquireError> {
        std::future::pending().await
    }
}

impl SourcePlugin for Fake {
    const KIND: &'static str = "fake";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = FakeConfig;

    fn mode(_: &FakeConfig) -> Mode {
        Mode::Push
    }

    fn build(config: FakeConfig, _: &SourceContext) -> Result<Source, ConfigError> {
        if config.pin > 27 {
            return Err(ConfigError::key("pin", format!("pin {} does not exist", config.pin))
                .hint("BCM pins are 0 to 27"));
        }
        Ok(Source::new(Nothing).exclusive(config.port))
    }
}

crate::register_source!(Fake);

/// A publisher with one required key.
struct Far;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FarConfig {
    url: String,
    #[serde(default, rename = "flush_interval")]
    _flush_interval: String,
    #[serde(default, rename = "channels")]
    _channels: Vec<Channel>,
    #[serde(default, rename = "by_name")]
    _by_name: BTreeMap<String, Channel>,
}

#[derive(Debug, Deserialize)]
struct Channel {
    #[serde(rename = "uuid")]
    _uuid: String,
    #[serde(default, rename = "factor")]
    _factor: f64,
}

#[async_trait::async_trait]
impl Publisher for Far {
    async fn publish(&mut self, records: &[Record]) -> Result<usize, PublishError> {
        Ok(records.len())
    }
}

impl PublisherPlugin for Far {
    const KIND: &'static str = "far";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = FarConfig;

    fn build(config: FarConfig, _: &Context) -> Result<Box<dyn Publisher>, ConfigError> {
        match config.url.as_str() {
            "" => Err(ConfigError::key("url", "`url` is empty")),
            _ => Ok(Box::new(Far)),
        }
    }
}

crate::register_publisher!(Far);

/// An endpoint that only listens.
struct Served;

#[derive(Debug, Deserialize)]
struct ServedConfig {
    listen: std::net::SocketAddr,
}

#[async_trait::async_trait]
impl crate::Endpoint for ServedConfig {
    fn listen(&self) -> std::net::SocketAddr {
        self.listen
    }
    async fn serve(&mut self, _: tokio::net::TcpListener, _: crate::EndpointContext) {}
}

impl crate::EndpointPlugin for Served {
    const KIND: &'static str = "served";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = ServedConfig;

    fn build(config: ServedConfig, _: &Context) -> Result<Box<dyn crate::Endpoint>, ConfigError> {
        Ok(Box::new(config))
    }
}

crate::register_endpoint!(Served);

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("config.toml", text, &[]).map_err(|mistakes| mistakes.to_string())
}

fn mistakes(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(mistakes) => mistakes,
    }
}

#[test]
fn a_configuration_is_read() {
    let config = parse(
        r#"
        [server]
        listen = "0.0.0.0:9000"
        token = "a long secret"
        state_dir = "/tmp/x"

        [sources.b]
        plugin = "fake"
        port = "/dev/b"
        interval = "5s"
        stale_after = "1m"

        [sources.a]
        plugin = "fake"
        port = "/dev/a"
        daily = "03:00"

        [sources.off]
        plugin = "fake"
        port = "/dev/c"
        enabled = false
        "#,
    )
    .unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(format!("{:?}", config.server.token), "Some(Secret(…))");
    let shown: Vec<_> =
        config.sources.iter().map(|s| (s.name.as_str(), s.schedule, s.stale_after.as_secs())).collect();
    let three = "03:00".parse().unwrap();
    assert_eq!(
        shown,
        [("b", Schedule::Every(Duration::from_secs(5)), 60), ("a", Schedule::Daily(three), 26 * 3600)]
    );
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = parse("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert!(config.sources.is_empty());
}

#[test]
fn an_unknown_field_is_shown_with_line_caret_and_hint() {
    assert_eq!(
        mistakes("\n[sources.m]\nplugin = \"fake\"\nport = \"/dev/a\"\nintervall = \"5s\"\n"),
        "\
config.toml:5:1: unknown key `intervall`, expected one of `port`, `pin`, `plugin`, `enabled`, `interval`, `daily`, `stale_after`
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
        "config.toml:8:7: invalid type: string \"x\", expected u8",
        "config.toml:5:10: missing key `port`",
        "config.toml:9:12: `interval` must be greater than 0",
        "config.toml:11:10: unknown source plugin `fak`, expected one of `fake`",
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
fn values_that_exclude_each_other() {
    let all =
        mistakes("[server]\nlisten = \"x\"\ntoken = \"a\"\ntoken_file = \"b\"\ncommand_origins = [\"y\"]");
    assert!(
        all.contains("`x` is not an address")
            && all.contains("exclude")
            && all.contains("`y` is not an origin"),
        "{all}"
    );
    let base = "[sources.m]\nplugin = \"fake\"\nport = \"/dev/a\"\n";
    assert!(mistakes(&format!("{base}interval = \"5s\"\ndaily = \"03:00\"")).contains("exclude each other"));
    let two = format!("{base}[sources.n]\nplugin = \"fake\"\nport = \"/dev/a\"\n");
    assert!(mistakes(&two).contains("`n` and `m` both use /dev/a"));
    assert!(mistakes("[server]\ntoken = \"a\"\ntoken_file = \"b\"").contains("exclude each other"));
    assert!(mistakes("[server]\ntoken = \" \"").contains("is empty"));
    assert!(
        mistakes("[server]\ntoken_file = \"/nonexistent/x\"").contains("could not read `/nonexistent/x`")
    );
    assert!(mistakes("[server]\ncommand_origins = [\"x\"]").contains("`x` is not an origin"));
    assert!(mistakes("sources = 3").contains("`sources` must be a table, not an integer"));
}

#[test]
fn a_mistyped_token_is_never_shown() {
    for text in [
        "[server]\ntoken = s3cret",
        "[server]\ntokn = \"s3cret\"",
        "[server]\ntoken = 53cr37",
        "[server]\ntoken = 12345",
        "server = { listen = 5, token = \"s3cret\" }",
        "[server]\nurl = \"x\" token = \"s3cret\"",
        "[server]\n\"token\" = s3cret",
        "[server]\ntoken = \"s3cret\"\ntoken = \"s3cret\"",
        "server = { listen = 5, token = \"s3cret\" }",
        "[server]\nurl = \"x\" token = \"s3cret\"",
        "[server]\n\"token\" = s3cret",
        "[server]\ntoken = \"s3cret\"\ntoken = \"s3cret\"",
        "[server]\ntoken = \"s3cret\nlisten = 3",
        "[publishers.x]\nplugin = \"far\"\nurl = \"x\"\nheaders = { Authorization = \"s3cret\" }",
        "[publishers.x]\nplugin = \"far\"\nurll = \"http://me:s3cret@there\"",
        "[publishers.x]\nplugin = \"far\"\nurll = \"there/s3cret\"",
        "[publishers.x]\nplugin = \"far\"\nhook = \"https://there/s3cret\"",
        "[publishers.x]\nplugin = \"far\"\nhook = \"https://there?s3cret\"",
        "[publishers.x]\nplugin = \"far\"\nurl = \"https://there/s3cret\" url",
    ] {
        let shown = mistakes(text);
        assert!(
            !shown.contains("s3cret") && !shown.contains("12345") && !shown.contains("53cr37"),
            "{shown}"
        );
        assert!(shown.contains(" = (not shown)"), "{shown}");
    }
    assert!(mistakes("[server]\ntoken = 12345").contains("expected a string in quotes"));
    // Text that is not a secret helps.
    let shown = mistakes("[publishers.x]\nplugin = \"far\"\nurll = \"http://there:80\"");
    assert!(shown.contains("http://there:80"), "{shown}");
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
        "config.toml:8:8: invalid type: integer `1`, expected a string",
        "config.toml:9:10: invalid type: string \"x\", expected f64",
        "config.toml:10:1: unknown key `scale`, expected one of `uuid`, `factor`\n",
        "config.toml:11:1: missing key `uuid`",
        "config.toml:14:1: unknown key `uuidd`, expected one of `uuid`, `factor`\n",
        "hint: did you mean `uuid`?",
        "config.toml:13:1: missing key `uuid`",
        "config.toml:17:1: unknown key `every`, expected one of `uuid`, `factor`\n",
        "config.toml:21:36: invalid type: boolean `true`, expected f64",
        "config.toml:21:60: invalid type: integer `7`, expected struct Channel",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    assert_eq!(shown.matches("config.toml:").count(), 9, "{shown}");
}

#[test]
fn two_servers_need_two_ports_where_one_has_all_addresses() {
    for (server, endpoint, fit) in [
        ("127.0.0.1:8080", "127.0.0.1:8080", false),
        ("0.0.0.0:8080", "127.0.0.1:8080", false),
        ("127.0.0.1:8080", "[::]:8080", false),
        ("0.0.0.0:8080", "0.0.0.0:8081", true),
        ("127.0.0.1:8080", "127.0.0.2:8080", true),
        ("0.0.0.0:0", "0.0.0.0:0", true),
    ] {
        let text = format!(
            "[server]\nlisten = \"{server}\"\n[endpoints.e]\nplugin = \"served\"\nlisten = \"{endpoint}\"\n"
        );
        let shown = parse(&text).map(|config| config.endpoints.len());
        assert_eq!(shown, if fit { Ok(1) } else { shown.clone().map(|_| 0) }, "{server} {endpoint}");
        let clash = format!("config.toml:5:10: `[server]` listens on {server} already");
        assert!(shown.err().is_none_or(|shown| shown.contains(&clash)), "{server} {endpoint}");
        let off = parse(&format!("{text}enabled = false\n")).unwrap();
        assert!(off.endpoints.is_empty(), "it is not served");
    }
    let two = "plugin = \"served\"\nlisten = \"127.0.0.1:1\"\n";
    let shown = mistakes(&format!("[endpoints.a]\n{two}[endpoints.b]\n{two}"));
    assert!(shown.contains("config.toml:6:10: `[endpoints.a]` listens on 127.0.0.1:1 already"), "{shown}");
    let shown = mistakes("[endpoints.a]\nplugin = \"fake\"\n[endpoints.\"b c\"]\nplugin = \"served\"\n");
    for expected in [
        "config.toml:2:10: unknown endpoint plugin `fake`, expected one of `served`",
        "hint: `fake` is a source: write it below `[sources.…]`",
        "`b c` cannot be the name of an endpoint",
        "missing key `listen`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
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
fn the_journal_is_kept_below_the_state_directory() {
    let journal = parse("[server]\nstate_dir = \"/tmp/x\"\n").unwrap().journal;
    let expected = JournalConfig {
        enabled: true,
        path: "/tmp/x/journal.db".into(),
        sync_interval: Duration::from_secs(60),
        raw_retention: Duration::from_secs(30 * 86_400),
    };
    assert_eq!(journal, expected);
    let text = "[journal]\nenabled = false\npath = \"/data/energy.db\"\nsync_interval = \"1h\"\nraw_retention = \"1d\"\n";
    let expected = JournalConfig {
        enabled: false,
        path: "/data/energy.db".into(),
        sync_interval: Duration::from_secs(3600),
        raw_retention: Duration::from_secs(86_400),
    };
    assert_eq!(parse(text).unwrap().journal, expected);
}

#[test]
fn every_mistake_about_the_journal_is_shown() {
    let shown = mistakes(
        "[journal]\npath = \"/tmp/\"\nsync_interval = \"500ms\"\nraw_retention = \"23h\"\n[sources.a]\nplugin = \"fak\"\n",
    );
    for expected in [
        "config.toml:2:8: `/tmp/` is not a file name",
        "hint: write the database's own name, with its folder",
        "config.toml:3:17: `sync_interval` must be 1s to 1h, not 500ms",
        "config.toml:4:17: `raw_retention` must be at least 1d, not 23h",
        "config.toml:6:10: unknown source plugin `fak`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    let shown = mistakes("[journal]\nraw_retentoin = \"30d\"\nenabled = 1\n");
    for expected in [
        "2:1: unknown key `raw_retentoin`, expected one of `enabled`, `path`, `sync_interval`, `raw_retention`",
        "did you mean `raw_retention`?",
        "config.toml:3:11: invalid type: integer `1`, expected a boolean",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    let shown = mistakes("journal = 1\n[sources.a]\nplugin = \"fak\"\n");
    assert!(
        shown.contains("`journal` must be a table, not an integer") && shown.contains("`fak`"),
        "{shown}"
    );
}

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

//! Whole configurations, `[server]` and its secrets.

use std::time::Duration;

use framework::Schedule;

use super::{mistakes, parse};

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
    let shown: Vec<_> = config
        .sources
        .iter()
        .map(|s| (s.name.as_str(), s.schedule.clone(), s.stale_after.as_secs()))
        .collect();
    let three = "03:00".parse().unwrap();
    assert_eq!(
        shown,
        [
            ("b", Schedule::Every(Duration::from_secs(5)), 60),
            ("a", Schedule::Daily([three].into()), 26 * 3600)
        ]
    );
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = parse("").unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert!(config.sources.is_empty());
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
    assert!(mistakes("[server]\ntoken = 12345").contains("expected a text in quotes"));
    // Text that is not a secret helps.
    let shown = mistakes("[publishers.x]\nplugin = \"far\"\nurll = \"http://there:80\"");
    assert!(shown.contains("http://there:80"), "{shown}");
}

#[test]
fn a_proxy_that_checks_its_users_is_not_everybody() {
    for network in ["0.0.0.0/0", "::/0"] {
        let all = mistakes(&format!("[server]\nauthenticating_proxies = [\"{network}\"]"));
        assert!(all.contains("would let anybody send commands"), "{all}");
        assert!(parse(&format!("[server]\ntrusted_proxies = [\"{network}\"]")).is_ok());
    }
}

#[test]
fn the_household_has_a_name_in_any_script_without_control_characters() {
    let name = |name: &str| parse(&format!("[server]\nname = {name}\n"));
    for right in ["Haus Müller", "ミラー家", "بيت ميلر", "🏠"] {
        assert_eq!(name(&format!("{right:?}")).unwrap().server.name.as_deref(), Some(right));
    }
    for wrong in ["\"\"", "\" a\"", "\"a\\nb\"", "\"a\\u202Eb\"", &format!("{:?}", "x".repeat(65))] {
        let shown = name(wrong).err().unwrap();
        assert!(
            shown.starts_with("config.toml:2:8: `name` must have 1 to 64 characters"),
            "{wrong}: {shown}"
        );
    }
}

//! Values of another type than expected, and the checks beside them.

use super::mistakes;

#[test]
fn a_wrong_type_is_said_in_words_with_an_example() {
    let source = "[sources.m]\nplugin = \"fake\"\nport = \"/dev/a\"\n";
    let publisher = "[publishers.p]\nplugin = \"far\"\nurl = \"x\"\n";
    for (text, expected, example) in [
        (format!("{source}pin = \"x\""), "expected a whole number, not the text `x`", "write `pin = 21`"),
        (format!("{source}pin = 1.5"), "expected a whole number, not the number `1.5`", "write `pin = 21`"),
        (
            format!("{source}pin = 256"),
            "expected a whole number from 0 to 255, not the number `256`",
            "`pin = 21`",
        ),
        (
            format!("{source}pin = -1"),
            "expected a whole number from 0 to 255, not the number `-1`",
            "`pin = 21`",
        ),
        (
            format!("{source}pin = 99999999999999999999999"),
            "expected a whole number from 0 to 255, not the number `99999999999999999999999`",
            "",
        ),
        (format!("{source}pin = [1]"), "expected a whole number, not a list", "`pin = 21`"),
        (
            format!("{source}pin = 1979-05-27"),
            "expected a whole number, not the time `1979-05-27`",
            "`pin = 21`",
        ),
        (
            source.replace("\"/dev/a\"", "5"),
            "expected a text in quotes, not the number `5`",
            "`port = \"/dev/a\"`",
        ),
        (
            format!("{source}enabled = \"yes\""),
            "expected `true` or `false`, not the text `yes`",
            "`enabled = true`",
        ),
        (
            format!("{source}interval = 5"),
            "expected a duration such as \"5s\", \"15m\" or \"1h30m\", not",
            "`interval = \"5s\"`",
        ),
        (
            format!("{source}does = 5"),
            "expected one of `work`, `panic`, `bomb`, `return`, `block`, in quotes, not",
            "",
        ),
        (format!("{publisher}channels = 5"), "expected a list in brackets, not the number `5`", ""),
        (format!("{publisher}by_name = \"x\""), "expected a table in braces, not the text `x`", ""),
        (
            format!("{publisher}max_rate = \"fast\""),
            "expected a whole number, not the text `fast`",
            "`max_rate = 1000`",
        ),
        (
            "[server]\nlisten = 8080".to_owned(),
            "expected a text in quotes, not the number `8080`",
            "`listen = \"127.0.0.1:8080\"`",
        ),
        (
            "[server]\nstate_dir = 1".to_owned(),
            "expected a text in quotes",
            "`state_dir = \"/var/lib/smartmeter\"`",
        ),
        ("[sources.m]\nplugin = \"fake\"".to_owned(), "missing key `port`", "write `port = \"/dev/a\"`"),
    ] {
        let shown = mistakes(&text);
        assert!(shown.contains(expected) && shown.contains(example), "{text}:\n{shown}");
        for word in ["invalid type", "u8", "u32", "f64", "i128", "a string", "struct"] {
            assert!(!shown.contains(word), "{text} shows `{word}`:\n{shown}");
        }
    }
}

#[test]
fn types_ranges_and_comparisons_are_checked_in_one_round() {
    let shown = mistakes(
        r#"
[server]
listen = "127.0.0.1:8081"
token = 5
[sources.missing]
plugin = "fake"
pin = 99
[sources.typed]
plugin = "fake"
port = 5
pin = 99
[sources.one]
plugin = "fake"
port = "/dev/one"
pin = "x"
[sources.two]
plugin = "fake"
port = "/dev/one"
pin = 99
[publishers.a]
plugin = "far"
url = "mail"
flush_interval = 1
[publishers.b]
plugin = "far"
url = "mail"
unknown = 1
[endpoints.e]
plugin = "served"
listen = "127.0.0.1:8081"
does = "nothing"
"#,
    );
    for expected in [
        "config.toml:4:9: expected a text in quotes",
        "config.toml:5:10: missing key `port`",
        "config.toml:7:7: pin 99 does not exist",
        "config.toml:10:8: expected a text in quotes, not the number `5`",
        "config.toml:11:7: pin 99 does not exist",
        "config.toml:15:7: expected a whole number, not the text `x`",
        "config.toml:16:10: `two` and `one` both use /dev/one",
        "config.toml:19:7: pin 99 does not exist",
        "config.toml:23:18: expected a text in quotes, not the number `1`",
        "config.toml:24:13: `b` and `a` both use the mailbox at `mail`",
        "config.toml:27:1: unknown key `unknown`",
        "config.toml:30:10: `[server]` listens on 127.0.0.1:8081 already",
        "config.toml:31:8: unknown value `nothing`",
    ] {
        assert!(shown.contains(expected), "`{expected}` is missing in:\n{shown}");
    }
    // And nothing that follows from those.
    assert_eq!(shown.matches("config.toml:").count(), 13, "{shown}");
}

#[test]
fn a_table_without_a_name_is_answered_with_one() {
    for (text, role) in [
        ("[[sources]]\nplugin = \"fake\"\n", "a source a name: `[sources.home]`"),
        ("[sources]\nplugin = \"fake\"\nport = \"x\"\n", "a source a name: `[sources.home]`"),
        ("sources = \"fake\"\n", "a source a name: `[sources.home]`"),
        ("[[publishers]]\nplugin = \"far\"\n", "a publisher a name: `[publishers.home]`"),
        ("[endpoints]\nplugin = \"served\"\n", "an endpoint a name: `[endpoints.home]`"),
        ("[[sources.m]]\nplugin = \"fake\"\n", "a source a name: `[sources.home]`"),
    ] {
        let shown = mistakes(text);
        assert!(shown.contains(&format!("hint: give {role}")), "{text}:\n{shown}");
    }
    let long = "n".repeat(65);
    assert!(
        mistakes(&format!("[sources.{long}]\nplugin = \"fake\"\nport = \"x\"\n"))
            .contains("at most 64 letters")
    );
    assert!(super::parse(&format!("[sources.{}]\nplugin = \"fake\"\nport = \"x\"\n", &long[1..])).is_ok());
}

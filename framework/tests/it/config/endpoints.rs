//! `[endpoints.<name>]`.

use super::{mistakes, parse};

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

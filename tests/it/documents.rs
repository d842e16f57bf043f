//! What the documents say is what the program does.

use std::{fs, path::Path};

use crate::program::root;
use framework::{PUBLISHER_KEYS, PublisherPlugin, SOURCE_KEYS, SourcePlugin, testing};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The keys of the table below this heading.
fn documented(reference: &str, heading: &str) -> Vec<String> {
    let (_, rest) = reference.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no `{heading}`"));
    let section = rest.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

fn sorted(keys: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut keys: Vec<_> = keys.into_iter().map(Into::into).collect();
    keys.sort();
    keys
}

#[test]
fn the_configuration_reference_has_exactly_the_keys_that_there_are() {
    let reference = read("docs/configuration.md");
    let check = |heading: &str, keys: Vec<String>| {
        assert_eq!(sorted(documented(&reference, heading)), sorted(keys), "below `{heading}`");
    };
    check("## `[server]`", testing::table_keys("server"));
    check("## `[journal]`", testing::table_keys("journal"));
    check("## `[vzlogger]`", testing::table_keys("vzlogger"));
    check("## `[sources.<name>]`", sorted(SOURCE_KEYS.iter().copied()));
    fn of<P: SourcePlugin>() -> (String, Vec<String>) {
        (format!("### `plugin = \"{}\"`", P::KIND), testing::config_keys::<P>())
    }
    fn to<P: PublisherPlugin>() -> (String, Vec<String>) {
        (format!("### `plugin = \"{}\"`", P::KIND), testing::publisher_keys::<P>())
    }
    check("## `[publishers.<name>]`", sorted(PUBLISHER_KEYS.iter().copied()));
    let plugins = [
        to::<plugin_influx::Influx>(),
        to::<plugin_mqtt::Mqtt>(),
        to::<plugin_volkszaehler::Volkszaehler>(),
        to::<plugin_webhook::Webhook>(),
        of::<plugin_d0::D0>(),
        of::<plugin_s0::S0>(),
        of::<plugin_sml::Sml>(),
        of::<plugin_thermal::Thermal>(),
    ];
    assert_eq!(
        plugins.len(),
        framework::source_plugins().len() + framework::publishers().len(),
        "a plugin lacks a section in docs/configuration.md"
    );
    for (heading, keys) in plugins {
        check(&heading, keys);
        let kind = heading.split('"').nth(1).unwrap().to_owned();
        let own = read(&format!("plugins/{kind}/README.md"));
        assert_eq!(
            sorted(documented(&reference, &heading)),
            sorted(documented(&own, "## Configuration")),
            "{kind}"
        );
    }
}

#[test]
fn every_plugin_folder_is_linked() {
    let (manifest, list) = (read("app/Cargo.toml"), read("app/src/plugins.rs"));
    for folder in fs::read_dir(root().join("plugins")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        for (file, text, line) in [
            ("app/Cargo.toml", &manifest, format!("plugin-{name}.workspace = true")),
            ("app/src/plugins.rs", &list, format!("use plugin_{name} as _;")),
        ] {
            assert!(text.contains(&line), "plugins/{name} is not linked: add this line to {file}\n{line}");
        }
        assert!(linked().contains(&&*name), "`{name}` is not registered");
        for file in ["README.md", "sample.toml", "src", "tests"] {
            assert!(root().join("plugins").join(&name).join(file).exists(), "plugins/{name} lacks {file}");
        }
    }
}

#[test]
fn the_readme_shows_the_two_commands_and_links_to_what_is_there() {
    let readme = read("README.md");
    for command in ["cargo run --release -- --demo", "cargo test --workspace"] {
        assert!(readme.lines().any(|line| line == command), "README.md lacks `{command}`");
    }
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "docs/configuration.md",
        "docs/journal.md",
        "docs/writing-a-plugin.md",
        "docs/writing-a-publisher.md",
        "plugins/d0/README.md",
        "plugins/influx/README.md",
        "plugins/mqtt/README.md",
        "plugins/s0/README.md",
        "plugins/sml/README.md",
        "plugins/thermal/README.md",
        "plugins/volkszaehler/README.md",
        "plugins/webhook/README.md",
    ] {
        let text = read(document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.starts_with("http") {
                let target = root()
                    .join(document)
                    .parent()
                    .unwrap_or(Path::new(""))
                    .join(link.split('#').next().unwrap_or(link));
                assert!(target.exists(), "{document} links to {link}, which is not there");
            }
        }
    }
    assert!(read("ARCHITECTURE.md").lines().count() <= 150);
}

#[test]
fn the_publishers_guide_shows_the_webhook_s_code() {
    let (guide, code) = (read("docs/writing-a-publisher.md"), read("plugins/webhook/src/lib.rs"));
    let blocks: Vec<_> = guide.split("```").skip(1).step_by(2).collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        let block = block.trim_start_matches("rust").trim();
        assert!(
            code.contains(block),
            "plugins/webhook/src/lib.rs does not have this block of the guide:\n{block}"
        );
    }
}

#[test]
fn the_linked_plugins_are_the_ones_of_the_binary() {
    let listed = crate::program::output(&["plugins"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, linked());
}

fn linked() -> Vec<&'static str> {
    let sources = framework::source_plugins().into_iter().map(|source| source.kind);
    sources.chain(framework::publishers().into_iter().map(|publisher| publisher.kind)).collect()
}

#[test]
fn every_error_code_is_documented() {
    let reference = read("docs/http.md");
    let mut codes = 0;
    for file in fs::read_dir(root().join("framework/src/http")).unwrap() {
        let path = file.unwrap().path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (status, rest) in text.split("StatusCode::").skip(1).filter_map(|rest| rest.split_once(", \"")) {
            if status.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
                let code = rest.split('"').next().unwrap_or_default();
                assert!(reference.contains(&format!("`{code}`")), "docs/http.md lacks `{code}`");
                codes += 1;
            }
        }
    }
    assert!(codes > 10);
}

//! What the documents say is what the program does.

use std::{fs, path::Path};

use crate::program::root;
use smartmeter as _; // links the plugins

use framework::{ENDPOINT_KEYS, PUBLISHER_KEYS, SOURCE_KEYS, testing};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns the keys of the table below a heading; `None` if there is no such heading.
fn documented(text: &str, heading: &str) -> Option<Vec<String>> {
    let (_, rest) = text.split_once(&format!("{heading}\n"))?;
    let section = rest.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    Some(rows.map(str::to_owned).collect())
}

/// Rows that a table of keys lacks, and rows of keys that there are not, as lines that say what to do.
fn differences(file: &str, heading: &str, keys: &[&str]) -> Vec<String> {
    let text = read(file);
    let Some(found) = documented(&text, heading) else {
        let rows: Vec<_> = keys.iter().map(|key| format!("| `{key}` | default | meaning |")).collect();
        let rows = rows.join("\n");
        return vec![format!(
            "{file}: add this section\n{heading}\n\n| key | default | meaning |\n|---|---|---|\n{rows}"
        )];
    };
    let missing = keys.iter().filter(|key| !found.iter().any(|there| there == *key));
    let missing = missing.map(|key| format!("{file}: below `{heading}`, add a row `| `{key}` | … | … |`"));
    let extra = found.iter().filter(|key| !keys.contains(&key.as_str()));
    let extra = extra
        .map(|key| format!("{file}: below `{heading}`, remove the row of `{key}`: there is no such key"));
    missing.chain(extra).collect()
}

#[test]
fn every_plugin_is_in_all_its_places() {
    let (manifest, list) = (read("app/Cargo.toml"), read("app/src/plugins.rs"));
    let linked = framework::plugins();
    let mut forgotten = Vec::new();
    for folder in fs::read_dir(root().join("plugins")).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        for (file, text, line) in [
            ("app/Cargo.toml", &manifest, format!("plugin-{name} = {{ path = \"../plugins/{name}\" }}")),
            ("app/src/plugins.rs", &list, format!("use plugin_{name} as _;")),
        ] {
            if !text.lines().any(|there| there == line) {
                forgotten.push(format!("{file}: add the line\n{line}"));
            }
        }
        for file in ["Cargo.toml", "README.md", "sample.toml", "src", "tests"] {
            if !root().join("plugins").join(&name).join(file).exists() {
                forgotten.push(format!("plugins/{name}/{file}: add it"));
            }
        }
        let Some(plugin) = linked.iter().find(|plugin| plugin.kind == name) else {
            let roles = "register_source!, register_publisher! or register_endpoint!";
            forgotten.push(format!("plugins/{name}/src: register `KIND = \"{name}\"` with {roles}"));
            continue;
        };
        let keys = (plugin.keys)();
        let heading = format!("### `plugin = \"{name}\"`");
        forgotten.extend(differences("docs/configuration.md", &heading, keys));
        if root().join(format!("plugins/{name}/README.md")).exists() {
            forgotten.extend(differences(&format!("plugins/{name}/README.md"), "## Configuration", keys));
        }
    }
    assert!(forgotten.is_empty(), "places that were forgotten:\n\n{}\n", forgotten.join("\n\n"));
}

#[test]
fn the_configuration_reference_has_exactly_the_keys_of_the_framework() {
    let tables = [
        ("## `[server]`", testing::table_keys("server")),
        ("## `[journal]`", testing::table_keys("journal")),
        ("## `[sources.<name>]`", SOURCE_KEYS),
        ("## `[publishers.<name>]`", PUBLISHER_KEYS),
        ("## `[endpoints.<name>]`", ENDPOINT_KEYS),
    ];
    let wrong: Vec<_> = tables
        .iter()
        .flat_map(|(heading, keys)| differences("docs/configuration.md", heading, keys))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_shows_the_two_commands_and_links_to_what_is_there() {
    let readme = read("README.md");
    for command in ["cargo run --release -- --demo", "cargo test --workspace"] {
        assert!(readme.lines().any(|line| line == command), "README.md lacks `{command}`");
    }
    let documents = [
        "README.md",
        "ARCHITECTURE.md",
        "docs/configuration.md",
        "docs/journal.md",
        "docs/writing-a-plugin.md",
        "docs/writing-a-publisher.md",
    ];
    let of_plugins = linked().into_iter().map(|kind| format!("plugins/{kind}/README.md"));
    for document in documents.map(str::to_owned).into_iter().chain(of_plugins) {
        let text = read(&document);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.starts_with("http") {
                let target = root()
                    .join(&document)
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
    framework::plugins().into_iter().map(|plugin| plugin.kind).collect()
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

//! Comparison of the documents with the program.

mod plugins;

use std::fs;

use framework::{ENDPOINT_KEYS, PUBLISHER_KEYS, SOURCE_KEYS, testing};
use smartmeter as _; // links the plugins

use crate::program::{output, root};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Keys in the table below this heading.
fn documented(text: &str, heading: &str) -> Vec<String> {
    let section = text.split_once(&format!("{heading}\n")).map_or("", |(_, rest)| rest);
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    rows.map(str::to_owned).collect()
}

#[test]
fn the_configuration_reference_has_the_framework_s_keys() {
    let reference = read("docs/configuration.md");
    for (heading, keys) in [
        ("## `[server]`", testing::table_keys("server")),
        ("## `[journal]`", testing::table_keys("journal")),
        ("## `[backup]`", testing::table_keys("backup")),
        ("## `[sources.<name>]`", SOURCE_KEYS),
        ("## `[publishers.<name>]`", PUBLISHER_KEYS),
        ("## `[endpoints.<name>]`", ENDPOINT_KEYS),
    ] {
        let mut keys = keys.to_vec();
        let mut rows = documented(&reference, heading);
        rows.sort();
        keys.sort_unstable();
        assert_eq!(rows, keys, "docs/configuration.md, below `{heading}`");
    }
}

#[test]
fn the_readme_has_the_two_commands() {
    let readme = read("README.md");
    for command in ["cargo run --release -- --demo", "cargo test --workspace"] {
        assert!(readme.lines().any(|line| line == command), "README.md lacks `{command}`");
    }
}

/// Calls of the program in code, in blocks and in lines, without comments.
fn commands(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut is_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
            continue;
        }
        let spans: Vec<_> = if is_block { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
        let calls = spans.into_iter().map(|span| span.split(['#', '[', '|']).next().unwrap().trim());
        let calls =
            calls.map(|call| call.trim_start_matches("sudo ").trim_start_matches("podman exec smartmeter "));
        found.extend(calls.filter(|call| call.starts_with("smartmeter ")));
    }
    found
}

#[test]
fn commands_and_files_of_the_documents_exist() {
    let help = |args: &[&str]| String::from_utf8(output(&[args, &["--help"]].concat()).stdout).unwrap();
    let program = help(&[]);
    let mut wrong = Vec::new();
    let mut count = 0;
    for document in ["README.md", "docs/install.md", "packaging/home-assistant/smartmeter/DOCS.md"] {
        let text = read(document);
        for command in commands(&text) {
            let words: Vec<_> = command.split_whitespace().skip(1).collect();
            let name = words.first().filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
            let is_known = name
                .is_none_or(|name| program.lines().any(|line| line.trim().starts_with(&format!("{name} "))));
            let options = name.filter(|_| is_known).map_or_else(|| program.clone(), |name| help(&[name]));
            let mut keys =
                words.iter().filter(|word| word.starts_with("--")).map(|key| key.split('=').next().unwrap());
            if !is_known || keys.any(|key| !options.contains(key)) {
                wrong.push(format!("{document}: `{command}` is no command"));
            }
            count += 1;
        }
        let paths = text.split(|c: char| c.is_whitespace() || "`()".contains(c));
        for path in paths.filter(|path| path.starts_with("packaging/")) {
            if !root().join(path.split('#').next().unwrap()).exists() {
                wrong.push(format!("{document}: there is no {path}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 20, "{count}");
}

#[test]
fn the_add_on_has_the_version_of_the_program() {
    let config = read("packaging/home-assistant/smartmeter/config.yaml");
    let version = format!("version: \"{}\"", env!("CARGO_PKG_VERSION"));
    assert!(config.lines().any(|line| line == version), "config.yaml of the add-on lacks `{version}`");
}

#[test]
fn links_and_lengths_of_documents_are_right() {
    let mut documents = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name());
            match () {
                () if entry.file_type().unwrap().is_dir() => {
                    if ![".git", "node_modules", "target"].iter().any(|left_out| name == *left_out) {
                        folders.push(path);
                    }
                }
                () if path.extension().is_some_and(|extension| extension == "md") => documents.push(path),
                () => {}
            }
        }
    }
    assert!(documents.len() > 20, "{documents:?}");
    let mut wrong = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let name = document.strip_prefix(root()).unwrap().display();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.starts_with("http")) {
            if !document.parent().unwrap().join(link).exists() {
                wrong.push(format!("{name}: there is no {link}"));
            }
        }
        let mut is_code = false;
        for (n, line) in text.lines().enumerate() {
            is_code ^= line.trim_start().starts_with("```");
            // What cannot be wrapped: tables, code, headings and links.
            if line.chars().count() > 120 && !is_code && !line.starts_with(['|', '#']) && !line.contains("](")
            {
                wrong.push(format!("{name}:{}: longer than 120 characters", n + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (document, most) in [("README.md", 200), ("ARCHITECTURE.md", 150)] {
        let lines = read(document).lines().count();
        assert!(lines <= most, "{document} has {lines} lines, at most {most} are wanted");
    }
}

#[test]
fn decisions_have_a_number_a_status_and_a_date() {
    let is_date = |date: &str| {
        let parts: Vec<_> = date.split('-').map(str::len).collect();
        parts == [4, 2, 2] && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    let mut numbers = std::collections::HashSet::new();
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        let path = entry.unwrap().path();
        let number = path.file_name().unwrap().to_str().unwrap()[..4].to_owned();
        assert!(numbers.insert(number), "{}: another decision has this number", path.display());
        let text = fs::read_to_string(&path).unwrap();
        let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        assert!(
            line("Status: ").starts_with(['a', 's']),
            "{}: `Status: accepted` is missing",
            path.display()
        );
        assert!(is_date(line("Date: ")), "{}: `Date: 2026-01-31` is missing", path.display());
    }
}

#[test]
fn configurations_of_the_guides_are_right() {
    let mut blocks = 0;
    for guide in ["docs/writing-a-plugin.md", "docs/writing-a-publisher.md"] {
        for block in read(guide).split("`config.toml`:\n\n```toml\n").skip(1) {
            let config = block.split("```").next().unwrap();
            if let Err(mistakes) = framework::Config::parse(guide, config, &[]) {
                panic!("{mistakes}\n{config}");
            }
            blocks += 1;
        }
    }
    assert!(blocks >= 1);
}

#[test]
fn the_plugins_of_this_test_are_those_of_the_binary() {
    let listed = output(&["plugins"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let linked: Vec<_> = framework::plugins().iter().map(|plugin| plugin.kind).collect();
    assert_eq!(listed, linked);
}

#[test]
fn every_kind_of_a_fault_and_of_a_mistake_is_documented() {
    let reference = read("docs/http.md");
    let faults = framework::FaultCode::ALL.iter().map(|code| code.as_str());
    let mistakes = framework::MistakeCode::ALL.iter().map(|code| code.as_str());
    let table = &reference[reference.find("### Kinds of faults").unwrap()..];
    for code in faults.chain(mistakes) {
        assert!(table.contains(&format!("`{code}`")), "docs/http.md lacks `{code}`");
    }
}

#[test]
fn every_error_code_is_documented() {
    let reference = read("docs/http.md");
    let mut codes = 0;
    let mut folders = vec![root().join("framework/src/http")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let after_status = text.split("StatusCode::").skip(1).filter_map(|rest| rest.split_once(", \""));
            for (status, rest) in after_status {
                if status.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') {
                    let code = rest.split('"').next().unwrap_or_default();
                    assert!(reference.contains(&format!("`{code}`")), "docs/http.md lacks `{code}`");
                    codes += 1;
                }
            }
        }
    }
    assert!(codes > 10);
}

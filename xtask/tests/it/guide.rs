//! The guides, followed: their blocks are the plugins that they say they are.

use std::{collections::BTreeMap, fs, path::Path};

/// Block of a guide: the file that it belongs to, its language, and its text.
pub(crate) struct Block {
    pub(crate) file: String,
    language: String,
    pub(crate) text: String,
}

/// Returns the blocks of Rust and TOML of a guide. Each says before it where it belongs: `` `path`: ``.
pub(crate) fn blocks(guide: &str) -> Vec<Block> {
    let path = super::workspace().join("docs").join(guide);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut found, mut file, mut lines) = (Vec::new(), String::new(), text.lines());
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")) {
            file = path.to_owned();
        } else if let Some(language) = line.strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            let text = block.join("\n") + "\n";
            found.push(Block { file: std::mem::take(&mut file), language: language.to_owned(), text });
        }
    }
    found.retain(|block| ["rust", "toml"].contains(&block.language.as_str()));
    for Block { file, text, .. } in &found {
        assert!(!file.is_empty(), "{guide} does not say to which file this belongs:\n{text}");
    }
    found
}

/// Returns the plugins of a guide that are not in the repository, each with its files.
pub(crate) fn plugins(guide: &str) -> BTreeMap<String, Vec<Block>> {
    let mut plugins = BTreeMap::<String, Vec<Block>>::new();
    for block in blocks(guide) {
        let Some(name) = block.file.strip_prefix("plugins/").and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        if !super::workspace().join("plugins").join(name).exists() {
            plugins.entry(name.to_owned()).or_default().push(block);
        }
    }
    plugins
}

/// Writes the files of a plugin over those of `new-plugin`.
pub(crate) fn write(root: &Path, blocks: &[Block]) {
    for Block { file, text, .. } in blocks {
        fs::write(root.join(file), text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

#[test]
fn the_plugins_of_the_guide_are_as_short_as_it_promises() {
    let plugins = plugins("writing-a-plugin.md");
    for (name, most) in [("uptime", 18), ("fan", 40), ("rain", 25)] {
        let lib = format!("plugins/{name}/src/lib.rs");
        let block = plugins[name].iter().find(|block| block.file == lib).unwrap();
        let lines = block.text.lines().filter(|line| !line.trim().is_empty()).count();
        assert!(lines <= most, "{lib} has {lines} lines, at most {most} are wanted");
    }
}

#[test]
fn blocks_of_files_in_the_repository_are_parts_of_them() {
    let mut parts = 0;
    for guide in ["writing-a-plugin.md", "writing-a-publisher.md"] {
        for Block { file, text, .. } in blocks(guide) {
            let Ok(whole) = fs::read_to_string(super::workspace().join(&file)) else {
                assert!(file.starts_with("plugins/") || file == "config.toml", "{guide}: there is no {file}");
                continue;
            };
            if file != "config.toml" {
                assert!(whole.contains(&text), "`{file}` does not have this block of {guide}:\n{text}");
                parts += 1;
            }
        }
    }
    assert!(parts >= 8, "only {parts} blocks were compared");
}

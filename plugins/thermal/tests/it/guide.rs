//! docs/writing-a-plugin.md shows the code that is compiled here.

use std::{fs, path::Path};

/// The code blocks of the guide: the file that each belongs to, and its text.
fn blocks(guide: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut file = String::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if let Some(path) = line.strip_prefix('`').and_then(|rest| rest.strip_suffix("`:")) {
            file = path.to_owned();
        } else if line.starts_with("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            found.push((std::mem::take(&mut file), block.join("\n")));
        }
    }
    found
}

#[test]
fn every_block_of_the_guide_is_the_code_itself() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guide = fs::read_to_string(root.join("docs/writing-a-plugin.md")).unwrap();
    let blocks = blocks(&guide);
    assert!(blocks.len() >= 6);
    for (file, block) in &blocks {
        assert!(!file.is_empty(), "the guide does not say to which file this belongs:\n{block}");
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(block.as_str()), "`{file}` does not have this block of the guide:\n{block}");
    }
    // Nothing is left out: the blocks, copied, are the plugin.
    let lib = "plugins/thermal/src/lib.rs";
    let shown: Vec<_> =
        blocks.iter().filter(|(file, _)| file == lib).map(|(_, block)| block.as_str()).collect();
    assert_eq!(shown.join("\n\n") + "\n", fs::read_to_string(root.join(lib)).unwrap());
}

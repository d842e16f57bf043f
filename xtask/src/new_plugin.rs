//! A new plugin: its folder, and its lines in the lists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::workspace::{read, write};

/// Longest name: it is part of file names and log lines.
const MAX_NAME: usize = 32;

/// Kind of plugin, with its files.
#[derive(Clone, Copy)]
pub(crate) struct Role {
    name: &'static str,
    /// Heading in `docs/configuration.md` below which its plugins are.
    heading: &'static str,
    guide: &'static str,
    /// Keys with default and meaning, in the rows of its tables.
    rows: &'static str,
    /// Path and text of each file.
    files: [(&'static str, &'static str); 5],
}

macro_rules! files {
    ($folder:literal) => {
        [
            ("Cargo.toml", include_str!(concat!("../templates/", $folder, "/Cargo.toml"))),
            ("README.md", include_str!(concat!("../templates/", $folder, "/README.md"))),
            ("sample.toml", include_str!(concat!("../templates/", $folder, "/sample.toml"))),
            ("src/lib.rs", include_str!(concat!("../templates/", $folder, "/lib.rs"))),
            ("tests/it/main.rs", include_str!(concat!("../templates/", $folder, "/tests.rs"))),
        ]
    };
}

const ROLES: [Role; 3] = [
    Role {
        name: "source",
        heading: "## `[sources.<name>]`",
        guide: "docs/writing-a-plugin.md",
        rows: "| `path` | `\"/proc/loadavg\"` | file with a number at its beginning |\n",
        files: files!("source"),
    },
    Role {
        name: "publisher",
        heading: "## `[publishers.<name>]`",
        guide: "docs/writing-a-publisher.md",
        rows: "| `path` | required | file that gets a line for each number |\n",
        files: files!("publisher"),
    },
    Role {
        name: "endpoint",
        heading: "## `[endpoints.<name>]`",
        guide: "docs/writing-a-plugin.md",
        rows: "| `listen` | required | address and port: `\"127.0.0.1:8082\"` |\n",
        files: files!("endpoint"),
    },
];

impl Role {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        ROLES.into_iter().find(|role| role.name == name)
    }
}

/// Files to write for a new plugin.
pub(crate) struct NewPlugin {
    role: Role,
    name: String,
    files: Vec<(PathBuf, String)>,
}

impl NewPlugin {
    /// Checks the name, and prepares all files. Nothing is written yet, so that a mistake leaves nothing half done.
    pub(crate) fn new(root: &Path, role: Role, name: &str) -> Result<Self, String> {
        check_name(name)?;
        let folder = root.join("plugins").join(name);
        if folder.symlink_metadata().is_ok() {
            return Err(is_there(root, name)?);
        }
        if let Some(taken) = kinds(root)?.into_iter().find(|kind| kind == name) {
            return Err(format!("error: a plugin is called `{taken}` already: choose another name\n"));
        }
        let mut files: Vec<_> =
            role.files.iter().map(|(path, text)| (folder.join(path), text.replace("NAME", name))).collect();
        let mut edit = |path: &str, edited: fn(&str, &Role, &str) -> Option<String>| {
            let path = root.join(path);
            let text = read(&path)?;
            let text = edited(&text, &role, name).ok_or_else(|| {
                format!("error: `{}` has no place for the plugin: is this a changed copy?\n", path.display())
            })?;
            files.push((path, text));
            Ok::<_, String>(())
        };
        edit("app/Cargo.toml", |text, _, name| {
            let text = sorted_in(text, |line| line.starts_with("    \""), &in_default(name))?;
            let text = sorted_in(&text, |line| line.contains("[\"dep:plugin-"), &feature(name))?;
            sorted_in(&text, |line| line.starts_with("plugin-"), &dependency(name))
        })?;
        edit("app/src/plugins.rs", |text, _, name| {
            sorted_in(text, |line| line.contains("\" => plugin_"), &link(name))
        })?;
        edit("docs/configuration.md", documented)?;
        Ok(Self { role, name: name.to_owned(), files })
    }

    /// Writes the files.
    pub(crate) fn write(&self) -> Result<(), String> {
        self.files.iter().try_for_each(|(path, text)| write(path, text))
    }

    /// Returns what to do next.
    pub(crate) fn next_steps(&self) -> String {
        let Self { role: Role { guide, .. }, name, .. } = self;
        format!(
            "wrote plugins/{name}, and its lines in app/Cargo.toml, app/src/plugins.rs and docs/configuration.md\n\n\
             next:\n\
             \x20 cargo test -p plugin-{name}               its tests, which pass\n\
             \x20 cargo run -- sample {name} > {name}.toml   a configuration\n\
             \x20 cargo run -- --config {name}.toml --state-dir target/{name}\n\
             \x20                                           the program: http://127.0.0.1:8080/data\n\n\
             then write your own into plugins/{name}/src/lib.rs, as {guide} explains\n"
        )
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let starts = name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_snake = !name.contains("__") && !name.ends_with('_');
    if starts && name.bytes().all(is_word) && name.len() <= MAX_NAME && is_snake {
        return Ok(());
    }
    let better: String =
        name.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let better = better.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let better = better.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_");
    let hint = match name.is_ascii() && !better.is_empty() && better.len() <= MAX_NAME {
        true => format!("hint: write `{better}`\n"),
        false => String::new(),
    };
    Err(format!(
        "error: `{name}` cannot be the name of a plugin: expected at most {MAX_NAME} lower case letters, digits and \
         `_`, with a letter first\n{hint}"
    ))
}

/// Returns the error about a plugin that is there, with everything that belongs to it: without its folder alone, cargo
/// would not start.
fn is_there(root: &Path, name: &str) -> Result<String, String> {
    let mut message = format!(
        "error: plugins/{name} is there already: choose another name, or remove the plugin from all its places:\n\
         - the folder plugins/{name}\n"
    );
    let lines = [
        ("app/Cargo.toml", "the line ", in_default(name)),
        ("app/Cargo.toml", "the line ", feature(name)),
        ("app/Cargo.toml", "the line ", dependency(name)),
        ("app/src/plugins.rs", "the line ", link(name)),
        ("docs/configuration.md", "the section ", heading(name)),
    ];
    for (path, what, line) in lines {
        if read(&root.join(path))?.lines().any(|found| found == line) {
            message += &format!("- in {path}, {what}{}\n", line.trim());
        }
    }
    Ok(message)
}

/// Returns its line in `app/Cargo.toml`, below `default`.
fn in_default(name: &str) -> String {
    format!("    \"{name}\",")
}

/// Returns its line in `app/Cargo.toml`, below `[features]`.
fn feature(name: &str) -> String {
    format!("{name} = [\"dep:plugin-{name}\"]")
}

/// Returns its line in `app/Cargo.toml`, below `[dependencies]`.
fn dependency(name: &str) -> String {
    format!("plugin-{name} = {{ path = \"../plugins/{name}\", optional = true }}")
}

/// Returns its line in `app/src/plugins.rs`.
fn link(name: &str) -> String {
    format!("    \"{name}\" => plugin_{name},")
}

/// Returns the heading of its section in `docs/configuration.md`.
fn heading(name: &str) -> String {
    format!("### `plugin = \"{name}\"`")
}

/// Returns the names of all plugins: those of their folders.
fn kinds(root: &Path) -> Result<Vec<String>, String> {
    let folders =
        fs::read_dir(root.join("plugins")).map_err(|error| format!("error: no plugins: {error}\n"))?;
    Ok(folders.flatten().filter_map(|folder| folder.file_name().into_string().ok()).collect())
}

/// Returns a text with a line among those that are `like` it, in their order. One that is there is not added again.
fn sorted_in(text: &str, like: impl Fn(&str) -> bool, new: &str) -> Option<String> {
    let mut lines: Vec<_> = text.lines().collect();
    if lines.contains(&new) {
        return Some(text.to_owned());
    }
    let among: Vec<_> = (0..lines.len()).filter(|&n| like(lines[n])).collect();
    let next = among.iter().find(|&&n| lines[n] > new).copied();
    let place = next.or_else(|| among.last().map(|last| last + 1))?;
    lines.insert(place, new);
    Some(lines.join("\n") + "\n")
}

/// Returns the reference of the configuration with the plugin's section, in the order of the names. One that is there
/// is not added again.
fn documented(text: &str, role: &Role, name: &str) -> Option<String> {
    let begin = text.find(&format!("{}\n", role.heading))? + role.heading.len() + 1;
    let end = text[begin..].find("\n## ").map_or(text.len(), |at| begin + at + 1);
    if text.lines().any(|line| line == heading(name)) {
        return Some(text.to_owned());
    }
    let sections = text[begin..end].match_indices("### `plugin = \"").map(|(at, _)| begin + at);
    let after = sections.into_iter().find(|at| text[*at..].lines().next() > Some(heading(name).as_str()));
    let at = after.unwrap_or(end);
    let section = format!("{}\n\n| key | default | meaning |\n|---|---|---|\n{}\n", heading(name), role.rows);
    Some(format!("{}{section}{}", &text[..at], &text[at..]))
}

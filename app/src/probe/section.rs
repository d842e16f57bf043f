//! Configuration of a meter that was found.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use framework::Config;
use transport::Port;

use super::{Found, lasting};
use crate::{failure::Failure, output::output};

/// Table `[sources.…]` without its name.
pub(crate) struct Section {
    plugin: &'static str,
    port: String,
    /// Comments above it, a line each.
    comments: Vec<String>,
    keys: String,
    /// Lines for keys that only the user knows.
    missing: String,
}

impl Section {
    pub(crate) fn of(found: Found) -> Self {
        let port = match &found.port {
            Port::Serial(path) => lasting(path).display().to_string(),
            other => other.to_string(),
        };
        let advice = found.advice();
        let comments = [Some(found.what()), advice].into_iter().flatten().collect();
        let missing = found.missing_keys().iter().map(|key| format!("# {key} = \"32 hexadecimal digits\"\n"));
        let missing = missing.collect();
        Self { plugin: found.plugin, port, comments, keys: found.keys, missing }
    }

    /// Returns the section of a bus, whose meters are among the keys.
    #[cfg(feature = "mbus")]
    pub(super) fn of_bus(plugin: &'static str, port: String, keys: String) -> Self {
        Self { plugin, port, comments: Vec::new(), keys, missing: String::new() }
    }

    /// Returns the section with a name that is not `taken` yet, and the name.
    pub(crate) fn named(&self, taken: &mut BTreeSet<String>) -> (String, String) {
        let first = format!("smartmeter_{}", self.plugin);
        let others = (2..).map(|number| format!("{first}_{number}"));
        let mut names = std::iter::once(first.clone()).chain(others);
        let name = names.find(|name| taken.insert(name.clone())).unwrap_or(first);
        let mut text: String =
            self.comments.iter().map(|comment| format!("# {}\n", plain(comment))).collect();
        text +=
            &format!("[sources.{name}]\nplugin = \"{}\"\nport = {:?}\n{}", self.plugin, self.port, self.keys);
        (name, text.trim_end().to_owned() + "\n")
    }

    /// Returns the section, with a name that is not `taken` yet, and comments for missing keys.
    fn text(&self, taken: &mut BTreeSet<String>) -> String {
        self.named(taken).1 + &self.missing
    }
}

/// Replaces control characters of a meter, which could end a comment.
fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

/// Returns all sections as a configuration.
pub(super) fn text(sections: Vec<Section>) -> String {
    let mut taken = BTreeSet::new();
    let texts: Vec<_> = sections.iter().map(|section| section.text(&mut taken)).collect();
    texts.join("\n")
}

/// Appends sections to `file` whose port it does not have yet, and prints them.
pub(super) fn add(file: &Path, sections: Vec<Section>) -> Result<(), Failure> {
    let shown = file.display().to_string();
    let old = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::fault(format!("could not read `{shown}`: {error}\n"))),
    };
    let config = Config::parse(&shown, &old, &[])?;
    let device = |path: &str| fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let mut taken: BTreeSet<_> = config.sources.iter().map(|source| source.name.clone()).collect();
    // Disabled sources have names too.
    taken.extend(names(&old));
    let mut new = String::new();
    for section in sections {
        let mut known = config.sources.iter().filter(|source| source.device.is_some());
        let same = known.find(|source| source.device.as_deref().map(device) == Some(device(&section.port)));
        match same {
            Some(source) => {
                let _ = writeln!(
                    io::stderr(),
                    "{}: `{shown}` has it already, as `{}`",
                    section.port,
                    source.name
                );
            }
            None => {
                new += if old.is_empty() && new.is_empty() { "" } else { "\n" };
                new += &section.text(&mut taken);
            }
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    let glue = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    let new = format!("{glue}{new}");
    // An invalid configuration is not written.
    Config::parse(&shown, &format!("{old}{new}"), &[])?;
    let written = OpenOptions::new().create(true).append(true).open(file).and_then(|mut file| {
        file.write_all(new.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Failure::fault(format!("could not write `{shown}`: {error}\n")))?;
    output().write_all(new.trim_start().as_bytes())?;
    let _ = writeln!(io::stderr(), "added to `{shown}`");
    Ok(())
}

/// Returns the names in `[sources.<name>]`.
fn names(text: &str) -> impl Iterator<Item = String> {
    let headers = text.lines().filter_map(|line| line.trim().strip_prefix("[sources.")?.split(']').next());
    headers.map(|name| name.trim().trim_matches('"').to_owned()).collect::<Vec<_>>().into_iter()
}

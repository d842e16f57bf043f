//! Files of a configuration: `config.toml`, and the drop-ins that are read after it.

use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::{Config, Secrets, Setting, file, outline::Outline, server};
use crate::{
    Diagnostics,
    table::{ConfigText, Diagnostic, MistakeCode},
};

/// Folder of the drop-ins, in the state folder.
const FOLDER: &str = "config.d";
/// Most drop-ins: each has a section or a few.
pub(crate) const MAX_DROP_INS: usize = 64;

/// Makes the settings of the command line from the texts of all files.
type Settings = Arc<dyn Fn(&[&str]) -> Vec<Setting> + Send + Sync>;

/// The files of a configuration, which can be read again and again: `config.toml`, and `config.d/*.toml` in the state
/// folder in the order of their names. A drop-in adds tables, and keys to tables that are there.
#[derive(Clone)]
pub struct ConfigFiles {
    main: Option<PathBuf>,
    settings: Settings,
}

/// A drop-in, as it would be after a change.
#[derive(Debug, Clone)]
pub struct DropIn {
    /// Name of the file in `config.d`.
    pub file: String,
    /// Its text; `None` if there is no such file.
    pub text: Option<String>,
}

/// Texts of the files, each with the path from which it was read.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) whole: ConfigText,
    pub(super) places: Vec<(Option<PathBuf>, Range<usize>)>,
}

/// What could be read of all files.
struct Read {
    texts: Texts,
    settings: Vec<Setting>,
    /// Folder of the drop-ins.
    folder: PathBuf,
    /// Reasons why drop-ins could not be read.
    unread: Vec<Diagnostic>,
}

impl Read {
    /// Returns it, if nothing is missing.
    fn whole(self) -> Result<Self, Diagnostics> {
        if self.unread.is_empty() { Ok(self) } else { Err(Diagnostics::new(self.unread)) }
    }

    fn apply_settings<'a>(&'a self, root: &mut DeTable<'a>) {
        for (n, setting) in self.settings.iter().enumerate() {
            setting.apply(root, self.texts.whole.option_span(n));
        }
    }
}

/// Check of all files that goes on after any mistake.
pub(crate) struct Examined {
    /// The sections of the files that could be read.
    pub(crate) outline: Outline,
    /// The configuration, if it has no mistake.
    pub(crate) config: Option<Config>,
    /// Whether a file could not be read, or is not TOML: what it has is not known.
    pub(crate) is_partial: bool,
    /// All mistakes. Some may only follow from others: a section in a file that is not TOML lacks all of its keys.
    pub(crate) mistakes: Diagnostics,
}

impl Texts {
    fn add(&mut self, name: &str, path: Option<&Path>, text: &str) {
        let at = self.whole.add(name, text);
        self.places.push((path.map(Path::to_owned), at));
    }

    /// A configuration of a single text.
    pub(super) fn single(name: &str, text: &str, settings: &[Setting]) -> Self {
        let mut texts = Self::default();
        texts.add(name, None, text);
        texts.whole.options = settings.iter().map(Setting::option).collect();
        texts
    }

    /// Returns the texts, one for each file.
    fn each(&self) -> Vec<&str> {
        self.places.iter().map(|(_, at)| &self.whole.text[at.clone()]).collect()
    }

    /// Parses all files, and merges their tables. Returns the secrets of each file, too.
    ///
    /// # Errors
    /// Returns what is not TOML, and each key that is set twice.
    pub(super) fn table(&self) -> Result<(DeTable<'_>, Vec<Secrets>), Vec<Diagnostic>> {
        let (merged, secrets, mistakes) = self.merged();
        if mistakes.is_empty() { Ok((merged, secrets)) } else { Err(mistakes) }
    }

    /// Parses all files, and merges the tables of those that are TOML. Returns the secrets of each file, and the mistakes,
    /// too.
    fn merged(&self) -> (DeTable<'_>, Vec<Secrets>, Vec<Diagnostic>) {
        let mut mistakes = Vec::new();
        let mut merged = DeTable::new();
        let mut secrets = Vec::new();
        for (_, at) in &self.places {
            let (table, errors) = DeTable::parse_recoverable(&self.whole.text[at.clone()]);
            mistakes.extend(errors.iter().map(|error| {
                let span = shifted(error.span().unwrap_or(0..0), at.start);
                let mistake = Diagnostic::quoting(&self.whole, span, error.message(), false, None);
                mistake.with_code(MistakeCode::NotToml)
            }));
            let table = moved(table.into_inner(), at.start);
            secrets.push(Secrets::of(&table));
            if errors.is_empty() {
                self.merge(&mut merged, table, "", &mut mistakes);
            }
        }
        (merged, secrets, mistakes)
    }

    /// Adds the keys of a table. A table that is there already is merged; anything else must not be set twice.
    fn merge<'a>(
        &self,
        into: &mut DeTable<'a>,
        from: DeTable<'a>,
        path: &str,
        mistakes: &mut Vec<Diagnostic>,
    ) {
        for (key, value) in from {
            let name = key.get_ref().to_string();
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let Some(there) = into.get_mut(name.as_str()) else {
                into.insert(key, value);
                continue;
            };
            let (first, second) = (there.span(), key.span());
            match (there.get_mut(), value.into_inner()) {
                (DeValue::Table(there), DeValue::Table(table)) => self.merge(there, table, &path, mistakes),
                // A drop-in adds tariffs as it adds sections.
                (DeValue::Array(there), DeValue::Array(more)) if path == "tariffs" => {
                    more.into_iter().for_each(|tariff| there.push(tariff))
                }
                _ => {
                    let (file, line, _) = self.whole.position(first.start);
                    let message = format!("`{path}` is set twice: here, and at {file}:{line}");
                    let hint = "a drop-in adds keys, and replaces none: remove one of the two";
                    let mistake = Diagnostic::new(&self.whole, second, message, Some(hint.to_owned()));
                    mistakes.push(mistake.with_code(MistakeCode::SetTwice));
                }
            }
        }
    }
}

/// Returns a table whose places are those in the whole of all files: its own text begins at `start`.
fn moved(table: DeTable<'_>, start: usize) -> DeTable<'_> {
    let entries = table.into_iter().map(|(key, value)| {
        let at = shifted(key.span(), start);
        (Spanned::new(at, key.into_inner()), moved_value(value, start))
    });
    entries.collect()
}

fn moved_value(value: Spanned<DeValue<'_>>, start: usize) -> Spanned<DeValue<'_>> {
    let at = shifted(value.span(), start);
    let value = match value.into_inner() {
        DeValue::Table(table) => DeValue::Table(moved(table, start)),
        DeValue::Array(array) => {
            let values = array.into_iter().map(|value| moved_value(value, start));
            DeValue::Array(values.collect::<DeArray<'_>>())
        }
        other => other,
    };
    Spanned::new(at, value)
}

fn shifted(span: Range<usize>, start: usize) -> Range<usize> {
    span.start + start..span.end + start
}

impl ConfigFiles {
    /// The file `main` and its drop-ins; without one, only what the command line configures.
    pub fn new(main: Option<PathBuf>) -> Self {
        Self { main, settings: Arc::new(|_| Vec::new()) }
    }

    /// Replaces keys of the files: `settings` makes the replacements from the texts of all files.
    #[must_use]
    pub fn with_settings(
        mut self,
        settings: impl Fn(&[&str]) -> Vec<Setting> + Send + Sync + 'static,
    ) -> Self {
        self.settings = Arc::new(settings);
        self
    }

    /// Returns the main file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.main.as_deref()
    }

    /// Returns the name of the main file, for messages.
    pub fn name(&self) -> String {
        self.main.as_ref().map_or_else(|| "command line".to_owned(), |path| path.display().to_string())
    }

    /// Reads and checks all files.
    ///
    /// # Errors
    /// Returns every mistake, or the reason why a file cannot be read.
    pub fn load(&self) -> Result<Config, Diagnostics> {
        self.load_with(None)
    }

    /// Reads and checks all files as they would be with this drop-in. Nothing is written.
    ///
    /// # Errors
    /// Returns every mistake, or the reason why a file cannot be read.
    pub fn load_with(&self, change: Option<&DropIn>) -> Result<Config, Diagnostics> {
        let Read { texts, settings, folder, .. } = self.read(change)?.whole()?;
        let (mut config, secrets) = Config::checked(&texts, &settings)?;
        for (secrets, (path, _)) in secrets.into_iter().zip(&texts.places) {
            config.warnings.extend(path.as_ref().map(|path| secrets.warnings(path)).into_iter().flatten());
        }
        config.drop_in_dir = Some(folder);
        Ok(config)
    }

    /// Returns the folder of the drop-ins. It need not exist yet.
    ///
    /// # Errors
    /// Returns the mistakes of the main file, which chooses the folder.
    pub fn folder(&self) -> Result<PathBuf, Diagnostics> {
        let mut texts = Texts::default();
        self.read_main(&mut texts)?;
        self.folder_of(&texts)
    }

    /// Checks all files as they would be with this drop-in, whatever else is wrong.
    ///
    /// # Errors
    /// Returns the mistakes of the main file, which chooses the folder of the drop-ins.
    pub(crate) fn examine(&self, change: Option<&DropIn>) -> Result<Examined, Diagnostics> {
        let mut read = self.read(change)?;
        let unread = std::mem::take(&mut read.unread);
        let (mut root, _, mut mistakes) = read.texts.merged();
        let is_toml = |text| DeTable::parse(text).is_ok();
        let is_partial = !unread.is_empty() || !read.texts.each().into_iter().all(is_toml);
        mistakes.extend(unread);
        read.apply_settings(&mut root);
        let outline = Outline::of(&read.texts, &root, read.folder.clone());
        let (config, mistakes) = Config::examined(&read.texts, root, mistakes);
        let config = config.map(|config| Config { drop_in_dir: Some(read.folder.clone()), ..config });
        Ok(Examined { outline, config, is_partial, mistakes })
    }

    /// Reads the texts of all files.
    ///
    /// # Errors
    /// Returns the mistakes of the main file, which chooses the folder of the drop-ins.
    fn read(&self, change: Option<&DropIn>) -> Result<Read, Diagnostics> {
        let mut texts = Texts::default();
        self.read_main(&mut texts)?;
        let folder = self.folder_of(&texts)?;
        let mut mistakes = Vec::new();
        let mut files = drop_ins(&folder).unwrap_or_else(|mistake| {
            mistakes.push(*mistake);
            Vec::new()
        });
        if let Some(DropIn { file, text }) = change {
            files.retain(|known| known != file);
            files.extend(text.is_some().then(|| file.clone()));
            files.sort();
        }
        if files.len() > MAX_DROP_INS {
            let message = format!("{} drop-ins are too many, expected at most {MAX_DROP_INS}", files.len());
            let hint = "join some of them: a drop-in may have any number of sections".to_owned();
            mistakes.push(Diagnostic::file(&folder.display().to_string(), message, Some(hint)));
            files.clear();
        }
        for file in files {
            let path = folder.join(&file);
            let name = path.display().to_string();
            let changed = change.filter(|change| change.file == file).and_then(|change| change.text.clone());
            match changed.map_or_else(|| file::read(&path, file::Use::DropIn), Ok) {
                Ok(text) => texts.add(&name, Some(&path), &text),
                Err((message, hint)) => mistakes.push(Diagnostic::file(&name, message, Some(hint))),
            }
        }
        let settings = (self.settings)(&texts.each());
        texts.whole.options = settings.iter().map(Setting::option).collect();
        Ok(Read { texts, settings, folder, unread: mistakes })
    }

    fn read_main(&self, texts: &mut Texts) -> Result<(), Diagnostics> {
        let name = self.name();
        let text = match &self.main {
            Some(path) => file::read(path, file::Use::Main).map_err(|(message, hint)| {
                Diagnostics::new(vec![Diagnostic::file(&name, message, Some(hint))])
            })?,
            None => String::new(),
        };
        texts.add(&name, self.main.as_deref(), &text);
        Ok(())
    }

    /// Returns the folder of the drop-ins, which the main file and the command line choose.
    fn folder_of(&self, texts: &Texts) -> Result<PathBuf, Diagnostics> {
        let settings = (self.settings)(&texts.each());
        let (mut root, _) = texts.table().map_err(Diagnostics::new)?;
        for setting in &settings {
            setting.apply(&mut root, 0..0);
        }
        let written = match root.get("server").map(Spanned::get_ref) {
            Some(DeValue::Table(server)) => server.get("state_dir").and_then(|dir| dir.get_ref().as_str()),
            _ => None,
        };
        // An empty one is reported with the rest of `[server]`.
        let state_dir =
            written.filter(|dir| !dir.is_empty()).map_or_else(server::default_state_dir, PathBuf::from);
        Ok(state_dir.join(FOLDER))
    }
}

/// Returns the names of the drop-ins in a folder, in their order. Hidden files, and those with another ending, such as
/// an editor's backups, are none.
pub(crate) fn drop_ins(folder: &Path) -> Result<Vec<String>, Box<Diagnostic>> {
    let shown = folder.display().to_string();
    let unreadable = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("this user may not read it: `ls -ld {shown}` shows who may")
            }
            _ => "it is the folder of the drop-ins: make it a folder, or remove it".to_owned(),
        };
        let message = format!("could not read this folder: {error}");
        Box::new(Diagnostic::file(&shown, message, Some(hint)))
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b".") || bytes.starts_with(b"#") || !bytes.ends_with(b".toml") {
            continue;
        }
        let Some(name) = name.to_str() else {
            let message = format!("the name of the drop-in {} is not UTF-8", name.display());
            let hint = Some("rename it: `10-house.toml`".to_owned());
            return Err(Box::new(Diagnostic::file(&shown, message, hint)));
        };
        names.push(name.to_owned());
    }
    names.sort();
    Ok(names)
}

//! Mistakes in the configuration, each with its line.

use std::{
    fmt::{self, Write},
    ops::Range,
};

use reading::words;

use crate::one_line::is_special;

/// The texts of a configuration's files, one after the other, so that a place in any of them is a place in the whole.
#[derive(Debug, Default)]
pub(crate) struct ConfigText {
    /// The name of each file, as the user knows it, and its start.
    files: Vec<(String, usize)>,
    pub(crate) text: String,
    /// Command-line options that set keys. The span of the n-th is the n-th byte after the text.
    pub(crate) options: Vec<&'static str>,
}

impl ConfigText {
    /// Adds a file. Returns its place.
    pub(crate) fn add(&mut self, name: &str, text: &str) -> Range<usize> {
        if !self.files.is_empty() {
            // The end of a file is a place in it, which must not be the start of the next.
            self.text.push('\n');
        }
        let start = self.text.len();
        self.files.push((name.to_owned(), start));
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Returns the number of the file that has a byte, from 0 in the order in which they were added.
    pub(crate) fn file_of(&self, at: usize) -> usize {
        self.files.partition_point(|(_, start)| *start <= at).saturating_sub(1)
    }

    /// Returns the name of the file, the line and the column of a byte, as reports of mistakes show them.
    pub(crate) fn position(&self, at: usize) -> (String, usize, usize) {
        let line = Line::of(self, at);
        let name = self.files.get(self.file_of(at)).map(|(name, _)| name.clone());
        (name.unwrap_or_default(), line.number, line.column(at))
    }

    /// Returns the names of the files.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the span of the n-th option of the command line.
    pub(crate) fn option_span(&self, n: usize) -> Range<usize> {
        let at = self.text.len() + 1 + n;
        at..at
    }
}

words! {
    /// Kind of a mistake, for clients that explain it in another language.
    MistakeCode {
        /// A file that cannot be read, or a folder of them.
        UnreadableFile = "unreadable_file",
        /// The text is not TOML.
        NotToml = "not_toml",
        /// A key is set in two files.
        SetTwice = "set_twice",
        /// There is no such key.
        UnknownKey = "unknown_key",
        /// A required key is missing.
        MissingKey = "missing_key",
        /// A text in place of a number, and the like.
        WrongType = "wrong_type",
        /// A word that is none of the possible ones.
        UnknownWord = "unknown_word",
        /// Any other value that cannot be, alone or beside others.
        WrongValue = "wrong_value",
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    code: MistakeCode,
    place: Place,
    message: String,
    snippet: Option<String>,
    hint: Option<String>,
    at: usize,
}

impl Diagnostic {
    /// A mistake that the parser or serde found: their messages quote the value. `no_text`: a text was expected.
    pub(crate) fn quoting(
        source: &ConfigText,
        span: Range<usize>,
        message: &str,
        no_text: bool,
        hint: Option<String>,
    ) -> Self {
        let secret = span.start <= source.text.len() && Line::of(source, span.start).secret().is_some();
        let message = match message {
            // A password of digits is an integer.
            _ if secret && no_text => {
                "expected a text in quotes; the value is not shown, as it may be secret"
            }
            _ if secret => "a value on this line is wrong; it is not shown, as it may be secret",
            message => message,
        };
        Self::new(source, span, message, hint)
    }

    pub(crate) fn new(
        source: &ConfigText,
        span: Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) -> Self {
        let (message, mut snippet) = (message.into(), None);
        let place = match span.start.checked_sub(source.text.len() + 1).and_then(|n| source.options.get(n)) {
            Some(option) => Place::Whole((*option).to_owned()),
            None => {
                snippet = Some(Line::of(source, span.start).with_caret(&span));
                let (file, line, column) = source.position(span.start);
                Place::At { file, line, column }
            }
        };
        Self { code: MistakeCode::WrongValue, place, message, snippet, hint, at: span.start }
    }

    /// A mistake of a whole file, such as one that cannot be read.
    pub(crate) fn file(name: &str, message: impl Into<String>, hint: Option<String>) -> Self {
        let (code, place) = (MistakeCode::UnreadableFile, Place::Whole(name.to_owned()));
        Self { code, place, message: message.into(), snippet: None, hint, at: 0 }
    }

    /// Says its kind more closely.
    pub(crate) fn with_code(self, code: MistakeCode) -> Self {
        Self { code, ..self }
    }
}

impl Diagnostic {
    /// Returns the file and the message: a change of other lines moves a mistake, and makes no new one.
    fn without_line(&self) -> (&str, &str) {
        let (Place::At { file, .. } | Place::Whole(file)) = &self.place;
        (file, &self.message)
    }
}

/// Place of a mistake, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    At {
        file: String,
        line: usize,
        column: usize,
    },
    /// A file, or an option of the command line.
    Whole(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Whole(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = Visible(f);
        writeln!(f, "{}: {}", self.place, self.message)?;
        if let Some(snippet) = &self.snippet {
            f.write_str(snippet)?;
        }
        match &self.hint {
            Some(hint) => writeln!(f, "hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Text for a terminal, which a file must not control.
struct Visible<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl Write for Visible<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let is_shown = |char| matches!(char, '\n' | '\t') || !is_special(char);
        text.chars().try_for_each(|char| match is_shown(char) {
            true => self.0.write_char(char),
            false => write!(self.0, "{}", char.escape_debug()),
        })
    }
}

/// The line around an offset.
struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn of(whole: &'a ConfigText, at: usize) -> Self {
        let source = whole.text.as_str();
        let at = at.min(source.len());
        let file = whole.files.get(whole.file_of(at)).map_or(0, |(_, start)| *start);
        let start =
            source.as_bytes()[..at].iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let text = source[start..].lines().next().unwrap_or_default();
        let number = source.as_bytes()[file..start].iter().filter(|&&b| b == b'\n').count() + 1;
        Self { number, start, text }
    }

    /// Returns the column in characters, from 1, as editors count.
    fn column(&self, at: usize) -> usize {
        self.text.char_indices().take_while(|(i, _)| self.start + i < at).count() + 1
    }

    /// Returns the end of a key on this line that may hold a secret. A token must not get into a log because a quote
    /// is missing, or because it stands in an inline table.
    fn secret(&self) -> Option<usize> {
        let like = |key: &str| {
            ["token", "password", "secret", "authorization", "api-key", "api_key"]
                .into_iter()
                .any(|word| key.ends_with(word) || strsim::damerau_levenshtein(key, word) <= 2)
        };
        self.text.match_indices('=').map(|(at, _)| at).find(|&at| {
            let before = self.text[..at].trim_end().to_ascii_lowercase();
            let key = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next();
            // Behind the quote of a quoted key, an empty one is found.
            let quoted = before.trim_end_matches(['"', '\'']).rsplit(['"', '\'']).next();
            // An address may hold a user and a password, or a path that only its owner knows.
            let (scheme, rest) = self.text[at..].split_once("://").unzip();
            let names = || [key, quoted].into_iter().flatten();
            let is_url = scheme.is_some() || names().any(|key| strsim::damerau_levenshtein(key, "url") <= 1);
            let is_more = rest.unwrap_or(&self.text[at..]).contains(['@', '/', '?']);
            (is_url && is_more) || names().any(like)
        })
    }

    fn with_caret(&self, span: &Range<usize>) -> String {
        let before = self.column(span.start) - 1;
        let number = self.number.to_string();
        let margin = " ".repeat(number.len());
        if let Some(at) = self.secret() {
            return format!("{margin} |\n{number} | {}= (not shown)\n{margin} |\n", &self.text[..at]);
        }
        let width = self.text.chars().skip(before).count().min(span.len()).max(1);
        format!(
            "{margin} |\n{number} | {}\n{margin} | {}{}\n",
            self.text,
            " ".repeat(before),
            "^".repeat(width)
        )
    }
}

/// One mistake of a configuration, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Mistake<'a> {
    /// Its kind.
    pub code: MistakeCode,
    /// The file, or the option of the command line.
    pub file: &'a str,
    /// The line, from 1; `None` if the whole file is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong, and what was expected.
    pub message: &'a str,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'a str>,
}

/// All mistakes of a configuration, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    pub(crate) fn new(mut all: Vec<Diagnostic>) -> Self {
        all.sort_by_key(|mistake| mistake.at);
        all.dedup();
        Self(all)
    }

    /// Returns the mistakes with their places, for programs.
    pub fn each(&self) -> impl Iterator<Item = Mistake<'_>> {
        self.0.iter().map(|Diagnostic { code, place, message, hint, .. }| {
            let (file, line, column) = match place {
                Place::At { file, line, column } => (file, Some(*line), Some(*column)),
                Place::Whole(name) => (name, None, None),
            };
            Mistake { code: *code, file, line, column, message, hint: hint.as_deref() }
        })
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the mistakes that are not among `known`, wherever in their file those are.
    pub(crate) fn beyond(&self, known: &Self) -> Self {
        let mut known: Vec<_> = known.0.iter().map(Diagnostic::without_line).collect();
        let added = self.0.iter().filter(|mistake| {
            let same = known.iter().position(|known| *known == mistake.without_line());
            same.map(|at| known.swap_remove(at)).is_none()
        });
        Self(added.cloned().collect())
    }

    /// The only mistake of a whole file, and what to do about it.
    pub fn file(name: &str, message: &str, hint: &str) -> Self {
        Self(vec![Diagnostic::file(name, message, Some(hint.to_owned()))])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

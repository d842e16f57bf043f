//! Passes over a table: mistakes that ended one, and what the next one leaves out.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
    ops::Range,
};

use serde::de;
use toml::{Spanned, de::DeValue};

use super::{Table, deserialize::Value, did_you_mean, expected};

/// A mistake that ended a pass.
#[derive(Debug)]
pub(super) struct Error {
    /// Place of the mistake; `None` until the table or list that has the value adds it.
    pub(super) spot: Option<Spot>,
    pub(super) kind: ErrorKind,
}

/// Place of a value.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) at: Range<usize>,
    /// Start of the innermost entry or element that has it: the next pass leaves that out. `None` for the whole value.
    pub(super) entry: Option<usize>,
    /// Start of the entry or element around that.
    pub(super) parent: Option<usize>,
}

#[derive(Debug)]
pub(super) enum ErrorKind {
    Missing(&'static str),
    /// An entry that was left out is required: the next pass reads a placeholder for it.
    LeftOut(usize),
    /// Another type than expected. A password of digits is one, where a text was expected.
    Type {
        message: String,
        of_text: bool,
    },
    /// A word that is none of the possible ones, and the one that was probably meant.
    Word {
        message: String,
        hint: Option<String>,
    },
    Other(String),
}

impl Error {
    /// Adds the place of the value in which it happened.
    pub(super) fn within(mut self, value: Value<'_, '_>) -> Self {
        if !matches!(self.kind, ErrorKind::LeftOut(_)) {
            self.spot.get_or_insert_with(|| value.spot());
        }
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Missing(key) => write!(f, "missing key `{key}`"),
            ErrorKind::Type { message, .. } | ErrorKind::Word { message, .. } | ErrorKind::Other(message) => {
                f.write_str(message)
            }
            ErrorKind::LeftOut(_) => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { spot: None, kind: ErrorKind::Other(message.to_string()) }
    }

    fn missing_field(key: &'static str) -> Self {
        Self { spot: None, kind: ErrorKind::Missing(key) }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::of_type(&expected.to_string(), &described(found))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::of_type(&expected.to_string(), &described(found))
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        let unit = if length == 1 { "element" } else { "elements" };
        Self::of_type(&expected.to_string(), &format!("{length} {unit}"))
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::unknown("value", word, known)
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::unknown("key", key, known)
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self { spot: None, kind: ErrorKind::Other(format!("duplicate key `{key}`")) }
    }
}

impl Error {
    /// A value of another type: `expected` is in the words of serde.
    pub(super) fn of_type(expected: &str, found: &str) -> Self {
        let expected = in_words(expected);
        let message = format!("expected {expected}, not {found}");
        Self { spot: None, kind: ErrorKind::Type { message, of_text: expected == TEXT } }
    }

    /// A word that is none of the possible ones.
    pub(super) fn unknown(what: &str, word: &str, known: &'static [&'static str]) -> Self {
        let known = || known.iter().copied();
        let message = format!("unknown {what} `{word}`, {}", expected(known()));
        Self { spot: None, kind: ErrorKind::Word { message, hint: did_you_mean(word, known()) } }
    }
}

/// What is expected of a text.
pub(super) const TEXT: &str = "a text in quotes";

/// Returns what serde expects without names of types: those of Rust say nothing to a user.
fn in_words(expected: &str) -> String {
    match expected {
        "a string" | "a borrowed string" | "path string" | "a character" => TEXT.to_owned(),
        "a map" => "a table in braces".to_owned(),
        table if table.starts_with("struct ") => "a table in braces".to_owned(),
        "a sequence" | "an array" => "a list in brackets".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        words => words.to_owned(),
    }
}

/// Returns what was found, as a user calls it.
fn described(found: de::Unexpected<'_>) -> String {
    use de::Unexpected as U;
    match found {
        U::Bool(word) => format!("`{word}`"),
        U::Unsigned(number) => format!("the number `{number}`"),
        U::Signed(number) => format!("the number `{number}`"),
        U::Float(number) => format!("the number `{number}`"),
        U::Char(text) => format!("the text `{text}`"),
        U::Str(text) => format!("the text `{text}`"),
        U::Seq => "a list".to_owned(),
        U::Map | U::NewtypeStruct | U::Enum | U::StructVariant => "a table".to_owned(),
        other => other.to_string(),
    }
}

impl From<toml::de::Error> for Error {
    fn from(error: toml::de::Error) -> Self {
        de::Error::custom(error.message())
    }
}

/// Parts of a table with mistakes.
#[derive(Debug, Default, Clone)]
pub(super) struct Wrong {
    /// Starts of the entries that are wrong.
    pub(super) entries: BTreeSet<usize>,
    /// Required keys that are missing, each with the start of the entry or element that lacks it.
    pub(super) missing: BTreeSet<(Option<usize>, &'static str)>,
    /// Whether one of these was required: what was read has a placeholder in its place.
    pub(super) has_placeholders: bool,
}

impl Wrong {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.missing.is_empty()
    }

    /// Returns whether an entry or element, or anything in it, is wrong.
    pub(super) fn has(&self, entry: usize, value: &Spanned<DeValue<'_>>) -> bool {
        self.entries.contains(&entry)
            || self.missing.iter().any(|(of, _)| *of == Some(entry))
            || match value.get_ref() {
                DeValue::Table(table) => table.iter().any(|(key, value)| self.has(key.span().start, value)),
                DeValue::Array(array) => array.iter().any(|value| self.has(value.span().start, value)),
                _ => false,
            }
    }
}

/// State that all values of a table share.
pub(super) struct Pass<'p> {
    pub(super) wrong: RefCell<Wrong>,
    /// Starts of those that are read as placeholders.
    pub(super) replaced: RefCell<BTreeSet<usize>>,
    /// Starts of those whose type takes no placeholder: they are read last, so that the others can be checked.
    pub(super) hopeless: RefCell<BTreeSet<usize>>,
    /// The table itself, in which unknown keys are noted.
    pub(super) table: &'p Table<'p>,
    /// The keys of the struct that the table becomes.
    pub(super) keys: Cell<&'static [&'static str]>,
    /// Value of a placeholder for a missing key.
    pub(super) nothing: Spanned<DeValue<'static>>,
}

/// Start of the entry of a missing key.
pub(super) const NOWHERE: usize = usize::MAX;

impl<'p> Pass<'p> {
    pub(super) fn new(table: &'p Table<'p>, wrong: Wrong) -> Self {
        Self {
            nothing: Spanned::new(table.span.clone(), DeValue::Boolean(false)),
            wrong: wrong.into(),
            replaced: BTreeSet::from([NOWHERE]).into(),
            hopeless: RefCell::default(),
            table,
            keys: Cell::default(),
        }
    }
}

impl Pass<'_> {
    pub(super) fn into_wrong(self) -> Wrong {
        let wrong = self.wrong.into_inner();
        // NOWHERE is always among the replaced ones.
        let has_placeholders = !wrong.missing.is_empty() || self.replaced.into_inner().len() > 1;
        Wrong { has_placeholders, ..wrong }
    }
}

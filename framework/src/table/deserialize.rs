//! Deserializer of a table that finds unknown, missing and wrong keys itself.
//!
//! serde stops at the first mistake, and names types of Rust. This deserializer knows the place of each mistake by
//! construction, and says in words what was expected: the caller notes it, leaves that entry out, and reads the table
//! once more. A required entry that was left out is read as a placeholder, so that the other keys can be checked too.
//! Single values are read by `toml`.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fmt,
    ops::Range,
};

use serde::{
    Deserializer,
    de::{
        self, IntoDeserializer, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{ConfigString, ConfigText, Table, place::CONFIG_STRING, quoted};

/// A mistake that ended a pass.
#[derive(Debug)]
pub(super) struct Error {
    /// Place of the value with the mistake, and start of the innermost entry or element that has it: the next pass
    /// leaves that out. `None` outside of a table.
    pub(super) place: Option<(Range<usize>, usize)>,
    pub(super) kind: ErrorKind,
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
    Other(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Missing(key) => write!(f, "missing key `{key}`"),
            ErrorKind::Type { message, .. } | ErrorKind::Other(message) => f.write_str(message),
            ErrorKind::LeftOut(_) => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { place: None, kind: ErrorKind::Other(message.to_string()) }
    }

    fn missing_field(key: &'static str) -> Self {
        Self { place: None, kind: ErrorKind::Missing(key) }
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
    /// Required keys that are missing.
    pub(super) missing: BTreeSet<&'static str>,
    /// Whether one of these was required: what was read has a placeholder in its place.
    pub(super) has_placeholders: bool,
}

impl Wrong {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.missing.is_empty()
    }
}

/// State that all values of a table share.
pub(super) struct Pass<'p> {
    pub(super) wrong: RefCell<Wrong>,
    /// Starts of those that are read as placeholders.
    pub(super) replaced: RefCell<BTreeSet<usize>>,
    /// The table itself, in which unknown keys are noted.
    table: &'p Table<'p>,
    /// The keys of the struct that the table becomes.
    keys: Cell<&'static [&'static str]>,
    /// Value that is being read, and start of its entry.
    current: RefCell<Option<(Range<usize>, usize)>>,
    /// Value of a placeholder for a missing key.
    nothing: Spanned<DeValue<'static>>,
}

/// Start of the entry of a missing key.
const NOWHERE: usize = usize::MAX;

impl<'p> Pass<'p> {
    pub(super) fn new(table: &'p Table<'p>, wrong: Wrong) -> Self {
        Self {
            nothing: Spanned::new(table.span.clone(), DeValue::Boolean(false)),
            wrong: wrong.into(),
            replaced: BTreeSet::from([NOWHERE]).into(),
            table,
            keys: Cell::default(),
            current: RefCell::default(),
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

/// Text of a placeholder: right for names, and for durations.
const PLACEHOLDER: &str = "1s";

/// A value that is read.
#[derive(Clone, Copy)]
pub(super) struct Value<'p, 'de> {
    value: &'p Spanned<DeValue<'de>>,
    /// Start of the innermost entry or element that it is in; `None` for the whole value.
    entry: Option<usize>,
    pass: &'p Pass<'p>,
}

impl<'p, 'de> Value<'p, 'de> {
    pub(super) fn whole(value: &'p Spanned<DeValue<'de>>, pass: &'p Pass<'p>) -> Self {
        Self { value, entry: None, pass }
    }

    /// Returns a value inside, and notes that it is read; `None` if it is left out.
    fn inside(self, entry: usize, value: &'p Spanned<DeValue<'de>>) -> Option<Self> {
        let is_left_out = self.pass.wrong.borrow().entries.contains(&entry)
            && !self.pass.replaced.borrow().contains(&entry);
        (!is_left_out).then(|| {
            self.pass.current.replace(Some((value.span(), entry)));
            Self { value, entry: Some(entry), pass: self.pass }
        })
    }

    fn is_placeholder(self) -> bool {
        self.entry.is_some_and(|entry| self.pass.replaced.borrow().contains(&entry))
    }

    fn map<V: Visitor<'de>>(self, table: &'p DeTable<'de>, visitor: V) -> Result<V::Value, Error> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let missing = self.pass.wrong.borrow().missing.clone();
        let missing = missing.into_iter().filter(|_| self.entry.is_none());
        let entries = entries
            .into_iter()
            .filter_map(|(key, value)| Some((key.get_ref().clone(), self.inside(key.span().start, value)?)));
        let placeholder = Value { value: &self.pass.nothing, entry: Some(NOWHERE), pass: self.pass };
        let read = visitor
            .visit_map(MapDeserializer::new(entries.chain(missing.map(|key| (key.into(), placeholder)))));
        read.map_err(|error: Error| match error.kind {
            _ if error.place.is_some() => error,
            ErrorKind::LeftOut(_) => error,
            ErrorKind::Missing(key) => match table.get_key_value(key) {
                Some((key, _)) => Error { place: None, kind: ErrorKind::LeftOut(key.span().start) },
                None => Error { place: self.entry.map(|entry| (self.value.span(), entry)), ..error },
            },
            _ => Error { place: self.pass.current.take(), ..error },
        })
    }

    /// Reads a single value, as `toml` does. One that does not `fit` is a mistake: `expected` says what would.
    fn single<V: Visitor<'de>>(
        self,
        fits: bool,
        expected: impl FnOnce(&V) -> String,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if fits {
            return Ok(self.value.clone().into_deserializer().deserialize_any(visitor)?);
        }
        let found = match self.value.get_ref() {
            DeValue::String(text) => format!("the text `{text}`"),
            DeValue::Integer(number) => format!("the number `{number}`"),
            DeValue::Float(number) => format!("the number `{number}`"),
            DeValue::Boolean(word) => format!("`{word}`"),
            DeValue::Datetime(time) => format!("the time `{time}`"),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        let message = format!("expected {}, not {found}", expected(&visitor));
        let of_text = expecting(&visitor) == TEXT;
        Err(Error { place: None, kind: ErrorKind::Type { message, of_text } })
    }

    fn integer(self) -> Option<i128> {
        let number = self.value.get_ref().as_integer()?;
        i128::from_str_radix(number.as_str(), number.radix()).ok()
    }

    /// Reads a whole number from `least` to `most`.
    fn whole_number<V: Visitor<'de>>(self, least: i128, most: i128, visitor: V) -> Result<V::Value, Error> {
        if self.is_placeholder() {
            return visitor.visit_u8(1);
        }
        let number = self.integer();
        let expected = |_: &V| match number {
            Some(_) => format!("a whole number from {least} to {most}"),
            None => "a whole number".to_owned(),
        };
        self.single(number.is_some_and(|number| (least..=most).contains(&number)), expected, visitor)
    }
}

pub(super) const TEXT: &str = "a text in quotes";

/// Returns what a visitor expects, in words where it is a type of Rust.
fn expecting<'de>(visitor: &impl Visitor<'de>) -> String {
    match (visitor as &dyn de::Expected).to_string().as_str() {
        "a string" | "path string" => TEXT.to_owned(),
        table if table.starts_with("struct ") || table == "a map" => "a table in braces".to_owned(),
        "a sequence" => "a list in brackets".to_owned(),
        words => words.to_owned(),
    }
}

/// Defines methods that read whole numbers.
macro_rules! whole_numbers {
    ($($method:ident $int:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.whole_number($int::MIN.into(), $int::MAX.into(), visitor)
        })*
    };
}

impl<'de> IntoDeserializer<'de, Error> for Value<'_, 'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::Table(table) => self.map(table, visitor),
            DeValue::Array(array) => visitor.visit_seq(SeqDeserializer::new(
                array.iter().filter_map(|value| self.inside(value.span().start, value)),
            )),
            _ => self.single(true, expecting, visitor),
        }
    }

    whole_numbers! {
        deserialize_i8 i8 deserialize_i16 i16 deserialize_i32 i32 deserialize_i64 i64
        deserialize_u8 u8 deserialize_u16 u16 deserialize_u32 u32 deserialize_u64 u64
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.value.get_ref();
        match self.is_placeholder() {
            true => visitor.visit_f64(1.0),
            false => self.single(value.is_integer() || value.is_float(), |_| "a number".to_owned(), visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.is_placeholder() {
            true => visitor.visit_bool(false),
            false => self.single(self.value.get_ref().is_bool(), |_| "`true` or `false`".to_owned(), visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.is_placeholder() {
            true => visitor.visit_str(PLACEHOLDER),
            false => self.single(self.value.get_ref().is_str(), expecting, visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref().is_array() {
            true => self.deserialize_any(visitor),
            false => self.single(false, expecting, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref().is_table() {
            true => self.deserialize_any(visitor),
            false => self.single(false, expecting, visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return self.single(false, expecting, visitor);
        };
        let is_section = self.value.span() == self.pass.table.span;
        let own = if is_section { self.pass.table.known } else { &[] };
        if is_section {
            self.pass.keys.set(keys);
        }
        for key in table.keys().filter(|key| !keys.contains(&&**key.get_ref())) {
            if self.pass.wrong.borrow_mut().entries.insert(key.span().start) {
                let known = keys.iter().chain(own).copied();
                self.pass.table.unknown_key(key.span(), key.get_ref(), known);
            }
        }
        self.map(table, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::String(text) if name == CONFIG_STRING && !self.is_placeholder() => {
                let parts = ConfigString::parts(text, self.value.span(), self.pass.table.text);
                visitor.visit_seq(SeqDeserializer::new(parts.into_iter()))
            }
            _ if name == CONFIG_STRING => self.deserialize_str(visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if !self.value.get_ref().is_str() {
            let expected = |_: &V| format!("one of {}, in quotes", quoted(variants.iter().copied()));
            return self.single(false, expected, visitor);
        }
        Ok(self.value.clone().into_deserializer().deserialize_enum(name, variants, visitor)?)
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple identifier ignored_any
    }
}

/// The keys of `T`: the names of its fields.
pub(crate) fn keys_of<T: de::DeserializeOwned>() -> &'static [&'static str] {
    let (text, mistakes) = (ConfigText::default(), RefCell::default());
    let table =
        Table { text: &text, span: 0..0, table: DeTable::new(), known: &[], sample: "", mistakes: &mistakes };
    let pass = Pass::new(&table, Wrong::default());
    let empty = Spanned::new(0..0, DeValue::Table(DeTable::new()));
    // It ends with an error if a key is required; the keys are known by then.
    let _ = T::deserialize(Value::whole(&empty, &pass));
    pass.keys.get()
}

//! Deserializer of a table that finds unknown, missing and wrong keys itself.
//!
//! serde stops at the first mistake, and words it as it likes. This deserializer knows the place of each mistake by
//! construction: the caller notes it, leaves that entry out, and reads the table once more. Single values are read by
//! `toml`.

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

use super::{ConfigText, Table};

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
    /// Something else than a text where one is expected: a password of digits, perhaps.
    NoText(String),
    Other(String),
    /// Result of an entry that was left out.
    Consequence,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Missing(key) => write!(f, "missing key `{key}`"),
            ErrorKind::NoText(message) | ErrorKind::Other(message) => f.write_str(message),
            ErrorKind::Consequence => Ok(()),
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

/// State that all values of a table share.
pub(super) struct Pass<'p> {
    /// Starts of the entries with mistakes.
    pub(super) wrong: RefCell<BTreeSet<usize>>,
    /// The table itself, in which unknown keys are noted.
    table: &'p Table<'p>,
    /// The keys of the struct that the table becomes.
    keys: Cell<&'static [&'static str]>,
    /// Value that is being read, and start of its entry.
    current: RefCell<Option<(Range<usize>, usize)>>,
}

impl<'p> Pass<'p> {
    pub(super) fn new(table: &'p Table<'p>) -> Self {
        Self { wrong: RefCell::default(), table, keys: Cell::default(), current: RefCell::default() }
    }
}

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

    /// Returns a value inside, and notes that it is read; `None` if it has a mistake.
    fn inside(self, entry: usize, value: &'p Spanned<DeValue<'de>>) -> Option<Self> {
        let is_wrong = self.pass.wrong.borrow().contains(&entry);
        (!is_wrong).then(|| {
            self.pass.current.replace(Some((value.span(), entry)));
            Self { value, entry: Some(entry), pass: self.pass }
        })
    }

    fn map<V: Visitor<'de>>(self, table: &'p DeTable<'de>, visitor: V) -> Result<V::Value, Error> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let read = visitor.visit_map(MapDeserializer::new(entries.into_iter().filter_map(|(key, value)| {
            Some((key.get_ref().clone(), self.inside(key.span().start, value)?))
        })));
        read.map_err(|error: Error| match error.kind {
            _ if error.place.is_some() => error,
            // It is there, and was left out.
            ErrorKind::Missing(key) if table.contains_key(key) => {
                Error { place: self.place(), kind: ErrorKind::Consequence }
            }
            ErrorKind::Missing(_) => Error { place: self.place(), ..error },
            _ => Error { place: self.pass.current.take(), ..error },
        })
    }

    fn place(self) -> Option<(Range<usize>, usize)> {
        self.entry.map(|entry| (self.value.span(), entry))
    }

    /// Reads a single value, as `toml` does.
    fn single(self) -> toml::de::ValueDeserializer<'de> {
        self.value.clone().into_deserializer()
    }
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
            _ => Ok(self.single().deserialize_any(visitor)?),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return Ok(self.single().deserialize_struct(name, keys, visitor)?);
        };
        let is_section = self.value.span() == self.pass.table.span;
        let own = if is_section { self.pass.table.known } else { &[] };
        if is_section {
            self.pass.keys.set(keys);
        }
        for key in table.keys().filter(|key| !keys.contains(&&**key.get_ref())) {
            if self.pass.wrong.borrow_mut().insert(key.span().start) {
                let known = keys.iter().chain(own).copied();
                self.pass.table.unknown_key(key.span(), key.get_ref(), known);
            }
        }
        self.map(table, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.single().deserialize_str(visitor).map_err(|error| match self.value.get_ref().is_str() {
            true => error.into(),
            false => Error { place: None, kind: ErrorKind::NoText(error.message().to_owned()) },
        })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
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

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Ok(self.single().deserialize_enum(name, variants, visitor)?)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The keys of `T`: the names of its fields.
pub(crate) fn keys_of<T: de::DeserializeOwned>() -> &'static [&'static str] {
    let (text, mistakes) = (ConfigText::default(), RefCell::default());
    let table = Table { text: &text, span: 0..0, table: DeTable::new(), known: &[], mistakes: &mistakes };
    let pass = Pass::new(&table);
    let empty = Spanned::new(0..0, DeValue::Table(DeTable::new()));
    // It ends with an error if a key is required; the keys are known by then.
    let _ = T::deserialize(Value::whole(&empty, &pass));
    pass.keys.get()
}

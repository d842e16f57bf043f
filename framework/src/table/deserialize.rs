//! Deserializer of a table that finds unknown, missing and wrong keys itself.
//!
//! serde stops at the first mistake, and words it as it likes. This deserializer knows the place of each mistake by
//! construction: the caller notes it, leaves that entry out, and reads the table once more. Single values are read by
//! `toml`.

use std::{cell::RefCell, collections::BTreeSet, fmt, ops::Range};

use serde::{
    Deserializer,
    de::{
        self, DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
        value::CowStrDeserializer,
    },
    forward_to_deserialize_any,
};
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use super::Table;

/// A mistake that ended a pass.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) at: Option<Range<usize>>,
    /// Start of the innermost entry or element with the mistake. The next pass leaves it out.
    pub(super) entry: Option<usize>,
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

impl Error {
    fn new(kind: ErrorKind) -> Self {
        Self { at: None, entry: None, kind }
    }

    /// The mistake is inside this value of this entry, unless its place is known better.
    fn inside(mut self, value: &Spanned<DeValue<'_>>, entry: usize) -> Self {
        self.at.get_or_insert(value.span());
        self.entry.get_or_insert(entry);
        self
    }
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
        Self::new(ErrorKind::Other(message.to_string()))
    }

    fn missing_field(key: &'static str) -> Self {
        Self::new(ErrorKind::Missing(key))
    }
}

impl From<toml::de::Error> for Error {
    fn from(error: toml::de::Error) -> Self {
        Self { at: error.span(), ..Self::new(ErrorKind::Other(error.message().to_owned())) }
    }
}

/// State that all values of a table share.
pub(super) struct Pass<'p> {
    /// Starts of the entries with mistakes.
    pub(super) wrong: RefCell<BTreeSet<usize>>,
    /// The table itself, in which unknown keys are noted.
    pub(super) table: &'p Table<'p>,
}

impl Pass<'_> {
    fn is_wrong(&self, entry: usize) -> bool {
        self.wrong.borrow().contains(&entry)
    }
}

/// A value that is read.
pub(super) struct Value<'p, 'de> {
    pub(super) value: &'p Spanned<DeValue<'de>>,
    pub(super) pass: &'p Pass<'p>,
    /// True for the section itself, false for a value inside.
    pub(super) is_section: bool,
}

impl<'p, 'de> Value<'p, 'de> {
    fn inner(value: &'p Spanned<DeValue<'de>>, pass: &'p Pass<'p>) -> Self {
        Self { value, pass, is_section: false }
    }

    fn map<V: Visitor<'de>>(self, table: &'p DeTable<'de>, visitor: V) -> Result<V::Value, Error> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entries = entries.into_iter().filter(|(key, _)| !self.pass.is_wrong(key.span().start));
        let entries = entries.collect::<Vec<_>>().into_iter();
        let read = visitor.visit_map(Entries { entries, value: None, pass: self.pass });
        read.map_err(|error| match error.kind {
            // It is there, and was left out.
            ErrorKind::Missing(key) if error.entry.is_none() && table.contains_key(key) => {
                Error { kind: ErrorKind::Consequence, ..error }
            }
            _ => error,
        })
    }
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            DeValue::Table(table) => self.map(table, visitor),
            DeValue::Array(array) => {
                visitor.visit_seq(Elements { elements: array, next: 0, pass: self.pass })
            }
            _ => Ok(self.value.clone().into_deserializer().deserialize_any(visitor)?),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return Ok(self.value.clone().into_deserializer().deserialize_struct(name, keys, visitor)?);
        };
        for key in table.keys().filter(|key| !keys.contains(&&**key.get_ref())) {
            if self.pass.wrong.borrow_mut().insert(key.span().start) {
                let own = if self.is_section { self.pass.table.known } else { &[] };
                let known = keys.iter().chain(own).copied();
                self.pass.table.unknown_key(key.span(), key.get_ref(), known);
            }
        }
        self.map(table, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let is_text = self.value.get_ref().is_str();
        let read = self.value.clone().into_deserializer().deserialize_str(visitor).map_err(Error::from);
        read.map_err(|error| match error.kind {
            ErrorKind::Other(message) if !is_text => Error { kind: ErrorKind::NoText(message), ..error },
            _ => error,
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
        Ok(self.value.clone().into_deserializer().deserialize_enum(name, variants, visitor)?)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// Entries of a table.
struct Entries<'p, 'de, I> {
    entries: I,
    value: Option<(usize, &'p Spanned<DeValue<'de>>)>,
    pass: &'p Pass<'p>,
}

impl<'p, 'de: 'p, I> MapAccess<'de> for Entries<'p, 'de, I>
where
    I: Iterator<Item = (&'p Spanned<std::borrow::Cow<'de, str>>, &'p Spanned<DeValue<'de>>)>,
{
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        let entry = key.span().start;
        self.value = Some((entry, value));
        let read = seed.deserialize(CowStrDeserializer::<Error>::new(key.get_ref().clone()));
        read.map(Some).map_err(|error| Error { at: Some(key.span()), entry: Some(entry), ..error })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (entry, value) =
            self.value.take().ok_or_else(|| <Error as de::Error>::custom("a value before its key"))?;
        seed.deserialize(Value::inner(value, self.pass)).map_err(|error| error.inside(value, entry))
    }
}

/// Elements of an array.
struct Elements<'p, 'de> {
    elements: &'p DeArray<'de>,
    next: usize,
    pass: &'p Pass<'p>,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        while let Some(value) = self.elements.get(self.next) {
            self.next += 1;
            let entry = value.span().start;
            if !self.pass.is_wrong(entry) {
                let read = seed.deserialize(Value::inner(value, self.pass));
                return read.map(Some).map_err(|error| error.inside(value, entry));
            }
        }
        Ok(None)
    }
}

/// The keys of `T`: the names of its fields.
pub(crate) fn keys_of<T: de::DeserializeOwned>() -> &'static [&'static str] {
    struct Keys<'k>(&'k mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Keys<'_> {
        type Error = de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("only the keys were wanted"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            keys: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = keys;
            self.deserialize_any(visitor)
        }

        fn deserialize_newtype_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            visitor: V,
        ) -> Result<V::Value, Self::Error> {
            visitor.visit_newtype_struct(self)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut keys: &'static [&'static str] = &[];
    // It ends with an error at once; the keys are known by then.
    let _ = T::deserialize(Keys(&mut keys));
    keys
}

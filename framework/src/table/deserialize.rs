//! Deserializer of a table that finds unknown, missing and wrong keys itself.
//!
//! serde stops at the first mistake, and names types of Rust. This deserializer knows the place of each mistake by
//! construction, and says in words what was expected: the caller notes it, leaves that entry out, and reads the table
//! once more. A required entry that was left out is read as a placeholder, so that the other keys can be checked too.
//! Floats and times are read by `toml`.

use std::{borrow::Cow, cell::RefCell, vec};

use reading::DECIMAL;
use serde::{
    Deserialize as _, Deserializer,
    de::{
        self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{CowStrDeserializer, MapAccessDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    ConfigString, ConfigText, Table,
    pass::{Error, ErrorKind, NOWHERE, Pass, Spot, Wrong},
    place::CONFIG_STRING,
    quoted,
};

/// Text of a placeholder: right for names, and for durations.
const PLACEHOLDER: &str = "1s";

/// A value that is read.
#[derive(Clone, Copy)]
pub(super) struct Value<'p, 'de> {
    value: &'p Spanned<DeValue<'de>>,
    /// Start of the innermost entry or element that it is in; `None` for the whole value.
    entry: Option<usize>,
    /// Start of the entry or element around that.
    parent: Option<usize>,
    pass: &'p Pass<'p>,
}

impl<'p, 'de> Value<'p, 'de> {
    pub(super) fn whole(value: &'p Spanned<DeValue<'de>>, pass: &'p Pass<'p>) -> Self {
        Self { value, entry: None, parent: None, pass }
    }

    pub(super) fn spot(self) -> Spot {
        Spot { at: self.value.span(), entry: self.entry, parent: self.parent }
    }

    /// Returns a value inside; `None` if it is left out.
    fn inside(self, entry: usize, value: &'p Spanned<DeValue<'de>>) -> Option<Self> {
        let is_left_out = self.pass.wrong.borrow().entries.contains(&entry)
            && !self.pass.replaced.borrow().contains(&entry);
        (!is_left_out).then_some(Self { value, entry: Some(entry), parent: self.entry, pass: self.pass })
    }

    fn is_placeholder(self) -> bool {
        self.entry.is_some_and(|entry| self.pass.replaced.borrow().contains(&entry))
    }

    /// Returns the entries of a table that are not left out, and placeholders of those that are missing.
    fn entries(self, table: &'p DeTable<'de>) -> Entries<'p, 'de> {
        let wrong = self.pass.wrong.borrow();
        let nothing = Value { value: &self.pass.nothing, entry: Some(NOWHERE), parent: self.entry, ..self };
        let missing = wrong.missing.iter().filter(|(of, _)| *of == self.entry);
        let missing = missing.map(|(_, key)| (Cow::Borrowed(*key), nothing));
        let entries = table.iter().filter_map(|(key, value)| {
            Some((Cow::Borrowed(&**key.get_ref()), self.inside(key.span().start, value)?))
        });
        let mut entries: Vec<_> = entries.chain(missing).collect();
        let hopeless = self.pass.hopeless.borrow();
        entries.sort_by_key(|(_, value)| {
            (value.entry.is_some_and(|entry| hopeless.contains(&entry)), value.entry)
        });
        Entries { entries: entries.into_iter(), value: None }
    }

    fn map<V: Visitor<'de>>(self, table: &'p DeTable<'de>, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self.entries(table)).map_err(|error| match error.kind {
            ErrorKind::Missing(key) if error.spot.is_none() => match table.get_key_value(key) {
                Some((key, _)) => Error { spot: None, kind: ErrorKind::LeftOut(key.span().start) },
                None => Error { spot: Some(self.spot()), ..error },
            },
            _ => error,
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
            return self.visit(visitor);
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
        Err(Error::of_type(&expected(&visitor), &found))
    }

    /// Passes a single value to a visitor, whose errors are ours and not those of `toml`.
    fn visit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.value.get_ref(), self.integer()) {
            (DeValue::String(text), _) => visitor.visit_str(text),
            (DeValue::Boolean(word), _) => visitor.visit_bool(*word),
            (DeValue::Integer(written), number) => {
                match (number.map(i64::try_from), number.map(u64::try_from)) {
                    (Some(Ok(number)), _) => visitor.visit_i64(number),
                    (_, Some(Ok(number))) => visitor.visit_u64(number),
                    _ => Err(Error::of_type(&expecting(&visitor), &format!("the number `{written}`"))),
                }
            }
            (DeValue::Float(_), _) => {
                visitor.visit_f64(f64::deserialize(self.value.clone().into_deserializer())?)
            }
            _ => Ok(self.value.clone().into_deserializer().deserialize_any(visitor)?),
        }
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

/// Returns what a visitor expects, in the words of serde.
fn expecting<'de>(visitor: &impl Visitor<'de>) -> String {
    (visitor as &dyn de::Expected).to_string()
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
            _ if self.is_placeholder() => visitor.visit_u64(1),
            DeValue::Table(table) => self.map(table, visitor),
            DeValue::Array(array) => {
                let elements = array.iter().filter_map(|value| self.inside(value.span().start, value));
                visitor.visit_seq(Elements(elements.collect::<Vec<_>>().into_iter()))
            }
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
            _ if self.is_placeholder() => visitor.visit_seq(Elements(Vec::new().into_iter())),
            true => self.deserialize_any(visitor),
            false => self.single(false, expecting, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value.get_ref().is_table() {
            _ if self.is_placeholder() => visitor.visit_map(Entries::default()),
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
        if self.is_placeholder() {
            let entries: Vec<_> = keys.iter().map(|key| (Cow::Borrowed(*key), self)).collect();
            return visitor.visit_map(Entries { entries: entries.into_iter(), value: None });
        }
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
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value.get_ref() {
            // A float would lose digits. Only exponents are read as one.
            DeValue::Float(number) if name == DECIMAL && !number.as_str().contains(char::is_alphabetic) => {
                visitor.visit_str(number.as_str())
            }
            _ => visitor.visit_newtype_struct(self),
        }
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
        let words = || variants.iter().copied();
        match self.value.get_ref() {
            _ if self.is_placeholder() => {
                visitor.visit_enum(variants.first().copied().unwrap_or_default().into_deserializer())
            }
            DeValue::Table(table) => visitor.visit_enum(MapAccessDeserializer::new(self.entries(table))),
            DeValue::String(word) if !variants.contains(&&**word) => {
                Err(Error::unknown("value", word, variants))
            }
            DeValue::String(_) => {
                Ok(self.value.clone().into_deserializer().deserialize_enum(name, variants, visitor)?)
            }
            _ => self.single(false, |_| format!("one of {}, in quotes", quoted(words())), visitor),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple identifier ignored_any
    }
}

/// Entries of a table. An error in a value gets its place.
#[derive(Default)]
struct Entries<'p, 'de> {
    entries: vec::IntoIter<(Cow<'p, str>, Value<'p, 'de>)>,
    value: Option<Value<'p, 'de>>,
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some(value);
        let key = seed.deserialize(CowStrDeserializer::<Error>::new(key));
        key.map(Some).map_err(|error| error.within(value))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let value =
            self.value.take().ok_or_else(|| <Error as de::Error>::custom("a value before its key"))?;
        seed.deserialize(value).map_err(|error| error.within(value))
    }
}

/// Elements of a list. An error in one gets its place.
struct Elements<'p, 'de>(vec::IntoIter<Value<'p, 'de>>);

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(value) = self.0.next() else { return Ok(None) };
        seed.deserialize(value).map(Some).map_err(|error| error.within(value))
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

//! Keys that the command line sets in place of the file.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A key that an option of the command line sets or removes. A mistake in its value is reported with the option's
/// name.
#[derive(Debug, Clone)]
pub struct Setting {
    option: &'static str,
    path: Vec<String>,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    /// In TOML.
    Number(String),
    /// The key is removed.
    Nothing,
}

impl Setting {
    /// Sets a key to a text. `path` is the key with the tables that it is in: `["server", "listen"]`.
    pub fn set(option: &'static str, path: &[&str], text: impl Into<String>) -> Self {
        Self { value: Value::Text(text.into()), ..Self::remove(option, path) }
    }

    /// Sets a key to an integer.
    pub fn set_number(option: &'static str, path: &[&str], number: i64) -> Self {
        Self { value: Value::Number(number.to_string()), ..Self::remove(option, path) }
    }

    /// Removes a key.
    pub fn remove(option: &'static str, path: &[&str]) -> Self {
        Self { option, path: path.iter().map(|&key| key.to_owned()).collect(), value: Value::Nothing }
    }

    /// Returns the option's name.
    pub(super) fn option(&self) -> &'static str {
        self.option
    }

    /// Changes the table of a whole file. `span` is the place of the option.
    pub(super) fn apply<'a>(&'a self, root: &mut DeTable<'a>, span: Range<usize>) {
        let Some((key, tables)) = self.path.split_last() else { return };
        let mut table = root;
        for name in tables {
            if !table.contains_key(name.as_str()) {
                let empty = DeValue::Table(DeTable::new());
                let key = Spanned::new(span.clone(), name.as_str().into());
                table.insert(key, Spanned::new(span.clone(), empty));
            }
            match table.get_mut(name.as_str()).map(Spanned::get_mut) {
                Some(DeValue::Table(inner)) => table = inner,
                _ => return, // The file is reported to have something else than a table here.
            }
        }
        table.remove(key.as_str());
        let value = match &self.value {
            Value::Text(text) => DeValue::String(text.as_str().into()),
            Value::Number(number) => match DeValue::parse(number) {
                Ok(number) => number.into_inner(),
                Err(_) => return, // An integer is always TOML.
            },
            Value::Nothing => return,
        };
        let value = Spanned::new(span.clone(), value);
        table.insert(Spanned::new(span, key.as_str().into()), value);
    }
}

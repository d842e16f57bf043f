//! Parameters of a request: those after the `?` of its path.

use std::collections::HashMap;

use super::ApiError;
use crate::{
    Timestamp,
    journal::{Micros, ReadError, View, parse_end, parse_time},
    table::quoted,
};

/// Parameters of a request, each at most once.
#[derive(Debug, Default)]
pub(super) struct Parameters(HashMap<&'static str, String>);

impl Parameters {
    /// Returns the parameters of a request to a route that knows these.
    ///
    /// # Errors
    /// Returns an error that names those that are known.
    pub(super) fn parse(query: Vec<(String, String)>, known: &[&'static str]) -> Result<Self, ApiError> {
        let mut given = HashMap::new();
        for (key, value) in query {
            let Some(known) = known.iter().find(|known| **known == key) else {
                let known = quoted(known.iter().copied());
                return Err(ApiError::bad_request(format!("unknown parameter `{key}`: expected {known}")));
            };
            if given.insert(*known, value).is_some() {
                return Err(ApiError::bad_request(format!("duplicate parameter `{known}`")));
            }
        }
        Ok(Self(given))
    }

    /// Takes the value of a parameter.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// Returns the value of a parameter, or an error that lists the valid ones.
    pub(super) fn one_of<T>(
        &self,
        key: &str,
        named: impl Fn(&str) -> Option<T>,
        words: impl IntoIterator<Item = &'static str>,
    ) -> Result<Option<T>, ApiError> {
        let Some(word) = self.0.get(key) else { return Ok(None) };
        let wrong = || ApiError::bad_request(format!("`{key}` is `{word}`: expected {}", quoted(words)));
        named(word).map(Some).ok_or_else(wrong)
    }
}

/// Side of a date that is meant where only a date is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Day {
    Begin,
    End,
}

/// Returns the moment of a parameter.
///
/// # Errors
/// Returns an error with the forms that are understood.
pub(super) fn moment(view: &View<'_>, key: &str, text: &str, day: Day) -> Result<Micros, ReadError> {
    let now = Timestamp::now().to_zoned(view.zone.clone());
    let parse = if day == Day::End { parse_end } else { parse_time };
    let moment = parse(text, &now).map_err(|error| ReadError::BadRequest(format!("`{key}`: {error}")))?;
    Ok(moment.as_microsecond())
}

//! What a plugin says about a configuration that it cannot use.

/// A value that a plugin refuses although its type is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// The key whose value is wrong; `None` where the section as a whole is.
    pub key: Option<&'static str>,
    /// What is wrong and what was expected: lower case, user input in backticks.
    pub message: String,
    /// What to write instead, if that can be said.
    pub hint: Option<String>,
    /// What else is wrong.
    others: Vec<ConfigError>,
}

/// Words for a message: each in backticks, a comma between.
pub(crate) fn quoted<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

impl ConfigError {
    /// The value of `key` is wrong.
    pub fn key(key: &'static str, message: impl Into<String>) -> Self {
        Self { key: Some(key), message: message.into(), hint: None, others: Vec::new() }
    }

    /// The section as a whole is wrong: keys that contradict each other or lack each other.
    pub fn section(message: impl Into<String>) -> Self {
        Self { key: None, message: message.into(), hint: None, others: Vec::new() }
    }

    /// Both errors: a user sees every mistake at once.
    pub fn and(mut self, other: Self) -> Self {
        self.others.push(other);
        self
    }

    /// All of these errors as one; `Ok` where there are none.
    ///
    /// # Errors
    /// The errors, if there are any.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        errors.into_iter().reduce(Self::and).map_or(Ok(()), Err)
    }

    /// This error and those that came with it.
    pub(crate) fn each(&self) -> Vec<&Self> {
        let mut all = vec![self];
        all.extend(self.others.iter().flat_map(Self::each));
        all
    }

    /// The same error with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

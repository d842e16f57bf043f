//! Texts in files that spreadsheets open.

use std::borrow::Cow;

/// First letters of a text that a spreadsheet takes for a formula, and the one that says that it is a text.
const GUARDED: [char; 5] = ['=', '+', '-', '@', '\''];

/// Returns a text so that a spreadsheet shows it instead of calculating it: with an apostrophe in front.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(GUARDED) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Returns a text without the apostrophe of [`guarded`].
pub fn unguarded(text: &str) -> &str {
    text.strip_prefix('\'').filter(|rest| rest.starts_with(GUARDED)).unwrap_or(text)
}

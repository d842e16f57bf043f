//! Secrets in a drop-in that somebody looks at: a mask stands for each.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::config::is_secret_key;

/// Text that stands for a secret.
pub(super) const MASK: &str = "********";

/// A secret in a text: the path of its key, and its place.
struct Found {
    path: String,
    at: Range<usize>,
    is_mask: bool,
}

/// Returns a text with a mask in place of each secret; `None` if it is not TOML.
pub(super) fn masked(text: &str) -> Option<String> {
    let mut masked = text.to_owned();
    for secret in secrets(text)?.into_iter().rev() {
        masked.replace_range(secret.at, &format!("\"{MASK}\""));
    }
    Some(masked)
}

/// Returns a text with the secrets of the old one in place of the masks. What is not TOML is returned as it is.
///
/// # Errors
/// Returns the key of a mask that stands for nothing.
pub(super) fn unmasked(text: &str, old: &str) -> Result<String, String> {
    let known = secrets(old).unwrap_or_default();
    let mut whole = text.to_owned();
    for mask in secrets(text).unwrap_or_default().into_iter().rev().filter(|secret| secret.is_mask) {
        let secret = known.iter().find(|known| known.path == mask.path && !known.is_mask);
        let secret = secret.and_then(|secret| old.get(secret.at.clone())).ok_or(mask.path)?;
        whole.replace_range(mask.at, secret);
    }
    Ok(whole)
}

/// Returns the secrets in a text, in its order; `None` if it is not TOML.
fn secrets(text: &str) -> Option<Vec<Found>> {
    let table = DeTable::parse(text).ok()?;
    let mut found = Vec::new();
    collect(table.get_ref(), "", &mut found);
    found.sort_by_key(|secret| secret.at.start);
    Some(found)
}

fn collect(table: &DeTable<'_>, path: &str, found: &mut Vec<Found>) {
    for (key, value) in table {
        let path = format!("{path}.{}", key.get_ref());
        look(key.get_ref(), value, path, found);
    }
}

fn look(key: &str, value: &Spanned<DeValue<'_>>, path: String, found: &mut Vec<Found>) {
    match value.get_ref() {
        DeValue::Table(inner) => collect(inner, &path, found),
        DeValue::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                look(key, value, format!("{path}[{n}]"), found);
            }
        }
        DeValue::String(text) => {
            let is_mask = text == MASK;
            // An address may hold a user and a password.
            let is_secret = is_secret_key(key) || (text.contains("://") && text.contains('@'));
            if is_mask || is_secret {
                found.push(Found { path, at: value.span(), is_mask });
            }
        }
        // A password of digits is refused, but not shown either.
        _ if is_secret_key(key) => found.push(Found { path, at: value.span(), is_mask: false }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine\n[server]\ntoken = 'very \"long\" secret'\n\
        [publishers.a]\nplugin = \"mqtt\"\nurl = \"mqtt://u:p@broker\"\npassword = \"pässwörd\"\n\
        headers = { Authorization = \"Bearer x\" }\npassword_file = \"/etc/x\"\npin = 17\n";

    #[test]
    fn a_secret_is_masked_and_comes_back_when_the_text_is_saved_again() {
        let shown = masked(TEXT).unwrap();
        for secret in ["very", "u:p", "pässwörd", "Bearer"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("/etc/x") && shown.starts_with("# mine\n") && shown.contains("pin = 17"));
        assert_eq!(unmasked(&shown, TEXT).unwrap(), TEXT);
        let edited = format!("# changed\n{shown}interval = \"5s\"\n");
        assert_eq!(unmasked(&edited, TEXT).unwrap(), format!("# changed\n{TEXT}interval = \"5s\"\n"));
    }

    #[test]
    fn a_mask_without_a_secret_is_an_error() {
        let new = "[publishers.b]\npassword = \"********\"\n";
        assert_eq!(unmasked(new, TEXT), Err(".publishers.b.password".to_owned()));
        assert_eq!(unmasked("[broken", TEXT).unwrap(), "[broken");
        assert_eq!(masked("[broken"), None);
    }
}

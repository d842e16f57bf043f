//! Secrets in a drop-in that somebody looks at: a mask stands for each.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::DropInError;
use crate::config::is_secret_key;

/// Text that stands for a secret.
pub(super) const MASK: &str = "********";

/// Keys of a section that say where its secrets are sent, and as whose.
const RECEIVER: [&str; 7] = ["plugin", "url", "host", "server", "port", "username", "user"];

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
/// Returns the key of a mask that stands for nothing, or whose secret would be sent elsewhere.
pub(super) fn unmasked(text: &str, old: &str) -> Result<String, DropInError> {
    let known = secrets(old).unwrap_or_default();
    let mut whole = text.to_owned();
    for mask in secrets(text).unwrap_or_default().into_iter().rev().filter(|secret| secret.is_mask) {
        let secret = known.iter().find(|known| known.path == mask.path && !known.is_mask);
        let secret = secret
            .and_then(|secret| old.get(secret.at.clone()))
            .ok_or_else(|| DropInError::Masked(mask.path.trim_start_matches('.').to_owned()))?;
        if let Some(changed) = changed(text, old, &mask.path) {
            let secret = mask.path.trim_start_matches('.').to_owned();
            return Err(DropInError::Moved { secret, changed });
        }
        whole.replace_range(mask.at, secret);
    }
    Ok(whole)
}

/// Returns the first key of the secret's section that says where it is sent, and has another value than before.
fn changed(text: &str, old: &str, path: &str) -> Option<&'static str> {
    let (Ok(new), Ok(old)) = (DeTable::parse(text), DeTable::parse(old)) else { return None };
    let value = |root: &DeTable<'_>, key: &str| {
        let mut names = path.split('.').skip(1);
        let (table, name) = (names.next()?, names.next()?);
        let section = root.get(table)?.get_ref().get(name)?;
        section.get_ref().get(key).map(|value| match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            other => format!("{other:?}"),
        })
    };
    RECEIVER.into_iter().find(|key| {
        let (new, old) = (value(new.get_ref(), key), value(old.get_ref(), key));
        // A masked address is put back as it was.
        new != old && new.as_deref() != Some(MASK)
    })
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
        let error = unmasked(new, TEXT).unwrap_err();
        assert!(matches!(error, DropInError::Masked(key) if key == "publishers.b.password"));
        assert_eq!(unmasked("[broken", TEXT).unwrap(), "[broken");
        assert_eq!(masked("[broken"), None);
    }

    #[test]
    fn a_secret_is_put_back_only_for_the_server_and_user_that_it_was_saved_for() {
        let old = "[publishers.a]\nplugin = \"mqtt\"\nurl = \"mqtt://one\"\nusername = \"me\"\npassword = \"geheim\"\n";
        let shown = masked(old).unwrap();
        for (from, to, key) in [
            ("mqtt://one", "mqtt://evil", "url"),
            ("\"me\"", "\"you\"", "username"),
            ("username = \"me\"\n", "", "username"),
            ("\"mqtt\"", "\"influx\"", "plugin"),
        ] {
            let error = unmasked(&shown.replace(from, to), old).unwrap_err().to_string();
            let expected = format!("write `publishers.a.password` again, because `{key}` was changed");
            assert_eq!(error, expected);
        }
    }
}

//! Secrets in a drop-in that somebody looks at: a mask stands for each.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::DropInError;
use crate::{
    Outline, Outlined,
    config::{OutlinedSecret, RECEIVER, is_secret, is_secret_key},
};

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

/// Returns a text with the secrets of the old one in place of the masks, and the paths of their keys. What is not TOML is
/// returned as it is.
///
/// # Errors
/// Returns the key of a mask that stands for nothing.
pub(super) fn unmasked(text: &str, old: &str) -> Result<(String, Vec<String>), DropInError> {
    let known = secrets(old).unwrap_or_default();
    let (mut whole, mut restored) = (text.to_owned(), Vec::new());
    for mask in secrets(text).unwrap_or_default().into_iter().rev().filter(|secret| secret.is_mask) {
        let secret = known.iter().find(|known| known.path == mask.path && !known.is_mask);
        let secret = secret
            .and_then(|secret| old.get(secret.at.clone()))
            .ok_or_else(|| DropInError::Masked(mask.path.clone()))?;
        whole.replace_range(mask.at, secret);
        restored.push(mask.path);
    }
    Ok((whole, restored))
}

/// Checks that no secret would be sent elsewhere, or as somebody else, but those that who changes `file` knows: the ones
/// in its new text that are not `restored`.
///
/// # Errors
/// Returns a secret that would be, and the key that has changed.
pub(super) fn check(
    before: &Outline,
    after: &Outline,
    file: &str,
    restored: &[String],
) -> Result<(), DropInError> {
    let nowhere = [None; RECEIVER.len()];
    let own = after.folder.join(file).display().to_string();
    for (old, new) in pairs(before, after) {
        let was = old.map_or(&nowhere, |old| &old.receiver);
        let Some(n) = (0..RECEIVER.len()).find(|&n| was[n] != new.receiver[n]) else { continue };
        let changed = RECEIVER[n];
        for OutlinedSecret { path, file: place } in &new.secrets {
            let secret = path.clone();
            if *place != own {
                return Err(DropInError::Apart { secret, changed, place: place.clone() });
            }
            if restored.contains(path) {
                return Err(DropInError::Moved { secret, changed });
            }
        }
    }
    Ok(())
}

/// Returns whether any section would send something elsewhere, or as somebody else, than before.
pub(super) fn has_new_receiver(before: &Outline, after: &Outline) -> bool {
    let nowhere = [None; RECEIVER.len()];
    pairs(before, after).any(|(old, new)| {
        let was = old.map_or(&nowhere, |old| &old.receiver);
        was.iter().zip(&new.receiver).any(|(was, is)| is.is_some() && was != is)
    })
}

/// Returns each section as it was, if it was there, and as it is.
fn pairs<'o>(
    before: &'o Outline,
    after: &'o Outline,
) -> impl Iterator<Item = (Option<&'o Outlined>, &'o Outlined)> {
    let tables = |outline: &'o Outline| [&outline.sources, &outline.publishers, &outline.endpoints];
    tables(before).into_iter().zip(tables(after)).flat_map(|(before, after)| {
        after.iter().map(|new| (before.iter().find(|old| old.name == new.name), new))
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
        let key_path = if path.is_empty() { String::new() } else { format!("{path}.") };
        let path = key_path + key.get_ref();
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
            if is_mask || is_secret(key, text) {
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
    use std::fs;

    use super::*;
    use crate::{ConfigFiles, DropIn};

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
        assert_eq!(unmasked(&shown, TEXT).unwrap().0, TEXT);
        let edited = format!("# changed\n{shown}interval = \"5s\"\n");
        let (whole, restored) = unmasked(&edited, TEXT).unwrap();
        assert!(restored.contains(&"publishers.a.password".to_owned()), "{restored:?}");
        assert_eq!(whole, format!("# changed\n{TEXT}interval = \"5s\"\n"));
    }

    #[test]
    fn a_mask_without_a_secret_is_an_error() {
        let new = "[publishers.b]\npassword = \"********\"\n";
        let error = unmasked(new, TEXT).unwrap_err();
        assert!(matches!(error, DropInError::Masked(key) if key == "publishers.b.password"));
        assert_eq!(unmasked("[broken", TEXT).unwrap().0, "[broken");
        assert_eq!(masked("[broken"), None);
    }

    /// Returns the reason why a drop-in may not become `text`; masks stand for the secrets that it has.
    fn refused(main: &str, drop_ins: &[(&str, &str)], file: &str, text: Option<&str>) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().display();
        fs::write(folder.path().join("config.toml"), format!("[server]\nstate_dir = \"{state}\"\n{main}"))
            .unwrap();
        fs::create_dir(folder.path().join("config.d")).unwrap();
        for (file, text) in drop_ins {
            fs::write(folder.path().join("config.d").join(file), text).unwrap();
        }
        let files = ConfigFiles::new(Some(folder.path().join("config.toml")));
        let before = files.examine(None).unwrap().outline;
        let old = drop_ins.iter().find(|(name, _)| *name == file).map_or("", |(_, text)| text);
        let (text, restored) = text.map(|text| unmasked(text, old).unwrap()).unzip();
        let change = DropIn { file: file.to_owned(), text };
        let after = files.examine(Some(&change)).unwrap().outline;
        let reason = check(&before, &after, file, &restored.unwrap_or_default()).err()?.to_string();
        Some(reason.replace(&format!("{state}/"), ""))
    }

    #[test]
    fn a_secret_is_kept_only_for_the_server_and_user_that_it_was_saved_for() {
        let old = "[publishers.a]\nplugin = \"mqtt\"\nurl = \"mqtt://one\"\nusername = \"me\"\npassword = \"geheim\"\n";
        let shown = masked(old).unwrap();
        let change = |text: &str| refused("", &[("10-a.toml", old)], "10-a.toml", Some(text));
        for (from, to, key) in [
            ("mqtt://one", "mqtt://evil", "url"),
            ("\"me\"", "\"you\"", "username"),
            ("username = \"me\"\n", "", "username"),
            ("\"mqtt\"", "\"influx\"", "plugin"),
        ] {
            let text = shown.replace(from, to);
            let expected = format!("write `publishers.a.password` again, because `{key}` was changed");
            assert_eq!(change(&text), Some(expected));
            assert_eq!(change(&text.replace(MASK, "new")), None, "it is known to who writes it");
        }
        assert_eq!(change(&format!("{shown}interval = \"5s\"\n")), None);
        assert_eq!(change(&shown.replace("password", "# password")), None, "without the secret");
    }

    #[test]
    fn a_secret_in_one_file_is_not_sent_to_the_address_of_another() {
        let secret = "[publishers.a]\nplugin = \"mqtt\"\npassword = \"geheim\"\n";
        let file = "[publishers.a]\nplugin = \"mqtt\"\npassword_file = \"/etc/secret\"\n";
        let address = "[publishers.a]\nurl = \"mqtt://one\"\n";
        let evil = "[publishers.a]\nurl = \"mqtt://evil\"\n";
        let both = [("10-a.toml", secret), ("20-b.toml", address)];
        let apart = |key: &str, place: &str| {
            Some(format!(
                "`url` decides where `publishers.a.{key}` in {place} is sent: change both in one file"
            ))
        };
        let in_drop_in = apart("password", "config.d/10-a.toml");
        assert_eq!(refused("", &both, "20-b.toml", Some(evil)), in_drop_in);
        assert_eq!(refused("", &both[..1], "20-b.toml", Some(evil)), in_drop_in);
        assert_eq!(refused("", &both, "20-b.toml", None), in_drop_in, "the usual address may be another");
        assert_eq!(refused(secret, &both[1..], "20-b.toml", Some(evil)), apart("password", "config.toml"));
        assert_eq!(refused(file, &both[1..], "20-b.toml", Some(evil)), apart("password_file", "config.toml"));
        let same = format!("{address}interval = \"5s\"\n");
        assert_eq!(refused("", &both, "20-b.toml", Some(&same)), None);
        assert_eq!(refused("", &both, "10-a.toml", None), None, "the secret itself goes");
        // A whole section of its own is nobody else's.
        assert_eq!(refused(secret, &[], "20-b.toml", Some(&evil.replace("rs.a", "rs.b"))), None);
    }
}

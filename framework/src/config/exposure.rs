//! Secrets in files that others on this machine can read.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use toml::de::{DeTable, DeValue};

/// Permission of everybody to read.
const OTHERS: u32 = 0o004;

/// Ends of the names of keys whose values are secrets. With `_file` after them, the value names a file with one.
const SECRETS: [&str; 6] = ["token", "password", "secret", "client_key", "api_key", "authentication_key"];

/// Values that are no secrets: keys that their operators publish, here that of Luxembourg's meters.
const PUBLISHED: [&str; 1] = ["00112233445566778899AABBCCDDEEFF"];

/// Keys whose values name files with secrets.
const FILES: [&str; 2] = ["client_key", "tls_key"];

/// Secrets in a configuration.
#[derive(Default)]
pub(super) struct Secrets {
    /// The first key with a secret in the text itself.
    written: Option<String>,
    /// Files with secrets.
    files: Vec<String>,
}

impl Secrets {
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let mut found = Self::default();
        found.look(table);
        found
    }

    /// Returns a warning for each file with a secret that everybody can read: the configuration, and those that it names.
    pub(super) fn warnings(self, path: &Path) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(key) = self.written
            && is_open(path)
        {
            let shown = path.display();
            warnings.push(format!(
                "everybody on this machine can read the secret `{key}` in {shown}\nhint: write it into a file of its own (docs/configuration.md, Secrets), or `chmod o-r {shown}`"
            ));
        }
        warnings.extend(self.files.iter().filter(|file| is_open(Path::new(file))).map(|file| {
            format!("everybody on this machine can read the secret in {file}\nhint: `chmod o-r {file}`")
        }));
        warnings
    }

    /// Returns the path of each key in a table that is a secret or names a file with one, and its place. `path` is that of
    /// the table.
    pub(super) fn paths(table: &DeTable<'_>, path: &str) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        for (key, value) in table {
            let (name, at) = (key.get_ref(), key.span().start);
            collect(name, at, value.get_ref(), format!("{path}.{name}"), &mut found);
        }
        found
    }

    fn look(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            match value.get_ref() {
                DeValue::Table(inner) => self.look(inner),
                DeValue::String(text) => self.look_at(key.get_ref(), text),
                _ => {}
            }
        }
    }

    fn look_at(&mut self, key: &str, text: &str) {
        if names_secret(key) {
            // Several sources may have one key.
            if !self.files.iter().any(|file| file == text) {
                self.files.push(text.to_owned());
            }
        } else if is_secret_key(key) && !is_published(text) {
            self.written.get_or_insert_with(|| key.to_owned());
        }
    }
}

fn collect(key: &str, at: usize, value: &DeValue<'_>, path: String, found: &mut Vec<(String, usize)>) {
    match value {
        DeValue::Table(inner) => found.extend(Secrets::paths(inner, &path)),
        DeValue::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                collect(key, at, value.get_ref(), format!("{path}[{n}]"), found);
            }
        }
        DeValue::String(text) if is_published(text) => {}
        DeValue::String(text) if is_secret(key, text) || names_secret(key) => found.push((path, at)),
        _ if is_secret_key(key) => found.push((path, at)),
        _ => {}
    }
}

/// Returns whether the value of a key is a secret itself.
pub(crate) fn is_secret_key(key: &str) -> bool {
    key != "client_key" && (ends_as_secret(key) || key.eq_ignore_ascii_case("authorization"))
}

/// Returns whether a text is a secret, or an address with a user and a password.
pub(crate) fn is_secret(key: &str, text: &str) -> bool {
    is_secret_key(key) || (text.contains("://") && text.contains('@'))
}

/// Returns whether everybody may know the value of a key.
fn is_published(text: &str) -> bool {
    PUBLISHED.iter().any(|known| known.eq_ignore_ascii_case(text))
}

/// Returns whether the value of a key names a file with a secret.
fn names_secret(key: &str) -> bool {
    FILES.contains(&key) || key.strip_suffix("_file").is_some_and(ends_as_secret)
}

fn ends_as_secret(key: &str) -> bool {
    // A meter's key is called `key`, and nothing else ends so without being named above.
    key.eq_ignore_ascii_case("key") || SECRETS.iter().any(|end| key.to_ascii_lowercase().ends_with(end))
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_of_several_sources_is_warned_of_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("guek");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let path = file.display();
        let text = format!("[sources.a]\nkey_file = '{path}'\n[sources.b]\nkey_file = '{path}'\n");
        let table = DeTable::parse(&text).unwrap();
        let warnings = Secrets::of(table.get_ref()).warnings(Path::new("/nonexistent"));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn the_published_authentication_key_of_luxembourg_is_no_secret_and_any_other_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        for (key, expected) in
            [("00112233445566778899aabbccddeeff", 0), ("00112233445566778899AABBCCDDEEF0", 1)]
        {
            let text = format!("[sources.a]\nauthentication_key = '{key}'\n");
            let table = DeTable::parse(&text).unwrap();
            assert_eq!(Secrets::of(table.get_ref()).warnings(&file).len(), expected, "{key}");
        }
    }
}

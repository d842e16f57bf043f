//! Fingerprint of a section: whether a reload has something to do for it.

use std::{
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher},
    io::Read as _,
};

use toml::de::{DeTable, DeValue};

/// Endings of keys whose files are read while the configuration is checked: secrets and certificates.
const FILE_KEYS: [&str; 3] = ["_file", "_cert", "_key"];
/// Most bytes of such a file that count.
const MOST: u64 = 1 << 20;

/// Digest of a section's keys and values, and of the files with its secrets. Comments and the order of keys do not
/// count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(table: &DeTable<'_>) -> Self {
        let mut hasher = DefaultHasher::new();
        add_table(&mut hasher, table);
        Self(hasher.finish())
    }

    pub(super) fn of_value(value: &DeValue<'_>) -> Self {
        let mut hasher = DefaultHasher::new();
        add(&mut hasher, value);
        Self(hasher.finish())
    }
}

fn add_table(hasher: &mut DefaultHasher, table: &DeTable<'_>) {
    let mut entries: Vec<_> = table.iter().map(|(key, value)| (&**key.get_ref(), value.get_ref())).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries.len().hash(hasher);
    for (key, value) in entries {
        key.hash(hasher);
        add(hasher, value);
        if let DeValue::String(path) = value
            && FILE_KEYS.iter().any(|ending| key.ends_with(ending))
        {
            content(path).hash(hasher);
        }
    }
}

fn add(hasher: &mut DefaultHasher, value: &DeValue<'_>) {
    value.type_str().hash(hasher);
    match value {
        DeValue::String(text) => text.hash(hasher),
        DeValue::Integer(number) => (number.as_str(), number.radix()).hash(hasher),
        DeValue::Float(number) => number.as_str().hash(hasher),
        DeValue::Boolean(value) => value.hash(hasher),
        DeValue::Datetime(time) => time.to_string().hash(hasher),
        DeValue::Array(values) => {
            values.len().hash(hasher);
            values.iter().for_each(|value| add(hasher, value.get_ref()));
        }
        DeValue::Table(table) => add_table(hasher, table),
    }
}

/// Returns what a file has; `None` if it cannot be read, which the check of the section reports.
fn content(path: &str) -> Option<Vec<u8>> {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|found| found.is_file()))?;
    let mut content = Vec::new();
    file.take(MOST).read_to_end(&mut content).ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Fingerprint {
        Fingerprint::of(DeTable::parse(text).unwrap().get_ref())
    }

    #[test]
    fn comments_and_the_order_of_keys_do_not_count_but_every_value_does() {
        let section =
            of("plugin = \"d0\"\nport = \"/dev/ttyUSB0\"\nnames = [\"a\", \"b\"]\n[guard]\nmax = 1\n");
        let same = "# a meter\nguard.max = 1\nport = '/dev/ttyUSB0'\nnames = ['a',\n 'b']\nplugin = \"d0\"\n";
        assert_eq!(of(same), section);
        for other in [
            same.replace("USB0", "USB1"),
            same.replace("= 1", "= 2"),
            same.replace("= 1", "= '1'"),
            same.replace("'a'", "'ab'"),
            same.replace("plugin", "plug"),
            format!("stale_after = '5s'\n{same}"),
        ] {
            assert_ne!(of(&other), section, "{other}");
        }
    }

    #[test]
    fn the_content_of_a_secret_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let section = format!("password_file = {path:?}\n");
        std::fs::write(&path, "one").unwrap();
        let before = of(&section);
        assert_eq!(of(&section), before);
        std::fs::write(&path, "two").unwrap();
        assert_ne!(of(&section), before);
    }
}

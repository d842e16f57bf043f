//! Paths that cannot be right, as far as that can be known without writing a file.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::statfs;
use toml::de::{DeTable, DeValue};

use crate::{ConfigError, Role};

/// File systems in which the kernel shows its state: nothing can be kept there (linux/magic.h).
const OF_KERNEL: [u64; 11] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x1cd1,      // devpts
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x7363_6673, // securityfs
    0x6265_6570, // configfs
    0xde5e_81e4, // efivarfs
    0xcafe_4a11, // bpf
];

/// Returns the mistake in `state_dir`, if there is one.
pub(super) fn check_state_dir(path: &Path) -> Option<ConfigError> {
    let example = "write a folder on a disk: `/var/lib/smartmeter`";
    if path.as_os_str().is_empty() {
        return Some(ConfigError::key("state_dir", "`state_dir` is empty").hint(example));
    }
    Some(ConfigError::key("state_dir", no_folder(path)?).hint(example))
}

/// Returns the mistake in the journal's `path`, if there is one: `file` is the whole path.
pub(super) fn check_journal(file: &Path, state_dir: &Path) -> Option<ConfigError> {
    let of_others = |what: &str| {
        let message = format!("`{}` is {what}", file.display());
        let hint = "write a file of the journal's own: `/var/lib/smartmeter/journal.db`";
        Some(ConfigError::key("path", message).hint(hint))
    };
    if let Some(message) = file.parent().and_then(no_folder) {
        return Some(ConfigError::key("path", message).hint("write a file on a disk"));
    }
    let of_instances = |role: &Role| file.starts_with(state_dir.join(format!("{role}s")));
    if let Some(role) = [Role::Source, Role::Publisher, Role::Endpoint].iter().find(|role| of_instances(role))
    {
        return of_others(&format!("in the folder of the {role}s' own files"));
    }
    // `plugin = "s0"` names its files so.
    let is_count = file.extension().is_some_and(|extension| extension == "count");
    if is_count && file.parent() == Some(state_dir) {
        return of_others("the name of a file with a count of pulses");
    }
    None
}

/// Returns why no folder can be at a path, or be made there.
fn no_folder(path: &Path) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let shown = path.display();
    if path.starts_with("/dev") && !path.starts_with("/dev/shm") {
        return Some(format!("`{shown}` is among the devices, which are lost at each start of the machine"));
    }
    // Of a folder that is still to be made, the nearest one that is there counts.
    let (there, found) = path.ancestors().find_map(|there| Some((there, fs::metadata(there).ok()?)))?;
    if !found.is_dir() {
        return Some(format!("`{}` is a file, expected a folder", there.display()));
    }
    let kind = u64::try_from(statfs(there).ok()?.f_type).ok()?;
    // Where a number is 32 bits wide, it may have been extended by its sign.
    let of_kernel = OF_KERNEL.contains(&(kind & 0xffff_ffff));
    of_kernel.then(|| format!("`{shown}` is in a file system of the kernel, which keeps no files"))
}

/// Returns the paths that a configuration may name: all texts with a `/` but the journal's own, and the folder for backups,
/// which may be on a server that does not answer.
pub(super) fn named(root: &DeTable<'_>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (key, value) in root {
        if !["journal", "backup"].contains(&&**key.get_ref()) {
            collect(value.get_ref(), &mut found);
        }
    }
    found
}

fn collect(value: &DeValue<'_>, found: &mut Vec<PathBuf>) {
    match value {
        DeValue::String(text) if text.contains('/') => {
            found.push(text.strip_prefix("replay:").unwrap_or(text).into());
        }
        DeValue::Array(array) => array.iter().for_each(|value| collect(value.get_ref(), found)),
        DeValue::Table(table) => table.values().for_each(|value| collect(value.get_ref(), found)),
        _ => {}
    }
}

/// Returns whether both are one file, there or not.
pub(super) fn are_same(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => std::path::absolute(one).ok() == std::path::absolute(other).ok(),
    }
}

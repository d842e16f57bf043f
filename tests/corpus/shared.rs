//! The folders beside the workspace, and the trials over their files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use framework::{AcquireError, Batch, SourcePlugin, testing};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::program::root;

/// Test of the bytes of a file by what is known of it.
pub(crate) type Test = fn(&[u8], &Value) -> Result<(), Failed>;

/// Returns the path of a folder such as `corpus/d0` or of a file such as `field/a.txt`.
pub(crate) fn path(name: &str) -> PathBuf {
    root().join("../shared").join(name)
}

/// Returns the first folder of such a path if this machine does not have it.
fn missing(name: &str) -> Option<&str> {
    let folder = name.split('/').next().unwrap_or_default();
    (!path(folder).is_dir()).then_some(folder)
}

/// Returns what stands for all trials of a group whose folder is missing.
fn ignored(group: &str, folder: &str) -> Trial {
    Trial::test(format!("{group} (needs ../shared/{folder})"), || Ok(())).with_ignored_flag(true)
}

/// Returns one trial over whole folders, of which `folder` is the first.
pub(crate) fn whole(
    name: &str,
    folder: &str,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    match missing(folder) {
        Some(folder) => ignored(name, folder),
        None => Trial::test(name, test),
    }
}

/// Returns what fails where a folder has no file for a group.
fn empty(group: &str, folder: &str) -> Trial {
    Trial::test(format!("{group} {folder}"), || Err("the folder has no such files".into()))
}

/// Returns a trial for each file of a folder that has one of these names.
pub(crate) fn each_file(
    group: &str,
    folder: &str,
    is_meant: impl Fn(&str) -> bool,
    test: fn(&Path) -> Result<(), Failed>,
) -> Vec<Trial> {
    if let Some(missing) = missing(folder) {
        return vec![ignored(&format!("{group} {folder}"), missing)];
    }
    let files = fs::read_dir(path(folder)).into_iter().flatten().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = files.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| is_meant(name));
    names.sort();
    if names.is_empty() {
        return vec![empty(group, folder)];
    }
    let trial = |name: String| {
        let file = format!("{folder}/{name}");
        Trial::test(format!("{group} {file}"), move || test(&path(&file)))
    };
    names.into_iter().map(trial).collect()
}

/// Returns a trial for each file of a folder that is of one of these `kinds` or of none, by the folder's
/// `expected.json`.
pub(crate) fn each_expected(group: &str, folder: &str, kinds: &[&str], test: Test) -> Vec<Trial> {
    if let Some(missing) = missing(folder) {
        return vec![ignored(&format!("{group} {folder}"), missing)];
    }
    let expected = fs::read(path(folder).join("expected.json")).unwrap_or_default();
    let expected: Value = serde_json::from_slice(&expected).unwrap_or_default();
    let mut files = expected["files"].as_object().cloned().unwrap_or_default();
    files.retain(|_, file| file["kind"].as_str().is_none_or(|kind| kinds.contains(&kind)));
    if files.is_empty() {
        return vec![empty(group, folder)];
    }
    let trial = |(name, known): (String, Value)| {
        let file = format!("{folder}/{name}");
        Trial::test(format!("{group} {file}"), move || test(&fs::read(path(&file)).unwrap(), &known))
    };
    files.into_iter().map(trial).collect()
}

/// Returns the batches of a recording, by a clock that does not wait.
pub(crate) fn batches<P: SourcePlugin>(file: &str) -> Vec<Batch> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let port = path(file);
        assert!(port.is_file(), "{file} is missing");
        let config = format!("[sources.m]\nplugin = \"{}\"\nport = \"replay:{}\"\n", P::KIND, port.display());
        let mut source = testing::source::<P>(&config, Path::new("/nonexistent")).acquisition;
        source.open().await.unwrap();
        let mut batches = Vec::new();
        loop {
            match source.acquire().await {
                Ok(Some(batch)) => batches.push(batch),
                Err(AcquireError::Unavailable { .. }) => return batches,
                other => panic!("{file}: {other:?}"),
            }
        }
    })
}

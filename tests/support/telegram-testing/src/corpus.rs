//! Recorded and damaged telegrams that are not part of this project, as their licences differ: a folder beside the
//! workspace, where it exists.

use std::{
    error::Error,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use serde_json::Value;
use telegram::Decoder;

use crate::{Found, decode};

/// Reason why a test fails.
pub type Failed = Box<dyn Error + Send + Sync>;

/// Test of the bytes of a file by what is known of it.
pub type Test = fn(&[u8], &Value) -> Result<(), Failed>;

fn folder() -> Option<PathBuf> {
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/corpus"))
        .filter(|folder| folder.is_dir())
}

/// Returns the files with this extension in these folders of the corpus; none where there is no corpus.
///
/// # Panics
/// Panics when one of the folders is missing.
pub fn files(folders: &[&str], extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Some(corpus) = folder() else { return Vec::new() };
    folders.iter().flat_map(|name| crate::files(corpus.join(name), extension)).collect()
}

/// Judges each file of this folder of the corpus that is of one of these `kinds` or of none; where there is no corpus,
/// none.
///
/// # Panics
/// Panics with the names of all files of which `test` fails, and when the folder's `expected.json` is missing or
/// malformed.
pub fn judge(kinds: &[&str], folder_name: &str, test: Test) {
    let Some(corpus) = folder() else { return };
    let folder = corpus.join(folder_name);
    let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let files = expected["files"].as_object().unwrap().iter();
    let files = files.filter(|(_, file)| file["kind"].as_str().is_none_or(|kind| kinds.contains(&kind)));
    judge_each(files.map(|(file, known)| {
        let bytes = fs::read(folder.join(file)).unwrap();
        (format!("{folder_name}/{file}"), move || test(&bytes, known))
    }));
}

/// Judges each of these named things, and fails with the names of all that fail.
///
/// # Panics
/// Panics when one fails.
pub fn judge_each<T: FnOnce() -> Result<(), Failed>>(things: impl IntoIterator<Item = (String, T)>) {
    let mut failed = Vec::new();
    for (name, test) in things {
        match catch_unwind(AssertUnwindSafe(test)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failed.push(format!("{name}: {error}")),
            // The panic's message was printed when it happened.
            Err(_) => failed.push(format!("{name}: it panicked")),
        }
    }
    assert!(failed.is_empty(), "{} fail:\n{}", failed.len(), failed.join("\n"));
}

/// Decodes `bytes` at once, byte by byte and in odd chunks, with the same result.
///
/// # Panics
/// Panics when the results differ.
pub fn decode_all_ways<D: Decoder + Default>(bytes: &[u8]) -> Vec<Found<D::Reason>> {
    let cut = |cuts: Vec<usize>| decode(D::default(), bytes, &cuts);
    let at_once = cut(vec![]);
    assert_eq!(cut((0..bytes.len()).collect()), at_once, "byte by byte");
    for seed in 1..20 {
        let mut state: u64 = seed;
        let random = |at: &usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(at + (state >> 33) as usize % 97 + 1).filter(|&at| at < bytes.len())
        };
        assert_eq!(cut(std::iter::successors(Some(0), random).collect()), at_once, "chunks {seed}");
    }
    at_once
}

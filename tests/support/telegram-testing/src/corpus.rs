//! Recorded and damaged telegrams that are not part of this project, as their licences differ: a folder beside the
//! workspace, where it exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use telegram::Decoder;

use crate::{Found, decode};

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

/// Runs trials; a test without the harness ends with it.
pub fn run(trials: impl IntoIterator<Item = Trial>) -> ! {
    libtest_mimic::run(&Arguments::from_args(), trials.into_iter().collect()).exit()
}

/// Returns one trial for each file of `folders` that is of one of these `kinds` or of none; where there is no corpus,
/// one that is ignored.
///
/// # Panics
/// Panics when `expected.json` of a folder is missing or malformed.
pub fn trials(kinds: &[&str], folders: &[(&str, Test)]) -> Vec<Trial> {
    match folder() {
        Some(corpus) => {
            folders.iter().flat_map(|(name, test)| trials_in(&corpus, kinds, name, *test)).collect()
        }
        None => vec![Trial::test("corpus (needs ../shared/corpus)", || Ok(())).with_ignored_flag(true)],
    }
}

fn trials_in(corpus: &Path, kinds: &[&str], name: &str, test: Test) -> Vec<Trial> {
    let folder = corpus.join(name);
    let expected = fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let files = expected["files"].as_object().unwrap().iter();
    files
        .filter(|(_, file)| file["kind"].as_str().is_none_or(|kind| kinds.contains(&kind)))
        .map(|(file, known)| {
            let (path, known) = (folder.join(file), known.clone());
            Trial::test(format!("{name}/{file}"), move || test(&fs::read(&path).unwrap(), &known))
        })
        .collect()
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

//! Bytes that are nothing of a protocol: noise, and the telegrams of all others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use test_meters::faults::Random;

const MEGABYTE: usize = 1_000_000;

/// Returns a megabyte of random bytes, the same in each run.
pub fn noise() -> Vec<u8> {
    let mut random = Random::new(1);
    (0..MEGABYTE).map(|_| random.below(256) as u8).collect()
}

/// Returns the golden telegrams of all plugins of this repository. None of those that read M-Bus has any.
///
/// # Panics
/// Panics when there are hardly any.
pub fn telegrams() -> Vec<(PathBuf, Vec<u8>)> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins");
    let folders = fs::read_dir(plugins).unwrap().map(|plugin| plugin.unwrap().path().join("tests/telegrams"));
    let folders: Vec<_> = folders.filter(|folder| folder.is_dir()).collect();
    let files = |extension| folders.iter().flat_map(move |folder| crate::files(folder, extension));
    let all: Vec<_> = files("txt").chain(files("bin")).collect();
    assert!(all.len() > 20, "{} files", all.len());
    all
}

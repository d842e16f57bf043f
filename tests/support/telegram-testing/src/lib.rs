//! Shared tests and benches of plugins for meters, whatever their protocol.
//!
//! ```text
//! #[test]
//! fn each_telegram_decodes_as_expected() {
//!     telegram_testing::golden::check::<D0>(FOLDER, "txt");
//! }
//! ```
//!
//! Not a part of `telegram`: a program that links this has an allocator that counts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test must show its failure")]

pub mod allocations;
pub mod contract;
pub mod damage;
pub mod foreign;
mod found;
pub mod golden;
pub mod properties;
pub mod speed;

use std::{
    fs,
    path::{Path, PathBuf},
};

use telegram::{Anonymised, Keys, ProtocolRegistration, protocols};

pub use crate::found::{Found, Owned, Shown, accepted, decode, decode_all_ways, decode_all_ways_by, read};

/// Returns the files with this extension in a folder, in the order of their names.
///
/// # Panics
/// Panics when there is no such folder.
pub fn files(folder: impl AsRef<Path>, extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Returns the registration of the plugin called `kind`.
///
/// # Panics
/// Panics when no such plugin is linked.
pub fn protocol(kind: &str) -> &'static ProtocolRegistration {
    protocols().into_iter().find(|protocol| protocol.kind == kind).expect("a linked plugin")
}

/// Returns a recording without meter numbers, and the number of places that were overwritten.
///
/// # Panics
/// Panics when the plugin called `kind` is not linked or cannot anonymise.
pub fn anonymised(kind: &str, recording: &[u8]) -> (usize, Vec<u8>) {
    let anonymise = protocol(kind).anonymise.expect("an anonymiser");
    let Anonymised { bytes, places } = anonymise(recording, &Keys::default()).expect("no number remains");
    assert_eq!(bytes.len(), recording.len());
    (places, bytes)
}

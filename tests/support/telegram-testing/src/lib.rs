//! What tests and benches of plugins for meters share, whatever language the meters speak.
//!
//! ```text
//! #[test]
//! fn each_telegram_decodes_as_expected() {
//!     telegram_testing::golden::check::<D0, Decoder>(FOLDER, "txt");
//! }
//! ```
//!
//! Not a part of `meter`: who links this has an allocator that counts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "for tests: what does not work is to be seen")]

pub mod allocations;
pub mod contract;
pub mod corpus;
mod found;
pub mod golden;
pub mod properties;
pub mod speed;

use std::{
    fs,
    path::{Path, PathBuf},
};

use telegram::{ProtocolRegistration, protocols};

pub use crate::found::{Found, Owned, Shown, accepted, decode, read};

/// The files in a folder that have this extension, in the order of their names.
///
/// # Panics
/// Where there is no such folder.
pub fn files(folder: impl AsRef<Path>, extension: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Returns the registration of the plugin called `kind`.
///
/// # Panics
/// Where no such plugin is linked.
pub fn protocol(kind: &str) -> &'static ProtocolRegistration {
    protocols().into_iter().find(|protocol| protocol.kind == kind).expect("a linked plugin")
}

/// Returns a recording without meter numbers, and the number of places that were overwritten.
///
/// # Panics
/// Where the plugin called `kind` is not linked or cannot do it.
pub fn anonymised(kind: &str, recording: &[u8]) -> (usize, Vec<u8>) {
    let mut bytes = recording.to_vec();
    let places = protocol(kind).anonymise.expect("an anonymiser")(&mut bytes);
    assert_eq!(bytes.len(), recording.len());
    (places, bytes)
}

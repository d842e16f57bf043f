//! The plugin against zones in a folder.

#![allow(clippy::unwrap_used)] // a test's own files

mod zones;

//! The plugin against zones in a folder, and the guide that shows its code.

#![allow(clippy::unwrap_used)] // a test's own files

mod guide;
mod zones;

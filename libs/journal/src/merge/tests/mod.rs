mod histories;
mod properties;

use std::path::Path;

use crate::{
    db::tests::checkpoint::{Journal, berlin},
    merge::{Merged, merge_in},
};

/// Two boxes, each with a journal in a folder.
struct Boxes(tempfile::TempDir);

impl Boxes {
    fn new() -> Self {
        // Each merge is synced, which takes long on a disk.
        Self(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn journal(&self, name: &str) -> Journal {
        Journal::at(&self.path(name))
    }

    /// Copies the journal of a box.
    fn copy(&self, from: &str, to: &str) {
        std::fs::copy(self.path(from), self.path(to)).unwrap();
    }

    /// Merges a copy of `other` into a copy of `own`, which is `to`.
    fn merged(&self, own: &str, other: &str, to: &str) -> (Journal, Merged) {
        self.copy(own, to);
        let merged = self.merge(to, other);
        (self.journal(to), merged)
    }

    fn merge(&self, own: &str, other: &str) -> Merged {
        merge_paths(&self.path(own), &self.path(other))
    }
}

fn merge_paths(own: &Path, other: &Path) -> Merged {
    merge_in(own, other, &[], &berlin(), &mut |_, _| ()).unwrap()
}

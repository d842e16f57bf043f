//! Folders of all kinds, and counts in them.

//! Harness for plugin authors.

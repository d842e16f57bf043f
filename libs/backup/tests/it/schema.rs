//! Schemas and formats of other versions.

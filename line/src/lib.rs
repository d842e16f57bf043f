//! Line.

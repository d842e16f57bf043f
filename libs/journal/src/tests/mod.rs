//! The journal as a whole.
#![allow(clippy::unwrap_used)]

mod faults;
pub(crate) mod whole;

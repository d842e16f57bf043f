//! Tests of guard and source with a scripted decoder: no plugin is needed to change this crate.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]

mod guard;
mod protocol;
mod script;
mod source;

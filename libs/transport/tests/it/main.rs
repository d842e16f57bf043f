//! Tests of connections: to files and pseudo terminals, as a program uses them.

#![allow(clippy::unwrap_used, reason = "helpers outside of a test function are not seen to be tests")]

mod replay;
mod serial;

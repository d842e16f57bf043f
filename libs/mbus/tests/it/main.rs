//! Tests of the decoder.

#![allow(clippy::unwrap_used, reason = "tests must fail visibly")]

mod radio;

//! Tests of the decoder.

#![allow(clippy::unwrap_used, reason = "tests must fail visibly")]
#![allow(clippy::print_stdout, reason = "the measured rates are printed")]

mod damage;
mod frames;
mod radio;
mod records;

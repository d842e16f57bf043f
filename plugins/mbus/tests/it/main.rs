//! The plugin by its public interface: contract, `smartmeter decode`, and a bus on a real pseudo terminal.

#![allow(clippy::unwrap_used, reason = "tests must fail visibly")]

mod bus;
mod contract;
mod decode;
mod foreign;

//! HTTP client for publishers: requests that deliver records, and the meaning of the responses.
//!
//! A plugin lists the keys of [`ClientConfig`] in its own `Config`, makes a [`Client`] of them, and sends a
//! [`Request`]. [`Response::check`] turns the response into what the framework does next. [`NamedReadings`] warns of
//! readings that the configuration names and no source has.

mod client;
mod config;
mod fault;
mod named_readings;
mod response;
#[cfg(test)]
mod tests;

pub use self::{
    client::{Client, Method, Request},
    config::{ClientConfig, default_flush_interval, flush_interval},
    named_readings::NamedReadings,
    response::Response,
};

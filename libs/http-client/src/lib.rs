//! HTTP client for publishers: requests that deliver records, and the meaning of the responses.
//!
//! A plugin declares its `Config` with [`config!`], makes a [`Client`] of its [`ClientConfig`], and sends a [`Request`]. [`Response::check`] turns the response into what the framework does next. [`NamedReadings`] warns of
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
    config::ClientConfig,
    named_readings::NamedReadings,
    response::Response,
};

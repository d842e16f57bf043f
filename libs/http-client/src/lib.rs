//! HTTP for publishers: requests that deliver records, and what their answers mean.
//!
//! A plugin lists the keys of [`Keys`] in its own `Config`, makes an [`Endpoint`] of them, and sends a [`Message`].
//! What came back is an [`Answer`], whose [`check`](Answer::check) says what the framework does next. [`Named`] warns of
//! readings that the keys name and nobody reads.

mod answer;
mod endpoint;
mod keys;
mod named;

pub use self::{
    answer::Answer,
    endpoint::{Endpoint, Message, Method},
    keys::{Keys, default_flush_interval, flush_interval},
    named::Named,
};

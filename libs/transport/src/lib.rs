//! Byte stream from a device: a serial port, a TCP connection to one (ser2net), or a [`Recording`] of one.
//!
//! A serial port is opened as 8N1, also for a meter that sends 7E1: such characters have as many bits, so they arrive with
//! the parity in bit 7, where a decoder can judge it byte by byte. The kernel's own parity check would turn a damaged
//! byte into NUL, or drop it. Characters of 8E1 have a bit more, so a [`Line`] says where they are expected.

mod advice;
mod connection;
mod line;
mod pacer;
mod port;
mod recording;
mod replay;

pub use crate::{
    connection::Connection,
    line::{Line, Parity},
    pacer::Pacer,
    port::{Port, check_speed, is_baud_rate},
    recording::{Chunk, Header, MAX_CHUNK, Origin, Recorder, Recording},
};

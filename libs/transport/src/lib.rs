//! Byte stream from a device: a serial port, a TCP connection to one (ser2net), or a [`Recording`] of one.
//!
//! A serial port is opened as 8N1 whatever the meter's framing: 7E1 frames have as many bits, so they arrive with the
//! parity in bit 7, where a decoder can judge it byte by byte. The kernel's own parity check would turn a damaged
//! byte into NUL, or drop it.

mod advice;
mod connection;
mod pacer;
mod port;
mod recording;
mod replay;

pub use crate::{
    connection::Connection,
    pacer::Pacer,
    port::{Port, check_speed, is_baud_rate},
    recording::{Chunk, Header, MAX_CHUNK, Origin, Recorder, Recording},
};

//! Tests of the readout on a simulated line, whose time is the paused clock's.

mod exchange;
mod line;
mod pace;
mod readout;
mod search;

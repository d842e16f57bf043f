//! Wired M-Bus: meters that answer requests, and the converter that a program opens.
//!
//! The protocol ([`MbusBus`]) has no line and no clock; [`MbusConverter`] puts it behind a [`Pty`].

mod bus;
mod converter;
mod meter;

use std::{io, time::Duration};

pub use self::{
    bus::{Answer, MbusBus},
    converter::MbusConverter,
    meter::MbusMeter,
};
use crate::Pty;

/// Returns a frame with data: `68 L L 68 C A CI data CS 16`.
pub fn long_frame(control: u8, address: u8, ci: u8, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u8 + 3;
    let mut frame = vec![0x68, length, length, 0x68, control, address, ci];
    frame.extend_from_slice(data);
    let sum = frame[4..].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    frame.extend([sum, 0x16]);
    frame
}

/// Records of a heat meter: energy in Wh, volume in litres, flow temperature in °C, last year's energy.
pub fn heat_records(energy: u32, litres: u32) -> Vec<u8> {
    let mut records = vec![0x04, 0x03];
    records.extend(energy.to_le_bytes());
    records.extend([0x04, 0x13]);
    records.extend(litres.to_le_bytes());
    records.extend([0x02, 0x5a, 0x7b, 0x02]); // 63.5 °C
    records.extend([0x44, 0x03]);
    records.extend((energy / 2).to_le_bytes());
    records
}

/// Records of a water meter: volume in litres.
pub fn water_records(litres: u32) -> Vec<u8> {
    let mut records = vec![0x04, 0x13];
    records.extend(litres.to_le_bytes());
    records
}

/// Starts a bus with five meters, which do what meters do: one answers slowly, two have one primary address and
/// collide, one damages an answer now and then, and one sends its readings in two parts.
///
/// | primary address | number | meter |
/// |---|---|---|
/// | 1 | 10000001 | heat, slow |
/// | 2 | 10000002 and 10000003 | water, both at this address |
/// | 3 | 10000004 | water, damages each second answer |
/// | 4 | 10000005 | heat, two parts |
///
/// # Errors
///
/// Fails where the system has no pseudo terminal or no thread left.
pub fn five_meters() -> io::Result<MbusConverter> {
    let mut slow = MbusMeter::new(1, 0x1000_0001, 4, heat_records(12_345_000, 678_900));
    slow.delay = Duration::from_millis(300);
    let first = MbusMeter::new(2, 0x1000_0002, 7, water_records(111_222));
    let second = MbusMeter::new(2, 0x1000_0003, 7, water_records(333_444));
    let mut damaging = MbusMeter::new(3, 0x1000_0004, 7, water_records(555_666));
    damaging.damages_each = 2;
    let mut long = MbusMeter::new(4, 0x1000_0005, 4, heat_records(98_765_000, 43_210));
    // Power of 1,500 W and 22 h of operation follow.
    long.parts.push(vec![0x02, 0x2b, 0xdc, 0x05, 0x02, 0x26, 0x16, 0x00]);
    MbusConverter::start(Pty::open()?, MbusBus::new([slow, first, second, damaging, long]))
}

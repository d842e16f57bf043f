//! Meter on an M-Bus.

use std::time::Duration;

use super::long_frame;

/// Meter on an M-Bus. It keeps the frame count bit as EN 13757-2 says, and repeats a part that is asked for again.
#[derive(Debug, Clone)]
pub struct MbusMeter {
    /// Primary address.
    pub address: u8,
    /// Number, a nibble each digit.
    pub id: u32,
    /// Manufacturer's code; `TST`.
    pub manufacturer: u16,
    /// Version.
    pub version: u8,
    /// Device type.
    pub medium: u8,
    /// Status byte.
    pub status: u8,
    /// Records of each part of its readings.
    pub parts: Vec<Vec<u8>>,
    /// Time from a request to the answer.
    pub delay: Duration,
    /// One answer in so many is damaged on its way; 0 for none.
    pub damages_each: u32,
    /// Baud rate at which it listens; `None` for any.
    pub baud: Option<u32>,
    /// Whether it says nothing, as after a power cut.
    pub is_silent: bool,
    pub(super) is_selected: bool,
    /// Frame count bit of the last request, and the part that was sent.
    last: Option<(bool, usize)>,
    access: u8,
    answers: u32,
}

impl MbusMeter {
    /// A meter with one part, which answers at once.
    pub fn new(address: u8, id: u32, medium: u8, records: Vec<u8>) -> Self {
        Self {
            address,
            id,
            manufacturer: 0x5274,
            version: 1,
            medium,
            status: 0,
            parts: vec![records],
            delay: Duration::from_millis(15),
            damages_each: 0,
            baud: None,
            is_silent: false,
            is_selected: false,
            last: None,
            access: 0,
            answers: 0,
        }
    }

    /// Returns whether it answers requests to this address.
    pub(super) fn hears(&self, address: u8) -> bool {
        address == self.address || address == 0xfe || (address == 0xfd && self.is_selected)
    }

    /// Returns whether a selection means it: a nibble of F, `FF` and `FFFF` stand for anything.
    pub(super) fn matches(&self, selection: &[u8]) -> bool {
        let [a, b, c, d, e, f, version, medium] = *selection else { return false };
        let (id, manufacturer) = (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]));
        let nibble = |number: u32, i: u32| number >> (4 * i) & 15;
        (0..8).all(|i| [15, nibble(self.id, i)].contains(&nibble(id, i)))
            && [u16::MAX, self.manufacturer].contains(&manufacturer)
            && [0xff, self.version].contains(&version)
            && [0xff, self.medium].contains(&medium)
    }

    /// Begins the frame count again.
    pub(super) fn reset(&mut self) {
        self.last = None;
    }

    /// Returns its answer to a request with this frame count bit.
    pub(super) fn read(&mut self, frame_count: bool) -> Vec<u8> {
        let part = match self.last {
            Some((last, part)) if last == frame_count => part,
            Some((_, part)) => {
                self.access = self.access.wrapping_add(1);
                (part + 1) % self.parts.len()
            }
            None => 0,
        };
        self.last = Some((frame_count, part));
        let mut data = self.id.to_le_bytes().to_vec();
        data.extend(self.manufacturer.to_le_bytes());
        data.extend([self.version, self.medium, self.access, self.status, 0, 0]);
        data.extend_from_slice(&self.parts[part]);
        if part + 1 < self.parts.len() {
            data.push(0x1f); // more records follow
        }
        let mut frame = long_frame(0x08, self.address, 0x72, &data);
        self.answers += 1;
        if self.damages_each > 0 && self.answers.is_multiple_of(self.damages_each) {
            let middle = frame.len() / 2;
            frame[middle] ^= 0x10;
        }
        frame
    }
}

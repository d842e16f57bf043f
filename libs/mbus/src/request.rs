//! What a master sends (EN 13757-2, 5.5; EN 13757-3, clause 7).

use crate::{Selection, frame::checksum};

/// Address of the meter that was selected by its secondary address.
pub const SELECTED: u8 = 0xfd;
/// Address to which every meter answers: of use with one meter on the line only.
pub const ANY: u8 = 0xfe;
/// Highest primary address of a meter.
pub const HIGHEST: u8 = 250;
/// Baud rates that a command can set, with their CI fields.
pub const SPEEDS: [(u32, u8); 8] = [
    (300, 0xb8),
    (600, 0xb9),
    (1200, 0xba),
    (2400, 0xbb),
    (4800, 0xbc),
    (9600, 0xbd),
    (19_200, 0xbe),
    (38_400, 0xbf),
];

/// SND_NKE: resets the link of a meter; of [`SELECTED`], it ends the selection.
pub fn reset(address: u8) -> [u8; 5] {
    short(0x40, address)
}

/// REQ_UD2: asks for the readings. A meter that sees the same frame count bit again repeats its last answer.
pub fn read(address: u8, frame_count: bool) -> [u8; 5] {
    short(if frame_count { 0x7b } else { 0x5b }, address)
}

/// SND_UD with CI 52: selects the meters that match; these acknowledge, and answer to [`SELECTED`] from then on.
pub fn select(selection: Selection) -> [u8; 17] {
    let [a, b, c, d, e, f, g, h] = selection.to_bytes();
    let mut bytes = [0x68, 0x0b, 0x0b, 0x68, 0x73, SELECTED, 0x52, a, b, c, d, e, f, g, h, 0, 0x16];
    bytes[15] = checksum(&bytes[4..15]);
    bytes
}

/// SND_UD without data: a command, such as a change of speed ([`SPEEDS`]) or the reset of the application (CI 50).
pub fn command(address: u8, ci: u8) -> [u8; 9] {
    let mut bytes = [0x68, 3, 3, 0x68, 0x53, address, ci, 0, 0x16];
    bytes[7] = checksum(&bytes[4..7]);
    bytes
}

/// Returns the CI field of the command that sets this baud rate.
pub fn speed(baud: u32) -> Option<u8> {
    SPEEDS.iter().find(|(known, _)| *known == baud).map(|&(_, ci)| ci)
}

fn short(control: u8, address: u8) -> [u8; 5] {
    [0x10, control, address, control.wrapping_add(address), 0x16]
}

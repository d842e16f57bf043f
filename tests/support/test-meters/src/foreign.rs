//! Messages of meters in protocols that the program does not read: a beginning with right checksums, and noise for the
//! encrypted rest.

use simulator::Household;

use crate::{
    crc,
    faults::Random,
    p1,
    uart::{self, Unstopped},
};

/// Returns a DLMS/COSEM message in an HDLC frame (IEC 62056-46), as meters of Nordic countries push it.
pub fn hdlc() -> Vec<u8> {
    let message = [&[0xe6, 0xe7, 0x00, 0x0f, 0x40, 0, 0, 0, 0][..], &noise(100)].concat();
    // Format and length of everything between the flags, two addresses, control field.
    let length = 2 + 4 + 2 + message.len() + 2;
    let mut frame = vec![0xa0 | (length >> 8) as u8, length as u8, 0x41, 0x08, 0x83, 0x13];
    let check = crc::x25(&frame);
    frame.extend(check.to_le_bytes());
    frame.extend(message);
    let check = crc::x25(&frame);
    frame.extend(check.to_le_bytes());
    [&[0x7e][..], &frame, &[0x7e]].concat()
}

/// Returns the first frame of an encrypted DLMS/COSEM message over M-Bus, as meters in Austria push it.
pub fn dlms_over_mbus() -> Vec<u8> {
    let content = [&[0x53, 0xff, 0x00, 0x01, 0x67][..], &encrypted(0x21)[..160]].concat();
    let sum = content.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let length = content.len() as u8;
    [&[0x68, length, length, 0x68][..], &content, &[sum, 0x16]].concat()
}

/// Returns an encrypted message of a P1 port, as in Luxembourg.
pub fn encrypted_p1() -> Vec<u8> {
    encrypted(0x30)
}

/// Returns the telegram of a P1 port as an adapter receives it that does not invert the signal.
pub fn inverted_p1() -> Vec<u8> {
    let telegram = p1::telegram(&Household::new(1).advance(), p1::Version::V5);
    uart::read_inverted(telegram.as_bytes(), 0, 0, Unstopped::Nul)
}

/// Returns a frame of a French meter in historic mode, 7E1.
pub fn tic() -> Vec<u8> {
    let mut frame = vec![0x02];
    for line in
        ["ADCO 000000000042", "OPTARIF BASE", "ISOUSC 30", "BASE 002714128", "IINST 003", "PAPP 00740"]
    {
        let sum: u32 = line.bytes().map(u32::from).sum();
        frame.push(b'\n');
        frame.extend(line.bytes());
        frame.extend([b' ', (sum & 0x3f) as u8 + 0x20, b'\r']);
    }
    frame.push(0x03);
    uart::seven_e_one(&mut frame);
    frame
}

/// Returns a ciphered message (general-glo-ciphering) with this security byte.
fn encrypted(security: u8) -> Vec<u8> {
    let content = [&[security, 0, 0, 0, 1][..], &noise(240)].concat();
    [&b"\xdb\x08XYZ\x01\x02\x03\x04\x05\x81"[..], &[content.len() as u8], &content].concat()
}

fn noise(length: usize) -> Vec<u8> {
    let mut random = Random::new(42);
    (0..length).map(|_| random.below(256) as u8).collect()
}

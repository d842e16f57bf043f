//! Arbitrary bytes into `plugin = "dlms"`, from the line and from inside of a good frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_dlms::{Dlms, decoder::Decoder};

/// Frames of HDLC and of M-Bus with right checksums.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let content = &bytes[..bytes.len().min(1900)];
    let message = [&[0xce, 0xff, 0x03, 0x13, 0, 0, 0xe6, 0xe7, 0x00][..], content].concat();
    let len = message.len() + 4;
    let mut frame = vec![0xa0 | (len >> 8) as u8, len as u8];
    frame.extend(message);
    let header = x25(&frame[..6]);
    frame[6..8].copy_from_slice(&header);
    let check = x25(&frame);
    frame.extend(check);
    let part = [&[0x53, 0xff, 0x10, 0x01, 0x67][..], &bytes[..bytes.len().min(240)]].concat();
    let sum = part.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let len = part.len() as u8;
    [&[0x7e][..], &frame, &[0x7e, 0x68, len, len, 0x68], &part, &[sum, 0x16]].concat()
}

/// CRC-16/X-25.
fn x25(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0xffffu16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x8408 } else { 0 })
    });
    (!crc).to_le_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    fuzz::meter::<Dlms, Decoder>(bytes);
    // The first byte is the size of the chunks.
    let framed = framed(bytes);
    let chunks: Vec<u8> = framed.chunks(200).flat_map(|chunk| [&[199][..], chunk].concat()).collect();
    fuzz::meter::<Dlms, Decoder>(&chunks);
});

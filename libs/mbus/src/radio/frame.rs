//! Frame formats A and B of EN 13757-4, and telegrams whose checksums the receiver has removed.

use std::fmt;

use super::reject::Reason;

/// CRC of the blocks of a frame: polynomial 3D65.
static CRC: crc::Crc<u16, crc::Table<16>> = crc::Crc::<u16, crc::Table<16>>::new(&crc::CRC_16_EN_13757);
/// Length of a checksum.
const CRC_LEN: usize = 2;
/// Longest first block of format A, and of its further ones, without the checksum.
const FIRST_BLOCK: usize = 10;
const BLOCK: usize = 16;
/// Bytes of the first part of format B, without the checksum.
const FIRST_PART: usize = 126;
/// Smallest value of L: control byte, address and CI.
pub(super) const MIN_LENGTH: u8 = 10;

/// Returns the checksum of `bytes`.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    CRC.checksum(bytes)
}

/// Returns the checksum of parts, one after the other, in which it is the parts' turn to call back.
pub(super) fn checksum_of_parts(parts: impl FnOnce(&mut dyn FnMut(&[u8]))) -> u16 {
    let mut digest = CRC.digest();
    parts(&mut |part| digest.update(part));
    digest.finalize()
}

/// Form in which a telegram has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Blocks of 16 bytes, each with a checksum.
    A,
    /// One or two parts with a checksum each, which the length counts.
    B,
    /// Without checksums: the receiver has checked and removed them.
    Bare,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "format A",
            Self::B => "format B",
            Self::Bare => "without checksums",
        })
    }
}

impl Format {
    /// Returns the number of bytes of a frame that begins with this length.
    pub fn frame_len(self, length: u8) -> usize {
        let length = usize::from(length);
        match self {
            Self::A => {
                let rest = (length + 1).saturating_sub(FIRST_BLOCK);
                length + 1 + CRC_LEN * (1 + rest.div_ceil(BLOCK))
            }
            Self::B | Self::Bare => length + 1,
        }
    }

    /// Appends the telegram in `frame` to `out`: without checksums, and with a length that fits.
    ///
    /// # Errors
    /// Fails if a checksum is wrong, or the frame is not as long as it says.
    pub fn unframe(self, frame: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        let start = out.len();
        let unframed = self.append(frame, out);
        if unframed.is_err() {
            out.truncate(start);
        }
        unframed
    }

    fn append(self, frame: &[u8], out: &mut Vec<u8>) -> Result<(), Reason> {
        let length = *frame.first().ok_or(Reason::Length)?;
        if length < MIN_LENGTH || self.frame_len(length) != frame.len() {
            return Err(Reason::Length);
        }
        let start = out.len();
        match self {
            Self::Bare => out.extend_from_slice(frame),
            Self::A => {
                let (first, rest) = frame.split_at(FIRST_BLOCK + CRC_LEN);
                out.extend_from_slice(checked(first)?);
                for block in rest.chunks(BLOCK + CRC_LEN) {
                    out.extend_from_slice(checked(block)?);
                }
            }
            Self::B => {
                let (first, rest) = frame.split_at(frame.len().min(FIRST_PART + CRC_LEN));
                out.extend_from_slice(checked(first)?);
                if !rest.is_empty() {
                    out.extend_from_slice(checked(rest)?);
                }
                if out.len() - start <= usize::from(MIN_LENGTH) {
                    return Err(Reason::Length);
                }
                // Only this format counts its checksums.
                out[start] = u8::try_from(out.len() - start - 1).map_err(|_| Reason::Length)?;
            }
        }
        Ok(())
    }

    /// Returns a telegram without checksums as it is in this form.
    pub(super) fn enframe(self, telegram: &[u8]) -> Vec<u8> {
        let mut frame = telegram.to_vec();
        let counted = if telegram.len() > FIRST_PART { 2 * CRC_LEN } else { CRC_LEN };
        let (first, block) = match self {
            Self::Bare => return frame,
            Self::A => (FIRST_BLOCK, BLOCK),
            Self::B => {
                if let Some(length) = frame.first_mut() {
                    *length = length.wrapping_add(counted as u8);
                }
                (FIRST_PART, usize::MAX)
            }
        };
        let plain = std::mem::take(&mut frame);
        let (start, rest) = plain.split_at(first.min(plain.len()));
        for block in std::iter::once(start).chain(rest.chunks(block)) {
            frame.extend_from_slice(block);
            frame.extend_from_slice(&checksum(block).to_be_bytes());
        }
        frame
    }

    /// Returns the form in which `bytes` begin, by their checksums: the first one is enough. Where none is right, the
    /// receiver may have removed them.
    pub fn of(bytes: &[u8]) -> Self {
        let Some(&length) = bytes.first() else { return Self::Bare };
        let is_right = |len: usize| bytes.get(..len).is_some_and(|block| checked(block).is_ok());
        if is_right(FIRST_BLOCK + CRC_LEN) {
            return Self::A;
        }
        let part = (usize::from(length) + 1).min(FIRST_PART + CRC_LEN);
        if part > FIRST_BLOCK && is_right(part) { Self::B } else { Self::Bare }
    }
}

/// Returns a block without its checksum, if that is right.
fn checked(block: &[u8]) -> Result<&[u8], Reason> {
    let (bytes, sent) = block.split_last_chunk::<CRC_LEN>().ok_or(Reason::Length)?;
    if bytes.is_empty() || checksum(bytes) != u16::from_be_bytes(*sent) {
        return Err(Reason::Checksum);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xC2B7);
    }

    /// A telegram of `len` bytes, and its frame.
    fn framed(format: Format, len: usize) -> (Vec<u8>, Vec<u8>) {
        let mut bare: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
        bare[0] = (len - 1) as u8;
        let mut frame = Vec::new();
        let mut add = |block: &[u8]| {
            frame.extend_from_slice(block);
            frame.extend_from_slice(&checksum(block).to_be_bytes());
        };
        match format {
            Format::A => {
                add(&bare[..10]);
                bare[10..].chunks(16).for_each(add);
            }
            Format::B => {
                let parts = 1 + usize::from(len > 126);
                let mut counted = bare.clone();
                counted[0] = (len - 1 + 2 * parts) as u8;
                add(&counted[..len.min(126)]);
                if len > 126 {
                    add(&counted[126..]);
                }
            }
            Format::Bare => frame = bare.clone(),
        }
        (bare, frame)
    }

    #[test]
    fn every_length_of_each_format_is_unframed_and_each_damaged_bit_is_found() {
        for format in [Format::A, Format::B, Format::Bare] {
            let longest = if format == Format::B { 252 } else { 256 };
            for len in 11..=longest {
                let (bare, frame) = framed(format, len);
                let mut out = vec![9];
                assert_eq!(format.unframe(&frame, &mut out), Ok(()), "{format} {len}");
                assert_eq!(out[1..], bare, "{format} {len}");
                assert_eq!(Format::of(&frame), format, "{len}");
                assert_eq!(format.enframe(&bare), frame, "{format} {len}");
                assert_eq!(format.unframe(&frame[..len - 1], &mut out), Err(Reason::Length));
                if format != Format::Bare {
                    for bit in 0..frame.len() * 8 {
                        let mut damaged = frame.clone();
                        damaged[bit / 8] ^= 1 << (bit % 8);
                        assert!(format.unframe(&damaged, &mut out).is_err(), "{format} {len} {bit}");
                    }
                }
                assert_eq!(out.len(), 1 + bare.len(), "what fails appends nothing");
            }
        }
    }
}

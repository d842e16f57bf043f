//! Damage to telegrams, in the ways of real lines.

/// Returns the first half: the device was unplugged, or the program came late. There is nothing to accept in it.
pub fn half(telegram: &[u8]) -> &[u8] {
    &telegram[..telegram.len() / 2]
}

/// Returns a half that ends inside a line, and then the whole. Only the whole may be accepted.
pub fn glued(telegram: &[u8]) -> Vec<u8> {
    [half(telegram), telegram].concat()
}

/// Returns NULs, as an optical head sends while it wakes up, and then the intact telegram.
pub fn after_nuls(telegram: &[u8]) -> Vec<u8> {
    [&[0; 20], telegram].concat()
}

/// Returns the telegram with the lowest bit of one byte wrong, which turns a digit into another one. Its parity tells,
/// if the telegram has one.
///
/// # Panics
///
/// Panics if there is no byte `at`.
pub fn bit_error(telegram: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = telegram.to_vec();
    bytes[at] ^= 1;
    bytes
}

/// Returns a telegram of `length` bytes whose first register never ends: a program that collects lines must have a
/// limit.
pub fn endless_line(length: usize) -> Vec<u8> {
    let mut bytes = b"/EBZ5DD32R06ETA_107\r\n\r\n1-0:1.8.0*255(".to_vec();
    bytes.resize(length.max(bytes.len()), b'0');
    bytes
}

/// Damage to one byte, at a place in the telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// A bit is inverted: interference, a misaligned head.
    Bit(usize, u32),
    /// A byte is lost: a buffer overflowed.
    Dropped(usize),
    /// A byte is read twice.
    Doubled(usize),
    /// Two neighbours are swapped.
    Swapped(usize),
}

impl Damage {
    /// Names of the kinds, in the order of [`index`](Self::index).
    pub const KINDS: [&str; 4] = ["bit", "dropped", "doubled", "swapped"];

    /// Chooses damage of any kind, somewhere in a telegram of `len` bytes.
    ///
    /// # Panics
    ///
    /// Panics if there are no bytes.
    pub fn any(len: usize, random: &mut Random) -> Self {
        let at = random.below(len);
        match random.below(4) {
            0 => Self::bit(len, random),
            1 => Self::Dropped(at),
            2 => Self::Doubled(at),
            _ => Self::Swapped(at),
        }
    }

    /// Chooses a bit somewhere in a telegram of `len` bytes.
    ///
    /// # Panics
    ///
    /// Panics if there are no bytes.
    pub fn bit(len: usize, random: &mut Random) -> Self {
        Self::Bit(random.below(len), random.below(8) as u32)
    }

    /// Returns the index of its kind in [`KINDS`](Self::KINDS).
    pub fn index(self) -> usize {
        match self {
            Self::Bit(..) => 0,
            Self::Dropped(..) => 1,
            Self::Doubled(..) => 2,
            Self::Swapped(..) => 3,
        }
    }

    /// Returns the telegram with this damage. The last byte has no neighbour to be swapped with.
    ///
    /// # Panics
    ///
    /// Panics if there is no byte at its place.
    pub fn done_to(self, telegram: &[u8]) -> Vec<u8> {
        let mut bytes = telegram.to_vec();
        match self {
            Self::Bit(at, bit) => bytes[at] ^= 1 << (bit % 8),
            Self::Dropped(at) => drop(bytes.remove(at)),
            Self::Doubled(at) => bytes.insert(at, bytes[at]),
            Self::Swapped(at) if at + 1 < bytes.len() => bytes.swap(at, at + 1),
            Self::Swapped(..) => {}
        }
        bytes
    }
}

/// Pseudo-random numbers that are the same in each run (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of this `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number, less than `limit`.
    ///
    /// # Panics
    ///
    /// Panics if `limit` is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % limit as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TELEGRAM: &[u8] = b"/ABC5X\r\n\r\n1-0:1.8.0*255(000017*kWh)\r\n!\r\n";

    #[test]
    fn only_what_is_said_to_be_whole_contains_the_telegram() {
        let contains = |bytes: &[u8]| bytes.windows(TELEGRAM.len()).any(|part| part == TELEGRAM);
        assert!(contains(&glued(TELEGRAM)) && contains(&after_nuls(TELEGRAM)));
        assert!(!half(TELEGRAM).contains(&b'!') && half(TELEGRAM).starts_with(b"/"));
        assert!(!glued(TELEGRAM).starts_with(TELEGRAM));
    }

    #[test]
    fn a_bit_error_shows_in_the_parity_only() {
        let mut line = TELEGRAM.to_vec();
        crate::uart::seven_e_one(&mut line);
        let at = line.iter().position(|byte| byte & 0x7f == b'7').unwrap();
        let bytes = bit_error(&line, at);
        assert_eq!(bytes[at] & 0x7f, b'6');
        let odd = |byte: &&u8| byte.count_ones() % 2 == 1;
        assert_eq!((line.iter().filter(odd).count(), bytes.iter().filter(odd).count()), (0, 1));
    }

    #[test]
    fn an_endless_line_is_as_long_as_asked() {
        let bytes = endless_line(1 << 20);
        assert_eq!(bytes.len(), 1 << 20);
        assert!(bytes.ends_with(b"0"));
    }

    #[test]
    fn each_damage_changes_one_place() {
        for (damage, expected) in [
            (Damage::Bit(1, 0), "accd"),
            (Damage::Dropped(1), "acd"),
            (Damage::Doubled(1), "abbcd"),
            (Damage::Swapped(1), "acbd"),
            (Damage::Swapped(3), "abcd"),
        ] {
            assert_eq!(damage.done_to(b"abcd"), expected.as_bytes(), "{damage:?}");
        }
    }

    #[test]
    fn damage_of_all_kinds_falls_on_all_places_again_and_again() {
        let all = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| Damage::any(20, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
        for kind in 0..Damage::KINDS.len() {
            let places =
                all(1).into_iter().filter(|damage| damage.index() == kind).map(|damage| match damage {
                    Damage::Bit(at, _) | Damage::Dropped(at) => at,
                    Damage::Doubled(at) | Damage::Swapped(at) => at,
                });
            assert_eq!(places.collect::<std::collections::BTreeSet<_>>().len(), 20, "{kind}");
        }
    }
}

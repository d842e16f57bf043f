//! CRC16 after the end mark of a P1 port, and its kinds.

/// CRC of DSMR 4 and later: polynomial x¹⁶ + x¹⁵ + x² + 1, least significant bit first.
///
/// Its table has 8 KiB: with a small one, the sum would cost more than all the rest.
static ARC: crc::Crc<u16, crc::Table<16>> = crc::Crc::<u16, crc::Table<16>>::new(&crc::CRC_16_ARC);

/// Kinds that some meters have in its place, such as Holley's, with their names.
static OTHERS: [(&str, crc::Crc<u16>); 3] = [
    ("CRC-16/X-25", crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC)),
    ("CRC-16/KERMIT", crc::Crc::<u16>::new(&crc::CRC_16_KERMIT)),
    ("CRC-16/MODBUS", crc::Crc::<u16>::new(&crc::CRC_16_MODBUS)),
];

/// Telegrams in a row with another kind of CRC that are believed.
const CONFIRMATIONS: u32 = 3;

/// Kind of CRC: that of the standard, or an index in the table of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kind(Option<usize>);

/// Kind of a meter's CRC. It is found by itself and remembered: to accept each kind each time would accept more damage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crc16 {
    known: Option<Kind>,
    /// Another kind, and the number of telegrams in a row that have it.
    other: Option<(Kind, u32)>,
}

impl Kind {
    const ALL: [Self; 4] = [Self(None), Self(Some(0)), Self(Some(1)), Self(Some(2))];

    /// Returns the name of an unusual kind.
    pub(crate) fn name(self) -> Option<&'static str> {
        self.0.map(|index| OTHERS[index].0)
    }

    pub(crate) fn checksum(self, bytes: &[u8]) -> u16 {
        self.0.map_or_else(|| ARC.checksum(bytes), |index| OTHERS[index].1.checksum(bytes))
    }

    /// Returns the kind with which the checksum of `bytes` is the `given` one.
    pub(crate) fn of(bytes: &[u8], given: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.checksum(bytes) == given)
    }
}

impl Crc16 {
    /// Judges the CRC of a telegram; returns its kind.
    ///
    /// # Errors
    /// Returns the expected CRC.
    pub(crate) fn judge(&mut self, bytes: &[u8], given: u16) -> Result<Kind, u16> {
        let expected = self.known.unwrap_or_default();
        let sum = expected.checksum(bytes);
        if sum == given {
            *self = Self { known: Some(expected), other: None };
            return Ok(expected);
        }
        let Some(kind) = Kind::of(bytes, given) else {
            self.other = None;
            return Err(sum);
        };
        let seen = self.other.filter(|(other, _)| *other == kind).map_or(1, |(_, seen)| seen + 1);
        if self.known.is_some() && seen < CONFIRMATIONS {
            self.other = Some((kind, seen));
            return Err(sum);
        }
        *self = Self { known: Some(kind), other: None };
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_remembered_until_the_meter_insists_on_another() {
        let bytes = b"/XYZ5\r\n1.8.0(1*kWh)\r\n!";
        let [arc, x25, kermit, modbus] = Kind::ALL;
        for first in Kind::ALL {
            let mut crc = Crc16::default();
            assert_eq!(crc.judge(bytes, first.checksum(bytes)), Ok(first));
            let other = if first == arc { x25 } else { arc };
            for turn in 1..=3 {
                // Damage that agrees by chance does not count.
                assert_eq!(crc.judge(bytes, other.checksum(bytes)).is_ok(), turn == 3, "{turn}");
            }
            assert_eq!(crc.judge(bytes, first.checksum(bytes)), Err(other.checksum(bytes)));
            assert_eq!(crc.judge(bytes, other.checksum(bytes)), Ok(other));
        }
        let mut crc = Crc16::default();
        assert_eq!(crc.judge(bytes, 0x1234), Err(arc.checksum(bytes)));
        assert_eq!([arc, x25, kermit, modbus].map(|kind| kind.name().is_some()), [false, true, true, true]);
    }
}

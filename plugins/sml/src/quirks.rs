//! Meters that are known to err, and what to make of it.

use serde::Deserialize;

use crate::{checksum::Checksum, registers::Registers, server_id::Number};

/// What to do about it: by the table, where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// How checksums are computed.
    pub crc: Crc,
    /// Where the direction of a power stands.
    pub power_sign: PowerSign,
    /// Are signed powers of less than four bytes unsigned in truth?
    pub unsigned_power: Option<bool>,
}

/// `crc = "…"` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crc {
    /// As the standard has it, or as this maker is known to do it.
    #[default]
    Auto,
    /// The standard's.
    X25,
    /// That of Holley's old firmware.
    Kermit,
}

/// `power_sign = "…"` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerSign {
    /// As this maker is known to do it.
    #[default]
    Auto,
    /// In the value.
    Value,
    /// In the status word of the energy.
    Status,
}

/// One way to err.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quirk {
    /// Checksums are CRC-16/KERMIT with the high byte first (volkszaehler/libsml issue 75).
    Kermit,
    /// Powers are sent with as few bytes as they need, and the first bit of them is no sign, although their
    /// type is signed: 356.24 W as -299.12 W.
    UnsignedPower,
    /// Powers are positive always, and the status word of the energy tells the direction (volkszaehler/libsml
    /// issue 101).
    SignInStatus,
}

/// Which meters have a quirk.
enum Which {
    All,
    /// `1DZG0042000000` to `1DZG0048999999`: numbers of the block 00.
    Numbers(u32, u32),
    /// Those of the time before the basic meters of FNN: see [`Meter::is_edl`].
    Edl,
}

const TABLE: &[(&[u8], Which, Quirk)] = &[
    // What the maker said of its DVS74 (volkszaehler/libsml pull request 136); others of it are right.
    (b"DZG", Which::Numbers(42_000_000, 48_999_999), Quirk::UnsignedPower),
    (b"DZG", Which::Numbers(55_000_000, 58_999_999), Quirk::UnsignedPower),
    (b"EMH", Which::Edl, Quirk::SignInStatus),
    (b"HLY", Which::All, Quirk::Kermit),
];

/// The registers with the name of the maker: EDL meters, and later ones.
const MAKER_EDL: [u8; 6] = [129, 129, 199, 130, 3, 255];
const MAKER: [u8; 6] = [1, 0, 96, 50, 1, 1];

/// What the table knows a meter by.
struct Meter<'a> {
    maker: &'a [u8],
    number: Option<Number>,
    /// It follows the specification EDL of FNN, of 2010, with its status word.
    is_edl: bool,
}

/// The quirks in effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effective {
    kermit: bool,
    unsigned_power: bool,
    sign_in_status: bool,
}

impl Effective {
    /// In words, for `/health`.
    pub(crate) fn name(self) -> &'static str {
        match (self.kermit, self.unsigned_power, self.sign_in_status) {
            (false, false, false) => "none",
            (true, false, false) => "crc",
            (false, true, false) => "unsigned power",
            (false, false, true) => "power sign in status",
            (true, true, false) => "crc, unsigned power",
            (true, false, true) => "crc, power sign in status",
            (false, true, true) => "unsigned power, power sign in status",
            (true, true, true) => "crc, unsigned power, power sign in status",
        }
    }
}

impl Quirks {
    /// The checksum of a telegram whose bytes are `covered`, as `given`: how it was computed, or what it
    /// should be.
    pub(crate) fn checksum(&self, covered: &[u8], given: u16) -> Result<Checksum, u16> {
        let first = if self.crc == Crc::Kermit { Checksum::Kermit } else { Checksum::X25 };
        let expected = first.of(covered);
        if given == expected {
            Ok(first)
        } else if self.crc == Crc::Auto && given == Checksum::Kermit.of(covered) {
            Ok(Checksum::Kermit)
        } else {
            Err(expected)
        }
    }

    /// Corrects the registers of a telegram; `None` if this meter must not use this checksum.
    pub(crate) fn apply(
        &self,
        checksum: Checksum,
        server_id: &[u8],
        registers: &mut Registers,
    ) -> Option<Effective> {
        let meter = Meter::of(server_id, registers);
        let effective = Effective {
            kermit: checksum == Checksum::Kermit,
            unsigned_power: self.unsigned_power.unwrap_or_else(|| meter.has(Quirk::UnsignedPower)),
            sign_in_status: match self.power_sign {
                PowerSign::Auto => meter.has(Quirk::SignInStatus),
                PowerSign::Value => false,
                PowerSign::Status => true,
            },
        };
        if effective.kermit && self.crc == Crc::Auto && !meter.has(Quirk::Kermit) {
            return None;
        }
        if effective.unsigned_power || effective.sign_in_status {
            let out = flows_out(registers);
            for (code, entry) in registers.entries_mut() {
                // Where the status word agrees with a negative sign, it is one.
                if effective.unsigned_power && !out && matches!(code, [1, _, 16 | 36 | 56 | 76, 7, 0, _]) {
                    entry.make_unsigned();
                }
                if effective.sign_in_status && out && matches!(code, [1, _, 15 | 16, 7, 0, _]) {
                    entry.make_negative();
                }
            }
        }
        Some(effective)
    }
}

impl<'a> Meter<'a> {
    fn of(server_id: &[u8], registers: &'a Registers) -> Self {
        let edl = registers.text_of(MAKER_EDL);
        let maker = edl.or_else(|| registers.text_of(MAKER)).unwrap_or_default();
        Self { maker, number: Number::of(server_id), is_edl: edl.is_some() }
    }

    fn has(&self, quirk: Quirk) -> bool {
        TABLE.iter().any(|(maker, which, known)| {
            *known == quirk
                && (self.maker == *maker || self.number.is_some_and(|number| number.maker == *maker))
                && match which {
                    Which::All => true,
                    Which::Edl => self.is_edl,
                    Which::Numbers(least, most) => self
                        .number
                        .is_some_and(|number| number.block == 0 && (*least..=*most).contains(&number.number)),
                }
        })
    }
}

/// Does the status word of the first energy that has one say that energy flows out?
///
/// Bit 5 of EDL meters (FNN, Lastenheft EDL 1.0); bit 11 of later ones, whose lowest byte (but for bit 5) is 4 in
/// all that were seen.
fn flows_out(registers: &Registers) -> bool {
    let mut energies = registers.entries().filter(|(code, _)| matches!(code, [1, _, 1 | 2, 8, ..]));
    let status = energies.find_map(|(_, entry)| entry.status).unwrap_or(0);
    status & (1 << if status & 0xdf == 4 { 11 } else { 5 }) != 0
}

//! Known faults of meters, and their corrections.

use serde::Deserialize;

use crate::{
    checksum::Checksum,
    registers::Registers,
    server_id::Number,
    sign::{self, Direction, Sign, Verdict},
};

/// Corrections that the configuration demands; otherwise the table decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Kind of the checksums.
    pub crc: Crc,
    /// Place of a power's direction.
    pub power_sign: PowerSign,
    /// Whether signed powers of less than four bytes are really unsigned.
    pub unsigned_power: Option<bool>,
}

/// `crc = "…"` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crc {
    /// As the standard demands, or as this maker is known to do.
    #[default]
    Auto,
    /// As the standard demands.
    X25,
    /// As Holley's old firmware does.
    Kermit,
}

/// `power_sign = "…"` in the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerSign {
    /// As this maker is known to do, or as the telegrams show.
    #[default]
    Auto,
    /// In the value.
    Value,
    /// In the status word of the energy.
    Status,
}

/// Fault of a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quirk {
    /// Checksums are CRC-16/KERMIT with the high byte first (volkszaehler/libsml issue 75).
    Kermit,
    /// Powers are sent with as few bytes as they need, and their first bit is not a sign, although their type is
    /// signed: 356.24 W as -299.12 W.
    UnsignedPower,
    /// Powers are always positive, and the status word of the energy has the direction (volkszaehler/libsml issue 101).
    SignInStatus,
}

/// Meters with a quirk.
enum Which {
    All,
    /// `1DZG0042000000` to `1DZG0048999999`: numbers of the block 00.
    Numbers(u32, u32),
    /// Meters from before the basic meters of FNN: see [`Meter::is_edl`].
    Edl,
}

const TABLE: &[(&[u8], Which, Quirk)] = &[
    // As the maker stated for its DVS74 (volkszaehler/libsml pull request 136); its other meters are right.
    (b"DZG", Which::Numbers(42_000_000, 48_999_999), Quirk::UnsignedPower),
    (b"DZG", Which::Numbers(55_000_000, 58_999_999), Quirk::UnsignedPower),
    (b"EMH", Which::Edl, Quirk::SignInStatus),
    (b"HLY", Which::All, Quirk::Kermit),
];

/// Registers with the name of the maker: of EDL meters, and of later ones.
const MAKER_EDL: [u8; 6] = [129, 129, 199, 130, 3, 255];
const MAKER: [u8; 6] = [1, 0, 96, 50, 1, 1];

/// Characteristics by which the table recognizes a meter.
struct Meter<'a> {
    maker: &'a [u8],
    number: Option<Number>,
    /// It follows the specification EDL of FNN from 2010, with its status word.
    is_edl: bool,
}

/// Quirks in effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effective {
    kermit: bool,
    unsigned_power: bool,
    sign_in_status: bool,
}

impl Effective {
    /// Returns them in words, for `/health`.
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
    /// Returns the kind of the checksum `given` for the bytes `covered`; for a wrong one, the right value.
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

    /// Corrects the registers of a telegram, by those before; returns `None` if this meter must not use this checksum.
    pub(crate) fn apply(
        &self,
        checksum: Checksum,
        server_id: &[u8],
        sign: &mut Sign,
        registers: &mut Registers,
    ) -> Option<Effective> {
        let meter = Meter::of(server_id, registers);
        let kermit = checksum == Checksum::Kermit;
        if kermit && self.crc == Crc::Auto && !meter.has(Quirk::Kermit) {
            return None;
        }
        let direction = Direction::of(registers);
        let unsigned_power = self.unsigned_power.unwrap_or_else(|| {
            meter.has(Quirk::UnsignedPower)
                || direction.is_some_and(|direction| sign.is_unsigned(registers, direction))
        });
        let is_known = meter.has(Quirk::SignInStatus);
        // A negative sign counts where the status word agrees.
        if unsigned_power && !direction.is_some_and(Direction::is_out) {
            for (code, entry) in registers.entries_mut() {
                if matches!(code, [1, _, 16 | 36 | 56 | 76, 7, 0, _]) {
                    entry.make_unsigned();
                }
            }
        }
        let verdict = match (self.power_sign, direction) {
            (PowerSign::Value, _) => Verdict::AsSent,
            (PowerSign::Status, _) => Verdict::Unsigned,
            (PowerSign::Auto, _) if is_known => Verdict::Unsigned,
            (PowerSign::Auto, Some(direction)) => sign.judge(registers, direction),
            (PowerSign::Auto, None) => Verdict::AsSent,
        };
        match (verdict, direction) {
            (Verdict::Unsigned, Some(direction)) => sign::correct(registers, direction),
            (Verdict::Doubtful, _) => sign::leave_out(registers),
            _ => {}
        }
        Some(Effective { kermit, unsigned_power, sign_in_status: verdict == Verdict::Unsigned })
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

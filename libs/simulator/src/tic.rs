//! Linky, the French meter, single-phase: its télé-information client in both modes (Enedis-NOI-CPT_54E).
//!
//! A frame is one group after the other between STX and ETX; a group is a line with a label, a value and a check
//! character of six bits. Characters are 7E1.

use std::fmt::Write;

use crate::{
    ebz::seven_e_one,
    household::{Centiwatts, Moment, START_OF_DAY, WATT_HOUR},
};

/// Number of the meter. No real one has it.
pub const METER_NUMBER: &str = "020000000042";

/// Mode of the meter; the supplier changes it from afar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Historic: 1200 baud, off-peak contract.
    Historique,
    /// Standard: 9600 baud.
    Standard,
}

impl Mode {
    /// Returns the baud rate.
    pub fn baud(self) -> u32 {
        match self {
            Self::Historique => 1200,
            Self::Standard => 9600,
        }
    }
}

/// Returns the frame of this moment, as 7E1 arrives at a port opened as 8N1.
pub fn frame(moment: &Moment, mode: Mode) -> Vec<u8> {
    let mut text = String::from("\x02");
    let mut group = |label: &str, stamp: Option<&str>, value: &str| {
        let _ = match (mode, stamp) {
            (Mode::Historique, _) => write!(text, "\n{}\r", checked(&format!("{label} {value}"), ' ', "")),
            (Mode::Standard, None) => {
                write!(text, "\n{}\r", checked(&format!("{label}\t{value}"), '\t', "\t"))
            }
            (Mode::Standard, Some(stamp)) => {
                write!(text, "\n{}\r", checked(&format!("{label}\t{stamp}\t{value}"), '\t', "\t"))
            }
        };
    };
    let energy = moment.import / WATT_HOUR;
    let (low, high) = (energy / 3, energy - energy / 3);
    let drawn = volt_amperes(moment.grid());
    let amperes = drawn / 230;
    match mode {
        Mode::Historique => {
            group("ADCO", None, METER_NUMBER);
            group("OPTARIF", None, "HC..");
            group("ISOUSC", None, "45");
            group("HCHC", None, &format!("{low:09}"));
            group("HCHP", None, &format!("{high:09}"));
            group("PTEC", None, "HP..");
            group("IINST", None, &format!("{amperes:03}"));
            group("IMAX", None, "090");
            group("PAPP", None, &format!("{:05}", drawn / 10 * 10));
            group("HHPHC", None, "A");
            group("MOTDETAT", None, "000000");
        }
        Mode::Standard => {
            let second = START_OF_DAY + moment.second;
            let clock = format!(
                "E2606{:02}{:02}{:02}{:02}",
                21 + second / 86_400 % 9,
                second / 3600 % 24,
                second / 60 % 60,
                second % 60
            );
            group("ADSC", None, METER_NUMBER);
            group("VTIC", None, "02");
            group("DATE", Some(&clock), "");
            group("NGTF", None, "H PLEINE/CREUSE ");
            group("LTARF", None, "HEURE PLEINE    ");
            group("EAST", None, &format!("{energy:09}"));
            group("EASF01", None, &format!("{low:09}"));
            group("EASF02", None, &format!("{high:09}"));
            group("EASD01", None, &format!("{low:09}"));
            group("EASD02", None, &format!("{high:09}"));
            group("IRMS1", None, &format!("{amperes:03}"));
            group("URMS1", None, &format!("{:03}", moment.decivolts[0] / 10));
            group("PREF", None, "09");
            group("PCOUP", None, "09");
            group("SINSTS", None, &format!("{drawn:05}"));
            group("SMAXSN", Some("E260621072514"), "04210");
            group("SMAXSN-1", Some("E260620190122"), "05180");
            group("STGE", None, "003A0001");
            group("MSG1", None, "PAS DE          MESSAGE         ");
            group("PRM", None, "00000000000042");
            group("RELAIS", None, "000");
            group("NTARF", None, "02");
            group("NJOURF", None, "00");
            group("NJOURF+1", None, "00");
        }
    }
    text.push('\x03');
    let mut bytes = text.into_bytes();
    seven_e_one(&mut bytes);
    bytes
}

/// Returns a group with its separator and check character; the sum of the standard mode includes that separator.
fn checked(group: &str, separator: char, also: &str) -> String {
    let sum: u32 = group.bytes().chain(also.bytes()).map(u32::from).sum();
    let check = char::from((sum & 0x3f) as u8 + 0x20);
    format!("{group}{separator}{check}")
}

/// Returns the apparent power that is drawn: none while the household feeds in.
fn volt_amperes(power: Centiwatts) -> i64 {
    power.max(0) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mode: Mode) -> String {
        frame(&Moment::sample(), mode).into_iter().map(|byte| char::from(byte & 0x7f)).collect()
    }

    #[test]
    fn both_modes_have_their_separators_and_check_characters() {
        let historic = text(Mode::Historique);
        assert!(historic.starts_with("\x02\nADCO 020000000042 "), "{historic}");
        // The worked example of the standard: `ADCO` and 12 digits, the last blank left out.
        assert!(historic.contains("\nOPTARIF HC.. <\r\nISOUSC 45 ?\r"), "{historic}");
        assert!(historic.ends_with("\r\x03"), "{historic}");
        let standard = text(Mode::Standard);
        assert!(standard.contains("\nVTIC\t02\tJ\r\nDATE\tE260621103015\t\t"), "{standard}");
        assert!(standard.contains("\nEAST\t002714128\t"), "{standard}");
    }
}

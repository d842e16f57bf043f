//! Telegram of an eBZ DD3, an electricity meter for two directions that pushes.
//!
//! IEC 62056-21 mode D: an identification, a blank line, one register a line, `!`. There is no checksum
//! but the parity of each character.

use std::fmt::Write;

use crate::household::{CentiwattSeconds, Centiwatts, Moment, WATT_HOUR};

/// Number of the meter. No real one has it.
pub const METER_NUMBER: &str = "1EBZ0100000042";

/// Seconds that the meter had been in operation when the household started.
const OPERATING_SECONDS: u64 = 0x0123_4567;

/// Set of registers that the meter sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataSet {
    /// Energies to 10 µWh, and powers.
    Full,
    /// The same with voltages, as some variants send them.
    Voltages,
    /// Energies in whole kWh and no powers: a meter into which nobody has entered the PIN.
    Reduced,
}

/// Returns the telegram of this moment, in plain ASCII.
pub fn telegram(moment: &Moment, data_set: DataSet) -> String {
    let mut text = String::from("/EBZ5DD32R06ETA_107\r\n\r\n");
    let mut line = |obis: &str, value: &str| {
        let _ = write!(text, "{obis}*255({value})\r\n"); // a String takes everything
    };
    line("1-0:0.0.0", METER_NUMBER);
    line("1-0:96.1.0", METER_NUMBER);
    if data_set == DataSet::Reduced {
        line("1-0:1.8.0", &whole_kilowatt_hours(moment.import));
        line("1-0:2.8.0", &whole_kilowatt_hours(moment.export));
    } else {
        line("1-0:1.8.0", &kilowatt_hours(moment.import));
        line("1-0:2.8.0", &kilowatt_hours(moment.export));
        line("1-0:16.7.0", &watts(moment.grid()));
        for (obis, power) in ["1-0:36.7.0", "1-0:56.7.0", "1-0:76.7.0"].iter().zip(moment.phases) {
            line(obis, &watts(power));
        }
    }
    if data_set == DataSet::Voltages {
        for (obis, tenths) in ["1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0"].iter().zip(moment.decivolts) {
            line(obis, &format!("{}.{}*V", tenths / 10, tenths % 10));
        }
    }
    line("1-0:96.5.0", "001C0104");
    line("0-0:96.8.0", &format!("{:08X}", OPERATING_SECONDS + moment.second));
    text.push_str("!\r\n");
    text
}

/// Turns ASCII into 7E1 as it arrives at a port opened as 8N1: with even parity in bit 7.
pub fn seven_e_one(bytes: &mut [u8]) {
    for byte in bytes {
        *byte |= ((byte.count_ones() % 2) as u8) << 7;
    }
}

fn kilowatt_hours(energy: CentiwattSeconds) -> String {
    let ten_microwatt_hours = energy * 10 / 36; // 0.01 Ws are 10/3.6 µWh
    format!("{:06}.{:08}*kWh", ten_microwatt_hours / 100_000_000, ten_microwatt_hours % 100_000_000)
}

fn whole_kilowatt_hours(energy: CentiwattSeconds) -> String {
    format!("{:06}*kWh", energy / (1000 * WATT_HOUR))
}

/// The sign comes on top of the nine characters.
fn watts(power: Centiwatts) -> String {
    let sign = if power < 0 { "-" } else { "" };
    format!("{sign}{:06}.{:02}*W", power.abs() / 100, power.abs() % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_data_set() {
        assert_eq!(
            telegram(&Moment::sample(), DataSet::Full),
            "/EBZ5DD32R06ETA_107\r\n\
             \r\n\
             1-0:0.0.0*255(1EBZ0100000042)\r\n\
             1-0:96.1.0*255(1EBZ0100000042)\r\n\
             1-0:1.8.0*255(002714.12830185*kWh)\r\n\
             1-0:2.8.0*255(000001.20600000*kWh)\r\n\
             1-0:16.7.0*255(-000443.33*W)\r\n\
             1-0:36.7.0*255(-000458.90*W)\r\n\
             1-0:56.7.0*255(000015.64*W)\r\n\
             1-0:76.7.0*255(-000000.07*W)\r\n\
             1-0:96.5.0*255(001C0104)\r\n\
             0-0:96.8.0*255(01234576)\r\n\
             !\r\n"
        );
    }

    #[test]
    fn voltages_are_added_after_the_powers() {
        let text = telegram(&Moment::sample(), DataSet::Voltages);
        let voltages = "1-0:32.7.0*255(232.4*V)\r\n1-0:52.7.0*255(231.7*V)\r\n1-0:72.7.0*255(230.9*V)\r\n";
        assert!(text.contains(voltages), "{text}");
        assert_eq!(text.replace(voltages, ""), telegram(&Moment::sample(), DataSet::Full));
    }

    #[test]
    fn before_the_pin_there_are_whole_kilowatt_hours_only() {
        let text = telegram(&Moment::sample(), DataSet::Reduced);
        assert!(text.contains("1-0:1.8.0*255(002714*kWh)\r\n1-0:2.8.0*255(000001*kWh)\r\n"), "{text}");
        assert!(!text.contains(".7.0"), "{text}");
    }
}

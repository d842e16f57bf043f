//! Telegram of a Dutch smart meter at its P1 port.
//!
//! P1 Companion Standard of Netbeheer Nederland (DSMR): the lines of IEC 62056-21 mode D. The versions 4
//! and 5 close it with a checksum, CRC-16/ARC from `/` to `!`, the older ones with nothing. A meter for
//! gas sends its reading over M-Bus now and then, and the telegram repeats the last one with its time.

use std::fmt::Write;

use simulator::{CentiwattSeconds, Centiwatts, Moment, START_OF_DAY, WATT_HOUR, time};

use crate::crc;

/// Version of the standard that a meter follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// DSMR 2.2: 9600 baud 7E1, without times and checksum; the gas, hourly, on a line of its own.
    V2,
    /// DSMR 5: 115200 baud 8N1, each second; the gas every five minutes.
    V5,
}

/// Number of the meter. No real one has it.
pub const METER_NUMBER: &str = "E0000000000000042";
/// Number of the gas meter. No real one has it.
pub const GAS_METER_NUMBER: &str = "G0000000000000043";

/// Counter of the low tariff. It stands still: the sun of the household always shines, so it always has the normal
/// tariff.
const LOW_IMPORT: CentiwattSeconds = 501_377 * WATT_HOUR;
const LOW_EXPORT: CentiwattSeconds = 214_056 * WATT_HOUR;

/// Counter of the gas meter at the start of the first day, in dm³.
const GAS: u64 = 3_199_256;
/// Seconds between two dm³ of gas: the household is heated by the heat pump.
const GAS_PACE: u64 = 173;

/// Returns the telegram of this moment, in plain ASCII. The first one is of 21 June 2026, 10:30:01.
pub fn telegram(moment: &Moment, version: Version) -> String {
    match version {
        Version::V2 => v2(moment),
        Version::V5 => v5(moment),
    }
}

fn v5(moment: &Moment) -> String {
    let mut text = String::from("/ISK5\\2M550T-1012\r\n\r\n");
    let mut line = |obis: &str, value: &str| {
        let _ = write!(text, "{obis}{value}\r\n"); // a String takes everything
    };
    let second = START_OF_DAY + moment.second;
    line("1-3:0.2.8", "(50)");
    line("0-0:1.0.0", &format!("({}S)", time(second)));
    line("0-0:96.1.1", &format!("({})", hex(METER_NUMBER)));
    for (obis, energy) in tariffs(moment) {
        line(obis, &format!("({}*kWh)", thousandths(energy / WATT_HOUR, 6)));
    }
    line("0-0:96.14.0", "(0002)");
    line("1-0:1.7.0", &kilowatts(moment.grid()));
    line("1-0:2.7.0", &kilowatts(-moment.grid()));
    line("0-0:96.7.21", "(00010)");
    line("0-0:96.7.9", "(00002)");
    line("1-0:99.97.0", "(1)(0-0:96.7.19)(260111133452W)(0000002779*s)");
    for phase in ["32", "52", "72"] {
        line(&format!("1-0:{phase}.32.0"), "(00001)");
        line(&format!("1-0:{phase}.36.0"), "(00000)");
    }
    line("0-0:96.13.0", "()");
    for (phase, tenths) in [32, 52, 72].iter().zip(moment.decivolts) {
        line(&format!("1-0:{phase}.7.0"), &format!("({:03}.{}*V)", tenths / 10, tenths % 10));
    }
    for ((phase, power), tenths) in [31, 51, 71].iter().zip(moment.phases).zip(moment.decivolts) {
        let amperes = power.abs() / 10 / i64::from(tenths.max(1)); // 0.01 W by 0.1 V
        line(&format!("1-0:{phase}.7.0"), &format!("({amperes:03}*A)"));
    }
    for (phase, power) in [2, 4, 6].iter().zip(moment.phases) {
        line(&format!("1-0:{phase}1.7.0"), &kilowatts(power));
        line(&format!("1-0:{phase}2.7.0"), &kilowatts(-power));
    }
    line("0-1:24.1.0", "(003)");
    line("0-1:96.1.0", &format!("({})", hex(GAS_METER_NUMBER)));
    let read = second - second % 300;
    line("0-1:24.2.1", &format!("({}S)({}*m3)", time(read), gas(read)));
    text.push('!');
    let _ = write!(text, "{:04X}\r\n", crc::arc(text.as_bytes()));
    text
}

fn v2(moment: &Moment) -> String {
    let mut text = String::from("/ISk5\\2MT382-1003\r\n\r\n");
    let mut line = |obis: &str, value: &str| {
        let _ = write!(text, "{obis}{value}\r\n");
    };
    line("0-0:96.1.1", &format!("({})", hex(METER_NUMBER)));
    for (obis, energy) in tariffs(moment) {
        line(obis, &format!("({}*kWh)", thousandths(energy / WATT_HOUR, 5)));
    }
    line("0-0:96.14.0", "(0002)");
    for (obis, power) in [("1-0:1.7.0", moment.grid()), ("1-0:2.7.0", -moment.grid())] {
        let hundredths = power.max(0) / 1000;
        line(obis, &format!("({:04}.{:02}*kW)", hundredths / 100, hundredths % 100));
    }
    line("0-0:17.0.0", "(0999.00*kW)");
    line("0-0:96.3.10", "(1)");
    line("0-0:96.13.1", "()");
    line("0-0:96.13.0", "()");
    line("0-1:24.1.0", "(3)");
    line("0-1:96.1.0", &format!("({})", hex(GAS_METER_NUMBER)));
    let second = START_OF_DAY + moment.second;
    let read = second - second % 3600;
    line("0-1:24.3.0", &format!("({})(00)(60)(1)(0-1:24.2.1)(m3)\r\n({})", time(read), gas(read)));
    line("0-1:24.4.0", "(1)");
    text.push_str("!\r\n");
    text
}

/// Returns the four counters, which sum up to those of the household.
fn tariffs(moment: &Moment) -> [(&'static str, CentiwattSeconds); 4] {
    [
        ("1-0:1.8.1", LOW_IMPORT),
        ("1-0:1.8.2", moment.import - LOW_IMPORT),
        ("1-0:2.8.1", LOW_EXPORT),
        ("1-0:2.8.2", moment.export - LOW_EXPORT),
    ]
}

/// Formats a power in kW, which is zero where it flows the other way.
fn kilowatts(power: Centiwatts) -> String {
    format!("({}*kW)", thousandths(power.max(0) / 100, 2))
}

fn gas(second: u64) -> String {
    thousandths((GAS + second / GAS_PACE) as i64, 5)
}

fn thousandths(value: i64, digits: usize) -> String {
    format!("{:0digits$}.{:03}", value / 1000, value % 1000)
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600;

    fn moment() -> Moment {
        Moment { phases: [-45_890, 156_440, -7], export: 1_206_000 * WATT_HOUR, ..Moment::sample() }
    }

    #[test]
    fn version_5() {
        let text = telegram(&moment(), Version::V5);
        let (body, crc) = text.rsplit_once('!').unwrap();
        assert_eq!(crc, format!("{:04X}\r\n", crc::arc(format!("{body}!").as_bytes())));
        assert_eq!(
            body,
            "/ISK5\\2M550T-1012\r\n\
             \r\n\
             1-3:0.2.8(50)\r\n\
             0-0:1.0.0(260621103015S)\r\n\
             0-0:96.1.1(4530303030303030303030303030303432)\r\n\
             1-0:1.8.1(000501.377*kWh)\r\n\
             1-0:1.8.2(002212.751*kWh)\r\n\
             1-0:2.8.1(000214.056*kWh)\r\n\
             1-0:2.8.2(000991.944*kWh)\r\n\
             0-0:96.14.0(0002)\r\n\
             1-0:1.7.0(01.105*kW)\r\n\
             1-0:2.7.0(00.000*kW)\r\n\
             0-0:96.7.21(00010)\r\n\
             0-0:96.7.9(00002)\r\n\
             1-0:99.97.0(1)(0-0:96.7.19)(260111133452W)(0000002779*s)\r\n\
             1-0:32.32.0(00001)\r\n\
             1-0:32.36.0(00000)\r\n\
             1-0:52.32.0(00001)\r\n\
             1-0:52.36.0(00000)\r\n\
             1-0:72.32.0(00001)\r\n\
             1-0:72.36.0(00000)\r\n\
             0-0:96.13.0()\r\n\
             1-0:32.7.0(232.4*V)\r\n\
             1-0:52.7.0(231.7*V)\r\n\
             1-0:72.7.0(230.9*V)\r\n\
             1-0:31.7.0(001*A)\r\n\
             1-0:51.7.0(006*A)\r\n\
             1-0:71.7.0(000*A)\r\n\
             1-0:21.7.0(00.000*kW)\r\n\
             1-0:22.7.0(00.458*kW)\r\n\
             1-0:41.7.0(01.564*kW)\r\n\
             1-0:42.7.0(00.000*kW)\r\n\
             1-0:61.7.0(00.000*kW)\r\n\
             1-0:62.7.0(00.000*kW)\r\n\
             0-1:24.1.0(003)\r\n\
             0-1:96.1.0(4730303030303030303030303030303433)\r\n\
             0-1:24.2.1(260621103000S)(03199.474*m3)\r\n"
        );
    }

    #[test]
    fn version_2() {
        assert_eq!(
            telegram(&moment(), Version::V2),
            "/ISk5\\2MT382-1003\r\n\
             \r\n\
             0-0:96.1.1(4530303030303030303030303030303432)\r\n\
             1-0:1.8.1(00501.377*kWh)\r\n\
             1-0:1.8.2(02212.751*kWh)\r\n\
             1-0:2.8.1(00214.056*kWh)\r\n\
             1-0:2.8.2(00991.944*kWh)\r\n\
             0-0:96.14.0(0002)\r\n\
             1-0:1.7.0(0001.10*kW)\r\n\
             1-0:2.7.0(0000.00*kW)\r\n\
             0-0:17.0.0(0999.00*kW)\r\n\
             0-0:96.3.10(1)\r\n\
             0-0:96.13.1()\r\n\
             0-0:96.13.0()\r\n\
             0-1:24.1.0(3)\r\n\
             0-1:96.1.0(4730303030303030303030303030303433)\r\n\
             0-1:24.3.0(260621100000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n\
             (03199.464)\r\n\
             0-1:24.4.0(1)\r\n\
             !\r\n"
        );
    }

    #[test]
    fn feeding_in_is_a_register_of_its_own() {
        let text = telegram(&Moment { phases: [-45_890, 0, 0], ..moment() }, Version::V5);
        assert!(text.contains("1-0:1.7.0(00.000*kW)\r\n1-0:2.7.0(00.458*kW)\r\n"), "{text}");
    }

    #[test]
    fn days_months_and_years_pass() {
        assert_eq!(time(10 * DAY), "260701000000");
        assert_eq!(time(10 * DAY - 1), "260630235959");
        assert_eq!(time((10 + 184) * DAY), "270101000000");
        assert_eq!(time((10 + 184 + 365 + 59) * DAY), "280229000000");
    }
}

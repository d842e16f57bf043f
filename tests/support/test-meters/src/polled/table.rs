//! Readout of a polled meter.

use simulator::{CentiwattSeconds, Moment, WATT_HOUR};

/// Number of the meter. No real one has it.
const METER_NUMBER: &str = "00000042";

/// Number of past months that a meter keeps.
const MONTHS: usize = 99;

/// Returns the table of a meter for two directions at this moment, with short codes: energies to a Wh, the power to a
/// W, voltages to 0.1 V.
pub fn table(moment: &Moment) -> Vec<String> {
    let mut lines = vec![
        "F.F(00000000)".into(),
        format!("C.1.0({METER_NUMBER})"),
        format!("0.0.0({METER_NUMBER})"),
        format!("1.8.0({})", kilowatt_hours(moment.import)),
        format!("2.8.0({})", kilowatt_hours(moment.export)),
        format!("16.7.0({})", kilowatts(moment.grid() / 100)),
    ];
    for (phase, tenths) in [32, 52, 72].iter().zip(moment.decivolts) {
        lines.push(format!("{phase}.7.0({:03}.{}*V)", tenths / 10, tenths % 10));
    }
    lines
}

/// Returns that table, followed by the counters of past months, tariff by tariff, up to `lines` lines.
pub fn long_table(moment: &Moment, lines: usize) -> Vec<String> {
    let past = (0..).map(|number| {
        let (tariff, month) = (number / MONTHS, number % MONTHS + 1);
        let energy = moment.import - (month as CentiwattSeconds * 3_217 * WATT_HOUR).min(moment.import);
        format!("1.8.{tariff}*{month:02}({})", kilowatt_hours(energy))
    });
    table(moment).into_iter().chain(past).take(lines).collect()
}

fn kilowatt_hours(energy: CentiwattSeconds) -> String {
    let watt_hours = energy / WATT_HOUR;
    format!("{:06}.{:03}*kWh", watt_hours / 1000, watt_hours % 1000)
}

fn kilowatts(watts: i64) -> String {
    let sign = if watts < 0 { "-" } else { "" };
    format!("{sign}{:02}.{:03}*kW", watts.abs() / 1000, watts.abs() % 1000)
}

#[cfg(test)]
mod tests {
    use simulator::Household;

    use super::*;

    #[test]
    fn the_table_and_a_long_one() {
        let moment = Moment {
            phases: [-45_890, 1564, -7],
            decivolts: [2324, 2317, 2309],
            import: 2_714_128 * WATT_HOUR + 108_667,
            export: 1_206 * WATT_HOUR,
            ..Household::new(0).advance()
        };
        let short = [
            "F.F(00000000)",
            "C.1.0(00000042)",
            "0.0.0(00000042)",
            "1.8.0(002714.128*kWh)",
            "2.8.0(000001.206*kWh)",
            "16.7.0(-00.443*kW)",
            "32.7.0(232.4*V)",
            "52.7.0(231.7*V)",
            "72.7.0(230.9*V)",
        ];
        assert_eq!(table(&moment), short);
        let long = long_table(&moment, 500);
        assert_eq!((long.len(), &long[..9]), (500, &short.map(String::from)[..]));
        assert_eq!(long[9], "1.8.0*01(002710.911*kWh)");
        assert_eq!(long[9 + MONTHS], "1.8.1*01(002710.911*kWh)");
    }
}

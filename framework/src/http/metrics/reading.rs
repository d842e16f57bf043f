//! Metric families of readings.

use super::exposition::{Exposition, Family, families};
use crate::{Decimal, Direction, Kind, Meaning, Phase, Quantity, Reading, Scaled, Value};

families! {
    ENERGY: counter "meter_energy_joules_total" "Energy counted by the meter.";
    NET_ENERGY: gauge "meter_net_energy_joules" "Energy imported minus energy exported; it may fall.";
    REACTIVE_ENERGY: counter "meter_reactive_energy_var_seconds_total" "Reactive energy counted by the meter.";
    APPARENT_ENERGY: counter "meter_apparent_energy_volt_ampere_seconds_total" "Apparent energy counted by the meter.";
    VOLUME: counter "meter_volume_cubic_meters_total" "Gas, water or heating water counted by the meter.";
    POWER: gauge "meter_power_watts" "Power; negative is export.";
    REACTIVE_POWER: gauge "meter_reactive_power_vars" "Reactive power.";
    APPARENT_POWER: gauge "meter_apparent_power_volt_amperes" "Apparent power.";
    VOLTAGE: gauge "meter_voltage_volts" "Voltage.";
    CURRENT: gauge "meter_current_amperes" "Current.";
    FREQUENCY: gauge "meter_frequency_hertz" "Frequency of the grid.";
    TEMPERATURE: gauge "meter_temperature_celsius" "Temperature.";
    POWER_FACTOR: gauge "meter_power_factor_ratio" "Power factor.";
    OTHER: gauge "meter_reading" "Any other number, in the unit of the device.";
}

/// Longest name or unit of a meter, in bytes; a reading with a longer one is omitted.
const LONGEST: usize = 128;

/// Adds a reading, if it is a number.
pub(super) fn add(out: &mut Exposition, meter: &str, reading: &Reading) {
    let Value::Number(number) = reading.value else { return };
    let unit = reading.unit.as_deref().unwrap_or_default();
    if reading.name.len() > LONGEST || unit.len() > LONGEST {
        return;
    }
    let labels = [("meter", meter), ("reading", &*reading.name)];
    let meaning = reading.meaning();
    let Some((family, value)) = metric(number, &meaning) else {
        return out.add(&OTHER, &[&labels[..], &[("unit", unit)]].concat(), Scaled::from(number));
    };
    let Some(obis) = reading.obis else { return out.add(family, &labels, value) };
    let tariff = meaning.tariff.map(|tariff| tariff.to_string()).unwrap_or_default();
    let code = obis.reduced().to_string();
    let of_register = [
        ("obis", &*code),
        ("phase", meaning.phase.map_or("", Phase::as_str)),
        ("direction", meaning.direction.map_or("", Direction::as_str)),
        ("tariff", &*tariff),
    ];
    out.add(family, &[&labels[..], &of_register].concat(), value);
}

/// Returns the metric of a number, and the value in the metric's unit. `None` where it belongs to no metric of its own.
///
/// Numbers of one metric may be added up, so a number that is not live is not among them.
fn metric(number: Decimal, meaning: &Meaning) -> Option<(&'static Family, Scaled)> {
    let family = match (meaning.quantity, meaning.kind) {
        _ if !meaning.live => return None,
        (Quantity::Energy, Kind::Counter) => &ENERGY,
        (Quantity::Energy, Kind::Net) => &NET_ENERGY,
        (Quantity::ReactiveEnergy, Kind::Counter) => &REACTIVE_ENERGY,
        (Quantity::ApparentEnergy, Kind::Counter) => &APPARENT_ENERGY,
        (Quantity::Volume, Kind::Counter) => &VOLUME,
        (Quantity::Power, Kind::Gauge) => &POWER,
        (Quantity::ReactivePower, Kind::Gauge) => &REACTIVE_POWER,
        (Quantity::ApparentPower, Kind::Gauge) => &APPARENT_POWER,
        (Quantity::Voltage, Kind::Gauge) => &VOLTAGE,
        (Quantity::Current, Kind::Gauge) => &CURRENT,
        (Quantity::Frequency, Kind::Gauge) => &FREQUENCY,
        (Quantity::Temperature, Kind::Gauge) => &TEMPERATURE,
        (Quantity::PowerFactor, Kind::Gauge) => return Some((&POWER_FACTOR, Scaled::from(number))),
        _ => return None,
    };
    // The OBIS code tells the quantity also where there is no unit, but not the scale.
    Some((family, meaning.unit?.factor().apply(number)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Obis;

    /// Returns the line of a reading.
    fn line(code: &str, number: &str, unit: &str) -> String {
        let mut reading = Reading::number("R", Decimal::parse(number.as_bytes()).unwrap());
        reading.obis = Obis::parse(code.as_bytes());
        reading.unit = (!unit.is_empty()).then(|| unit.into());
        assert_eq!(reading.obis.is_none(), code.is_empty());
        let mut out = Exposition::default();
        add(&mut out, "m", &reading);
        let text = String::from_utf8(out.text()).unwrap();
        text.lines()
            .last()
            .unwrap_or_default()
            .replace("meter=\"m\",reading=\"R\",", "")
            .replace("meter=\"m\",reading=\"R\"", "")
    }

    /// Code, number and unit of a register, and its sample.
    #[rustfmt::skip]
    const METRICS: &[(&str, &str, &str, &str)] = &[
        ("1-0:1.8.0*255", "2714.12830185", "kWh", r#"meter_energy_joules_total{obis="1.8.0",direction="import"} 9770861886.66"#),
        ("2.8.0", "7", "Wh", r#"meter_energy_joules_total{obis="2.8.0",direction="export"} 25200"#),
        ("1-0:1.8.2*255", "0.5", "MWh", r#"meter_energy_joules_total{obis="1.8.2",direction="import",tariff="2"} 1800000000"#),
        ("1-0:1.8.255*255", "1", "kWh", r#"meter_energy_joules_total{obis="1.8.255",direction="import"} 3600000"#),
        ("1-0:21.8.0*255", "1", "kWh", r#"meter_energy_joules_total{obis="21.8.0",phase="L1",direction="import"} 3600000"#),
        ("15.8.0", "1", "kWh", r#"meter_energy_joules_total{obis="15.8.0",direction="absolute"} 3600000"#),
        ("16.8.0", "-1.5", "kWh", r#"meter_net_energy_joules{obis="16.8.0",direction="net"} -5400000"#),
        ("3.8.0", "1", "kvarh", r#"meter_reactive_energy_var_seconds_total{obis="3.8.0",direction="import"} 3600000"#),
        ("10.8.0", "1", "VAh", r#"meter_apparent_energy_volt_ampere_seconds_total{obis="10.8.0",direction="export"} 3600"#),
        ("", "13756.57", "kWh", "meter_energy_joules_total{} 49523652000"),
        ("6.8", "27.5", "MWh", r#"meter_energy_joules_total{obis="6.8"} 99000000000"#),
        ("6.8", "27.5", "GJ", r#"meter_energy_joules_total{obis="6.8"} 27500000000"#),
        ("6.26", "3.5", "m3", r#"meter_volume_cubic_meters_total{obis="6.26"} 3.5"#),
        ("0-1:24.2.1*255", "1234.567", "m3", r#"meter_volume_cubic_meters_total{obis="24.2.1"} 1234.567"#),
        ("8-0:1.0.0*255", "12345", "l", r#"meter_volume_cubic_meters_total{obis="1.0.0"} 12.345"#),
        ("16.7.0", "-318.40", "W", r#"meter_power_watts{obis="16.7.0",direction="net"} -318.4"#),
        ("1-0:41.7.0*255", "1.5", "kW", r#"meter_power_watts{obis="41.7.0",phase="L2",direction="import"} 1500"#),
        ("1-0:76.7.0*255", "5", "W", r#"meter_power_watts{obis="76.7.0",phase="L3",direction="net"} 5"#),
        ("4.7.0", "5", "var", r#"meter_reactive_power_vars{obis="4.7.0",direction="export"} 5"#),
        ("9.7.0", "5", "kVA", r#"meter_apparent_power_volt_amperes{obis="9.7.0",direction="import"} 5000"#),
        ("1-0:32.7.0*255", "230.1", "V", r#"meter_voltage_volts{obis="32.7.0",phase="L1"} 230.1"#),
        ("71.7.0", "1500", "mA", r#"meter_current_amperes{obis="71.7.0",phase="L3"} 1.5"#),
        ("91.7.0", "0.1", "A", r#"meter_current_amperes{obis="91.7.0",phase="N"} 0.1"#),
        ("14.7.0", "49.98", "Hz", r#"meter_frequency_hertz{obis="14.7.0"} 49.98"#),
        ("33.7.0", "0.98", "", r#"meter_power_factor_ratio{obis="33.7.0",phase="L1"} 0.98"#),
        ("1-0:96.9.0*255", "31", "°C", r#"meter_temperature_celsius{obis="96.9.0"} 31"#),
        ("", "48.5", "°C", "meter_temperature_celsius{} 48.5"),
        ("1.8.1", "1", "KWh", r#"meter_energy_joules_total{obis="1.8.1",direction="import",tariff="1"} 3600000"#),
        ("3.8.0", "1", "kVArh", r#"meter_reactive_energy_var_seconds_total{obis="3.8.0",direction="import"} 3600000"#),
        ("1.7.0", "0.3", "KW", r#"meter_power_watts{obis="1.7.0",direction="import"} 300"#),
        ("36.8.0", "-1.5", "kWh", r#"meter_net_energy_joules{obis="36.8.0",phase="L1",direction="net"} -5400000"#),
        ("1-0:1.8.0*255", "7", "J", r#"meter_energy_joules_total{obis="1.8.0",direction="import"} 7"#),
        ("", "2.5", "m^3", "meter_volume_cubic_meters_total{} 2.5"),
    ];

    #[test]
    fn a_state_of_a_switch_is_1_or_0() {
        let mut out = Exposition::default();
        add(&mut out, "m", &Reading::flag("pump", true));
        let text = String::from_utf8(out.text()).unwrap();
        assert!(text.contains(r#"meter_reading{meter="m",reading="pump"} 1"#), "{text}");
    }

    #[test]
    fn each_register_has_its_metric() {
        for (code, number, unit, expected) in METRICS {
            assert_eq!(line(code, number, unit), *expected);
        }
    }

    #[test]
    fn numbers_that_must_not_be_added_up_are_any_other_number() {
        for (code, number, unit) in [
            ("1.8.0*01", "4000", "kWh"),       // of last month
            ("1-0:1.9.0*255", "4", "kWh"),     // of this one
            ("1-0:1.6.0*255", "3.5", "kW"),    // the highest
            ("1-0:1.4.0*255", "1.5", "kW"),    // the average
            ("0-0:17.0.0*255", "999.9", "kW"), // the limit
            ("1-0:31.4.0*255", "25", "A"),
            ("6.8*01", "20", "MWh"),
            ("1-0:81.7.1*255", "120", "°"),
            ("", "13", ""),
            ("13.6.0", "1", ""),
            ("13.7.0*01", "0.9", ""),
            ("", "3", "bananas"),
            ("1.8.0", "3", "bananas"),
            ("1.8.0", "3", ""),
        ] {
            let unit_label = if unit.is_empty() { String::new() } else { format!("unit=\"{unit}\"") };
            assert_eq!(line(code, number, unit), format!("meter_reading{{{unit_label}}} {number}"), "{code}");
        }
    }

    #[test]
    fn a_name_or_unit_that_is_too_long_is_omitted() {
        assert_eq!(line("", "1", &"x".repeat(129)), "");
        assert_eq!(
            line("", "1", &"x".repeat(128)),
            format!("meter_reading{{unit=\"{}\"}} 1", "x".repeat(128))
        );
    }
}

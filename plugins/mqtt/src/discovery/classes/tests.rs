use framework::{Decimal, Obis, Reading};

use super::*;

/// Returns a reading as sent by a meter. An empty unit or code means none.
fn reading(name: &str, code: &str, unit: &str) -> Reading {
    let mut reading = Reading::number(name, Decimal::from(1));
    reading.obis = Obis::parse(code.as_bytes());
    reading.unit = (!unit.is_empty()).then(|| unit.into());
    reading
}

/// Shows a class as `device_class state_class unit`, with `-` for none, and `!` if it is diagnostic.
fn shown(reading: &Reading) -> String {
    let Class { device, state, unit, diagnostic, .. } = class(reading);
    let or = |part: Option<&str>| part.unwrap_or("-").to_owned();
    let mark = if diagnostic { " !" } else { "" };
    format!("{} {} {}{mark}", or(device), or(state), or(unit.as_deref()))
}

const ENERGY: &str = "energy total_increasing kWh";
const POWER: &str = "power measurement W";
const FACTOR: &str = "power_factor measurement -";
const ANGLE: &str = "- measurement ° !";
const NOTHING: &str = "- - - !";

/// Every name of a register, with its code, the unit that meters send, its class, and the name of its entity.
#[rustfmt::skip]
const NAMES: &[(&str, &str, &str, &str, &str)] = &[
    ("POWER_IMPORT", "1.8.0", "kWh", ENERGY, "Energy import"),
    ("POWER_IMPORT_T1", "1.8.1", "kWh", ENERGY, "Energy import T1"),
    ("POWER_EXPORT", "2.8.0", "Wh", "energy total_increasing Wh", "Energy export"),
    ("POWER_EXPORT_T63", "2.8.63", "kWh", ENERGY, "Energy export T63"),
    ("REACTIVE_IMPORT", "3.8.0", "kvarh", "reactive_energy total_increasing kvarh", "Reactive energy import"),
    ("REACTIVE_EXPORT", "4.8.0", "varh", "reactive_energy total_increasing varh", "Reactive energy export"),
    ("POWER_ABSOLUTE", "15.8.0", "kWh", ENERGY, "Energy absolute"),
    ("POWER_SUM", "16.8.0", "kWh", "energy total kWh", "Energy net"),
    ("POWER_SUM_T2", "16.8.2", "kWh", "energy total kWh", "Energy net T2"),
    ("CURRENT_POWER_SUM", "16.7.0", "W", POWER, "Power"),
    ("CURRENT_POWER_L1", "36.7.0", "W", POWER, "Power L1"),
    ("CURRENT_POWER_L2", "56.7.0", "W", POWER, "Power L2"),
    ("CURRENT_POWER_L3", "76.7.0", "W", POWER, "Power L3"),
    ("CURRENT_POWER_IMPORT", "1.7.0", "kW", "power measurement kW", "Power import"),
    ("CURRENT_POWER_IMPORT_L1", "21.7.0", "W", POWER, "Power import L1"),
    ("CURRENT_POWER_IMPORT_L2", "41.7.0", "W", POWER, "Power import L2"),
    ("CURRENT_POWER_IMPORT_L3", "61.7.0", "W", POWER, "Power import L3"),
    ("CURRENT_POWER_EXPORT", "2.7.0", "W", POWER, "Power export"),
    ("CURRENT_POWER_EXPORT_L1", "22.7.0", "W", POWER, "Power export L1"),
    ("CURRENT_POWER_EXPORT_L2", "42.7.0", "W", POWER, "Power export L2"),
    ("CURRENT_POWER_EXPORT_L3", "62.7.0", "W", POWER, "Power export L3"),
    ("CURRENT_POWER_ABSOLUTE", "15.7.0", "W", POWER, "Power absolute"),
    ("CURRENT_REACTIVE_IMPORT", "3.7.0", "var", "reactive_power measurement var", "Reactive power import"),
    ("CURRENT_REACTIVE_EXPORT", "4.7.0", "kvar", "- measurement kvar", "Reactive power export"),
    ("CURRENT_APPARENT_POWER", "9.7.0", "VA", "apparent_power measurement VA", "Apparent power"),
    ("AVERAGE_POWER_IMPORT", "1.4.0", "kW", "power measurement kW", "Average power import"),
    ("AVERAGE_POWER_EXPORT", "2.4.0", "kW", "power measurement kW", "Average power export"),
    ("MAX_POWER_IMPORT", "1.6.0", "kW", "power measurement kW", "Maximum power import"),
    ("MAX_POWER_EXPORT", "2.6.0", "kW", "power measurement kW", "Maximum power export"),
    ("VOLTAGE_L1", "32.7.0", "V", "voltage measurement V", "Voltage L1"),
    ("VOLTAGE_L2", "52.7.0", "V", "voltage measurement V", "Voltage L2"),
    ("VOLTAGE_L3", "72.7.0", "V", "voltage measurement V", "Voltage L3"),
    ("CURRENT_L1", "31.7.0", "A", "current measurement A", "Current L1"),
    ("CURRENT_L2", "51.7.0", "A", "current measurement A", "Current L2"),
    ("CURRENT_L3", "71.7.0", "A", "current measurement A", "Current L3"),
    ("CURRENT_N", "91.7.0", "A", "current measurement A", "Current N"),
    ("FREQUENCY", "14.7.0", "Hz", "frequency measurement Hz", "Frequency"),
    ("POWER_FACTOR", "13.7.0", "", FACTOR, "Power factor"),
    ("POWER_FACTOR_L1", "33.7.0", "", FACTOR, "Power factor L1"),
    ("POWER_FACTOR_L2", "53.7.0", "", FACTOR, "Power factor L2"),
    ("POWER_FACTOR_L3", "73.7.0", "", FACTOR, "Power factor L3"),
    ("ANGLE_U2_U1", "81.7.1", "°", ANGLE, "Angle U2 U1"),
    ("ANGLE_U3_U1", "81.7.2", "deg", ANGLE, "Angle U3 U1"),
    ("ANGLE_I1_U1", "81.7.4", "deg", ANGLE, "Angle I1 U1"),
    ("ANGLE_I2_U2", "81.7.15", "deg", ANGLE, "Angle I2 U2"),
    ("ANGLE_I3_U3", "81.7.26", "deg", ANGLE, "Angle I3 U3"),
    ("METER_NUMBER", "0.0.0", "", NOTHING, "Meter number"),
    ("METER_ID", "96.1.0", "", NOTHING, "Meter ID"),
    ("EQUIPMENT_ID", "96.1.1", "", NOTHING, "Equipment ID"),
    ("FIRMWARE", "0.2.0", "", NOTHING, "Firmware"),
    ("METER_CLOCK", "1.0.0", "", NOTHING, "Meter clock"),
    ("METER_TIME", "0.9.1", "", NOTHING, "Meter time"),
    ("METER_DATE", "0.9.2", "", NOTHING, "Meter date"),
    ("STATUS", "96.5.0", "", NOTHING, "Status"),
    ("OPERATING_TIME", "96.8.0", "s", "duration - s !", "Operating time"),
    ("TARIFF", "96.14.0", "", NOTHING, "Tariff"),
    ("ERROR", "97.97.0", "", NOTHING, "Error"),
    // Registers of other meters.
    ("ELECTRICITY", "0-1:24.2.1", "kWh", ENERGY, "Electricity"),
    ("GAS", "0-1:24.2.1", "m3", "gas total_increasing m³", "Gas"),
    ("HEAT", "0-2:24.2.1", "GJ", "energy total_increasing GJ", "Heat"),
    ("WARM_WATER", "0-3:24.2.1", "m3", "water total_increasing m³", "Warm water"),
    ("WATER", "0-4:24.2.1", "m3", "water total_increasing m³", "Water"),
    ("COLD", "0-4:24.2.1", "MJ", "energy total_increasing MJ", "Cold"),
    ("GAS_METER_ID", "0-1:96.1.0", "", NOTHING, "Gas meter ID"),
    // Readings without a code.
    ("count", "", "kWh", ENERGY, "Count"),
    ("power", "", "W", POWER, "Power"),
    ("zone0_cpu_thermal", "", "°C", "temperature measurement °C", "Zone0 cpu thermal"),
    // Registers without a name.
    ("6.8", "6.8", "MWh", "energy total_increasing MWh", "6.8"),
    ("6.26", "6.26", "m3", "volume total_increasing m³", "6.26"),
    ("3.0.0", "7-0:3.0.0", "m3", "gas total_increasing m³", "3.0.0"),
    ("1.0.0", "8-0:1.0.0", "m3", "water total_increasing m³", "1.0.0"),
    ("6.27", "6.27", "m3ph", "volume_flow_rate measurement m³/h", "6.27"),
    ("1.8.0*01", "1.8.0*01", "kWh", "energy - kWh !", "1.8.0*01"),
    ("36.8.0", "36.8.0", "kWh", "energy total kWh", "36.8.0"),
    ("1.29.0", "1.29.0", "kWh", "energy - kWh !", "1.29.0"),
    ("9.8.0", "9.8.0", "kVAh", "- total_increasing kVAh", "9.8.0"),
    ("1.5.0", "1.5.0", "kWh", "energy_storage measurement kWh", "1.5.0"),
    ("17.0.0", "0-0:17.0.0", "kW", "power - kW !", "17.0.0"),
    ("1.8.0*00", "1.8.0*00", "KWh", ENERGY, "1.8.0*00"),
];

#[test]
fn every_register_has_its_class_and_name() {
    for (name, code, unit, expected, called) in NAMES {
        assert_eq!(shown(&reading(name, code, unit)), *expected, "{name}");
        assert_eq!(entity_name(name), *called, "{name}");
    }
}

#[test]
fn units_are_spelled_as_home_assistant_does() {
    for (sent, expected) in [
        ("KWH", Some("kWh")),
        ("kVArh", Some("kvarh")),
        ("VAR", Some("var")),
        (" m3 ", Some("m³")),
        ("MW", Some("MW")),
        // A milliwatt is not a megawatt.
        ("mW", Some("mW")),
        ("mwh", None),
        ("a", None),
        ("", None),
    ] {
        assert_eq!(unit(sent), expected, "{sent}");
    }
}

#[test]
fn money_is_monetary_in_the_code_of_its_currency() {
    for currency in ["EUR", "CHF", "CZK", "DKK", "GBP", "HUF", "NOK", "PLN", "SEK"] {
        let cost = reading("cost_today", "", currency);
        assert_eq!(shown(&cost), format!("monetary total {currency}"));
        assert_eq!(class(&cost).precision, Some(2), "{currency}");
        let price = class(&reading("price", "", &format!("{currency}/kWh")));
        assert_eq!((price.unit, price.precision), (Some(format!("{currency}/kWh")), Some(4)));
    }
    // Home Assistant knows no signs.
    assert_eq!(shown(&reading("cost_today", "", "£")), "monetary total GBP");
}

#[test]
fn an_unknown_unit_is_kept() {
    assert_eq!(shown(&reading("x", "", "furlong")), "- measurement furlong !");
}

#[test]
fn a_text_is_diagnostic() {
    let text = Reading::text("POWER_IMPORT", "-.--").unit("kWh");
    assert_eq!(class(&text), Class { diagnostic: true, ..Class::default() });
}

#[test]
fn a_stated_kind_decides() {
    let shown = |reading: Reading| shown(&reading);
    assert_eq!(shown(Reading::counter("pulses", 7)), "- total_increasing - !");
    assert_eq!(shown(Reading::counter("rain", 7).unit("mm")), "- total_increasing mm !");
    assert_eq!(shown(Reading::gauge("stored", 7).unit("kWh")), "energy_storage measurement kWh");
    assert_eq!(shown(Reading::net("balance", 7).unit("kWh")), "energy total kWh");
    assert_eq!(quantity_name(&Reading::counter("total", 7).unit("kWh")), "Energy");
}

/// Readings of meters on M-Bus: their names say the quantity, and the source the medium.
#[test]
fn a_stated_medium_decides() {
    use Medium::{Cooling, Gas, Heat, Water};
    for (name, unit, medium, expected) in [
        ("energy", "kWh", Heat, "energy total_increasing kWh"),
        ("energy", "GJ", Heat, "energy total_increasing GJ"),
        ("energy", "MWh", Cooling, "energy total_increasing MWh"),
        // What runs through a heat meter is neither gas nor drinking water.
        ("volume", "m3", Heat, "volume total_increasing m³"),
        ("volume", "m3", Cooling, "volume total_increasing m³"),
        ("volume", "m3", Water, "water total_increasing m³"),
        ("volume", "l", Water, "water total_increasing L"),
        ("volume", "m3", Gas, "gas total_increasing m³"),
        ("power", "W", Heat, "power measurement W"),
        ("volume_flow", "m3/h", Heat, "volume_flow_rate measurement m³/h"),
        ("volume_flow", "m3/h", Water, "volume_flow_rate measurement m³/h"),
        ("flow_temperature", "°C", Heat, "temperature measurement °C"),
        ("return_temperature", "°C", Cooling, "temperature measurement °C"),
        // As a temperature it would be converted wrongly.
        ("temperature_difference", "K", Heat, "- measurement K"),
        ("on_time", "h", Heat, "duration - h !"),
    ] {
        let reading = Reading::number(name, Decimal::from(1)).unit(unit).medium(medium);
        assert_eq!(shown(&reading), expected, "{name} {unit} {medium}");
    }
    let last_month =
        Reading { kind: Some(Kind::State), ..Reading::number("energy", 5).unit("kWh").medium(Heat) };
    assert_eq!(shown(&last_month), "energy - kWh !");
}

#[test]
fn a_flag_of_a_fault_is_a_binary_sensor() {
    for (name, device) in [
        ("low_battery", "battery"),
        ("permanent_error", "problem"),
        ("temporary_error", "problem"),
        ("kitchen_low_battery", "battery"),
        ("kitchen_temporary_error", "problem"),
    ] {
        let flag = Reading::flag(name, true);
        let Class { platform, device: shown, state, unit, precision, diagnostic, .. } = class(&flag);
        assert_eq!((platform, shown, diagnostic), ("binary_sensor", Some(device), true), "{name}");
        assert_eq!((state, unit, precision), (None, None, None), "{name}: of a number");
    }
    for other in [
        Reading::flag("open", true),
        Reading::number("status", 4),
        Reading::number("low_battery", 3).unit("V"),
        Reading::text("permanent_error", "E7"),
        Reading::flag("yellow_battery", true),
    ] {
        assert_eq!(class(&other).platform, "sensor", "{}", other.name);
    }
}

#[test]
fn heat_and_cold_are_told_apart() {
    let of = |name: &str, unit: &str, medium| {
        let reading = Reading::number(name, 5).unit(unit).medium(medium);
        (super::name(&reading), quantity_name(&reading), class(&reading).icon)
    };
    let owned = |name: &str, only: &str, icon| (name.to_owned(), only.to_owned(), icon);
    assert_eq!(of("energy", "kWh", Medium::Heat), owned("Heat energy", "Heat energy", Some("mdi:radiator")));
    assert_eq!(
        of("energy", "MJ", Medium::Cooling),
        owned("Cold energy", "Cold energy", Some("mdi:snowflake"))
    );
    assert_eq!(
        of("power_storage1", "W", Medium::Cooling),
        owned("Cold power storage1", "Cold power", Some("mdi:snowflake"))
    );
    assert_eq!(of("cooling_energy", "kWh", Medium::Cooling).0, "Cooling energy");
    assert_eq!(of("kitchen_energy", "kWh", Medium::Heat).0, "Heat kitchen energy");
    assert_eq!(of("volume", "m3", Medium::Heat), owned("Volume", "Volume", None));
    assert_eq!(of("energy", "kWh", Medium::Electricity), owned("Energy", "Energy", None));
    assert_eq!(super::name(&reading("6.8", "6.8", "GJ")), "6.8", "the code says it");
}

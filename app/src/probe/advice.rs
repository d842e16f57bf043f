//! Advice about registers that a meter could send and does not.

use framework::{Decimal, Reading, Unit, Value};

/// Returns what a person can do about registers that are missing.
pub(super) fn of(readings: &[Reading]) -> Option<&'static str> {
    is_reduced(readings)
        .then_some("only the reduced data set: enter the PIN at the meter to see the power too")
}

/// Returns whether there are only whole kilowatt hours and no power, as German meters send until their PIN was entered.
fn is_reduced(readings: &[Reading]) -> bool {
    let code = |reading: &Reading| reading.obis.map(|obis| obis.cde());
    let power = |reading: &&Reading| {
        matches!(code(reading), Some((1..=80, 7, _))) && matches!(reading.value, Value::Number(_))
    };
    let import = readings.iter().find(|reading| matches!(code(reading), Some((1, 8, 0))));
    let whole = import.is_some_and(|import| match (&import.value, import.meaning().unit) {
        (Value::Number(number), Some(Unit::KilowattHour)) => is_multiple(*number, 1),
        (Value::Number(number), Some(Unit::WattHour)) => is_multiple(*number, 1000),
        _ => false,
    });
    whole && readings.iter().find(power).is_none()
}

fn is_multiple(number: Decimal, of: i64) -> bool {
    10i64.checked_pow(number.scale().into()).is_some_and(|one| match one.checked_mul(of) {
        Some(unit) => number.mantissa() % unit == 0,
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use framework::Obis;

    use super::*;

    fn reading(code: &str, value: &str, unit: &str) -> Reading {
        Reading::number(code, Decimal::parse(value.as_bytes()).unwrap())
            .obis(Obis::parse(code.as_bytes()).unwrap())
            .unit(unit)
    }

    #[test]
    fn whole_kilowatt_hours_without_power_are_the_reduced_data_set() {
        let power = reading("1-0:16.7.0*255", "12", "W");
        for (value, unit, reduced) in [
            ("012345", "kWh", true),
            ("12345.0", "kWh", true),
            ("12345.6", "kWh", false),
            ("12345000", "Wh", true),
            ("12345678", "Wh", false),
            ("12345000.5", "Wh", false),
        ] {
            let import = reading("1-0:1.8.0*255", value, unit);
            assert_eq!(of(std::slice::from_ref(&import)).is_some(), reduced, "{value} {unit}");
            assert_eq!(of(&[import, power.clone()]), None);
        }
        assert_eq!(of(&[]), None);
    }
}

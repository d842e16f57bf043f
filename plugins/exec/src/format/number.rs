//! Numbers as programs write them: decimals, also with an exponent.

use framework::{Decimal, Reading};

use super::{bounded, excerpt};

/// Most decimals (digits after the point) that are kept.
const MAX_SCALE: i64 = 18;
/// Most digits that are looked at: more than two numbers of a [`Decimal`] have.
const MAX_DIGITS: usize = 400;

/// Returns the reading of a number; one that is too large for its digits becomes a text.
///
/// # Errors
/// Fails if it is not a number.
pub(super) fn reading(name: &str, text: &str) -> Result<Reading, String> {
    if let Some(number) = decimal(text) {
        return Ok(Reading::number(name, number));
    }
    let is_number = text.parse::<f64>().is_ok()
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number {
        let found = excerpt(text.as_bytes());
        return Err(format!("`{name}` is `{found}`, expected a number, true, false or a text in quotes"));
    }
    bounded(text, name)?;
    Ok(Reading::text(name, text))
}

/// Parses `12.30`, `-5`, `1.5e-3`. Decimals that do not fit are rounded: they come from computed floats.
///
/// Returns `None` for anything that is not a number, and for a number that is too large.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    // The usual case, with every digit.
    if let Some(plain) = Decimal::parse(text.as_bytes()) {
        return Some(plain);
    }
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_number =
        !whole.is_empty() && whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
    if !is_number || whole.len() + decimals.len() > MAX_DIGITS {
        return None;
    }
    let digits = format!("{whole}{decimals}");
    let digits = digits.trim_start_matches('0');
    let scale = decimals.len() as i64 - i64::from(exponent);
    let mut fitting = fit(digits, scale)?;
    if is_negative {
        fitting.0 = -fitting.0;
    }
    Decimal::new(fitting.0, fitting.1)
}

/// Returns the mantissa and the scale of `digits / 10^scale`, with as many decimals as fit.
fn fit(digits: &str, scale: i64) -> Option<(i64, u8)> {
    if digits.is_empty() {
        return Some((0, 0));
    }
    if scale < 0 {
        let zeros = usize::try_from(-scale).ok().filter(|zeros| *zeros < 19)?;
        return Some((format!("{digits}{}", "0".repeat(zeros)).parse().ok()?, 0));
    }
    let mut dropped = (scale - MAX_SCALE).max(0);
    loop {
        let kept = usize::try_from(digits.len() as i64 - dropped).unwrap_or(0);
        let (kept, rest) = digits.split_at(kept);
        let mantissa: Option<i64> = if kept.is_empty() { Some(0) } else { kept.parse().ok() };
        // `rest` may lack leading zeros: it rounds up only if it has as many digits as were dropped.
        let rounds_up =
            rest.len() as i64 == dropped && rest.as_bytes().first().is_some_and(|digit| *digit >= b'5');
        if let Some(mantissa) = mantissa.and_then(|mantissa| mantissa.checked_add(rounds_up.into())) {
            return Some((mantissa, u8::try_from(scale - dropped).ok()?));
        }
        if dropped == scale {
            return None;
        }
        dropped += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_that_fits_is_kept() {
        for (text, expected) in [
            ("12.30", "12.3"),
            ("0", "0"),
            ("-0.05", "-0.05"),
            ("9223372036854775807", "9223372036854775807"),
            ("123456789.123456789", "123456789.123456789"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("-2.50e+1", "-25.0"),
            ("1e-18", "0.000000000000000001"),
            ("0e99", "0"),
            ("0.0e-30", "0"),
            // More than fits.
            ("1e-19", "0.0"),
            ("6e-19", "0.000000000000000001"),
            ("0.30000000000000004441", "0.300000000000000044"),
            ("1234.1234567890123456789", "1234.123456789012346"),
            ("99999999999999999999e-3", "100000000000000000.0"),
        ] {
            assert_eq!(decimal(text).map(|number| number.to_string()).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "-",
            "1e",
            "e5",
            ".5",
            "1.2.3",
            "0x10",
            "NaN",
            "1e19",
            "1e999999999999",
            "92233720368547758070",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
        assert_eq!(reading("n", "92233720368547758070"), Ok(Reading::text("n", "92233720368547758070")));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_not(text in "[-+0-9.eE]{0,60}") {
            let _ = decimal(&text);
        }

        #[test]
        fn a_float_of_python_keeps_its_value(number in -1e15f64..1e15) {
            let text = format!("{number:e}");
            let read = decimal(&text).unwrap().to_string();
            proptest::prop_assert_eq!(read.parse::<f64>().unwrap(), number);
        }
    }
}

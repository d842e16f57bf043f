//! Numbers to compute with, and the one rule of rounding.

use reading::Decimal;
use rust_decimal::RoundingStrategy::MidpointAwayFromZero;

/// Number to compute with: 28 digits.
pub type Number = rust_decimal::Decimal;

/// Returns a number with every digit.
pub fn number(decimal: Decimal) -> Number {
    Number::from_i128_with_scale(decimal.mantissa().into(), decimal.scale().into())
}

/// Returns an amount of money in cents, halves away from zero.
pub fn cents(amount: Number) -> Number {
    let mut cents = amount.round_dp_with_strategy(2, MidpointAwayFromZero);
    cents.rescale(2);
    cents
}

/// Returns a number with at most `decimals` digits after the point, without zeros at the end.
pub fn rounded(number: Number, decimals: u32) -> Number {
    number.round_dp_with_strategy(decimals, MidpointAwayFromZero).normalize()
}

/// Returns a number for readers, with at most `decimals` digits after the point and no zeros at the end; `None` if it has too many before it.
pub fn decimal(number: Number, decimals: u32) -> Option<Decimal> {
    (0..=decimals.min(18)).rev().find_map(|decimals| {
        let rounded = number.round_dp_with_strategy(decimals, MidpointAwayFromZero).normalize();
        Decimal::new(i64::try_from(rounded.mantissa()).ok()?, u8::try_from(rounded.scale()).ok()?)
    })
}

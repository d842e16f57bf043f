//! Exact decimal numbers, as meters send them.

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::Error as _};
use serde_json::value::RawValue;

/// Decimal number with the digits of the wire: `mantissa / 10^scale`.
///
/// Meters send decimal text, users read decimal text; binary floating point in between would add
/// tails such as `13756.570000000247`. Eighteen digits are always exact.
///
/// It is displayed without leading and trailing zeros, but a number that was sent with decimals keeps at least one
/// (`211.00` is `211.0`), so that a consumer that distinguishes integers and floats sees the same type every time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i64,
    scale: u8,
}

/// Most decimals (digits after the point) that are kept.
const MAX_SCALE: u8 = 18;
/// The longest text of a number: a sign, 19 digits and a point, or 18 zeros more than its digits. In bytes.
const LONGEST: usize = 24;
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

impl Decimal {
    /// Returns `mantissa / 10^scale`; `None` for a scale above 18.
    pub const fn new(mantissa: i64, scale: u8) -> Option<Self> {
        if scale <= MAX_SCALE { Some(Self { mantissa, scale }) } else { None }
    }

    /// Parses a plain decimal: an optional sign, digits, and optionally a point with more digits.
    ///
    /// Returns `None` for anything else (`1e9`, `0x10`, `1,5`, `NaN`, `-.--`, blanks) and for a number that cannot be
    /// kept exactly: nothing is ever rounded or saturated.
    #[inline]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if digits.is_empty() || digits.len() > 40 {
            return None;
        }
        let mut mantissa = 0u64;
        let mut point = None;
        for (i, &byte) in digits.iter().enumerate() {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                // 19 digits cannot overflow; more digits take the checked path.
                mantissa = if i < 19 {
                    mantissa * 10 + u64::from(digit)
                } else {
                    mantissa.checked_mul(10)?.checked_add(u64::from(digit))?
                };
            } else if byte == b'.' && point.is_none() && i > 0 {
                point = Some(i);
            } else {
                return None;
            }
        }
        let scale = match point {
            Some(i) if i + 1 == digits.len() => return None,
            Some(i) => digits.len() - i - 1,
            None => 0,
        };
        let mantissa = i64::try_from(mantissa).ok()?;
        Self::new(if negative { -mantissa } else { mantissa }, u8::try_from(scale).ok()?)
    }

    /// Returns the shortest decimal that reads back as `value`: for computed numbers.
    ///
    /// Returns `None` if `value` is not finite or needs more digits than fit.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // Rust's `Display` prints the shortest digits that read back, never an exponent.
        Self::parse(value.to_string().as_bytes())
    }

    /// Returns the shortest decimal that reads back as `value`: 21.3 for the register of a device with 32-bit floats.
    ///
    /// Returns `None` if `value` is not finite or needs more digits than fit.
    pub fn from_f32(value: f32) -> Option<Self> {
        if value.is_finite() { Self::parse(value.to_string().as_bytes()) } else { None }
    }

    /// Returns `value` rounded to `scale` decimals; `None` if it is not finite or too large.
    pub fn rounded(value: f64, scale: u8) -> Option<Self> {
        let scaled = value * *POWERS.get(usize::from(scale))? as f64;
        if !scaled.is_finite() || scaled.abs() >= 9e18 {
            return None;
        }
        Self::new(scaled.round() as i64, scale)
    }

    /// Returns the digits as an integer: the number is `mantissa / 10^scale`.
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// Returns the number of the mantissa's digits after the point.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// Returns the digits as an integer with `scale` of them after the point; `None` if digits do not fit or get lost.
    pub fn mantissa_at(self, scale: u8) -> Option<i64> {
        let more = scale.checked_sub(self.scale)?;
        let factor = i64::try_from(*POWERS.get(usize::from(more))?).ok()?;
        self.mantissa.checked_mul(factor)
    }

    /// Returns the number times `10^power`, as Modbus registers and SML state theirs; `None` if digits do not fit.
    pub fn shifted(self, power: i32) -> Option<Self> {
        let scale = i32::from(self.scale).checked_sub(power)?;
        if let Ok(scale) = u8::try_from(scale) {
            return Self::new(self.mantissa, scale);
        }
        let factor = 10i64.checked_pow(scale.min(0).unsigned_abs()).filter(|_| scale < 0)?;
        Some(self.mantissa.checked_mul(factor)?.into())
    }

    /// Returns the exact sum; `None` if it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let sum = self.mantissa_at(scale)?.checked_add(other.mantissa_at(scale)?)?;
        Self::new(sum, scale)
    }

    /// Returns the exact difference; `None` if it does not fit.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self { mantissa: other.mantissa.checked_neg()?, ..other })
    }

    /// Compares the numbers: unlike for `==`, 1 and 1.0 are equal.
    pub fn compare(self, other: Self) -> Ordering {
        self.finest().cmp(&other.finest())
    }

    /// Returns the number in units of `10^-18`: at most 37 digits.
    fn finest(self) -> i128 {
        i128::from(self.mantissa) * i128::from(POWERS[usize::from(MAX_SCALE - self.scale)])
    }

    /// Returns whether it is a multiple of `step`; nothing is one of 0.
    pub fn is_multiple_of(self, step: Self) -> bool {
        self.finest().checked_rem(step.finest()) == Some(0)
    }

    /// Returns it as an integer; `None` if it is not a whole number.
    pub fn to_integer(self) -> Option<i64> {
        let one = POWERS[usize::from(self.scale)] as i64;
        (self.mantissa % one == 0).then_some(self.mantissa / one)
    }

    /// Returns the nearest binary floating point number.
    pub fn to_f64(self) -> f64 {
        // One correctly rounded division of two exact numbers, for up to 15 digits.
        self.mantissa as f64 / POWERS[usize::from(self.scale)] as f64
    }

    /// Appends the number's text, as [`Display`](fmt::Display) prints it, to `out`.
    pub fn write_to(self, out: &mut Vec<u8>) {
        let mut text = [0; LONGEST];
        let start = self.text(&mut text);
        out.extend_from_slice(&text[start..]);
    }

    /// Writes the number's text to the end of `buffer`, and returns its start there.
    fn text(self, buffer: &mut [u8; LONGEST]) -> usize {
        let (mut digits, mut scale) = (self.mantissa.unsigned_abs(), self.scale);
        while scale > 1 && digits.is_multiple_of(10) {
            digits /= 10;
            scale -= 1;
        }
        // From the last digit to the first; the point follows `scale` digits, with a zero before it.
        let mut at = buffer.len();
        let mut written = 0;
        while digits > 0 || written <= scale {
            if written == scale && scale > 0 {
                at -= 1;
                buffer[at] = b'.';
            }
            at -= 1;
            buffer[at] = b'0' + (digits % 10) as u8;
            digits /= 10;
            written += 1;
        }
        if self.mantissa < 0 {
            at -= 1;
            buffer[at] = b'-';
        }
        at
    }

    /// Appends the number as text, without the detour of a formatter.
    pub fn write(self, out: &mut Vec<u8>) {
        let mut text = [0; LONGEST];
        let start = self.text(&mut text);
        out.extend_from_slice(&text[start..]);
    }
}

impl From<i64> for Decimal {
    fn from(integer: i64) -> Self {
        Self { mantissa: integer, scale: 0 }
    }
}

impl From<i32> for Decimal {
    fn from(integer: i32) -> Self {
        i64::from(integer).into()
    }
}

impl From<u32> for Decimal {
    fn from(integer: u32) -> Self {
        i64::from(integer).into()
    }
}

/// A number above `i64::MAX`, which no counter of pulses or bytes reaches, becomes that.
impl From<u64> for Decimal {
    fn from(integer: u64) -> Self {
        i64::try_from(integer).unwrap_or(i64::MAX).into()
    }
}

/// A JSON number with every digit: as raw JSON, because a float would lose some. For `serde_json` only.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.scale == 0 {
            return serializer.serialize_i64(self.mantissa);
        }
        let mut text = [0; LONGEST];
        let start = self.text(&mut text);
        serde_json::from_slice::<&RawValue>(&text[start..]).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// Name by which a deserializer that has the text of a number knows a [`Decimal`], to pass the text.
#[doc(hidden)]
pub const DECIMAL: &str = "$reading::Decimal";

/// A number, or its text. Of a number in JSON only the text is sure to have every digit; the configuration has all.
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number such as `0.25`")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Decimal, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
                Ok(number.into())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
                i64::try_from(number).map(Decimal::from).map_err(|_| invalid(&number))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
                Decimal::from_f64(number).ok_or_else(|| invalid(&number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                Decimal::parse(text.as_bytes()).ok_or_else(|| invalid(&text))
            }
        }

        fn invalid<E: de::Error>(found: &dyn fmt::Display) -> E {
            E::custom(format!("`{found}` is not a valid number: expected at most 18 digits, such as `0.25`"))
        }
        deserializer.deserialize_newtype_struct(DECIMAL, Visitor)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LONGEST];
        let start = self.text(&mut text);
        f.pad(std::str::from_utf8(&text[start..]).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Option<String> {
        Decimal::parse(text.as_bytes()).map(|d| d.to_string())
    }

    #[test]
    fn wire_text_keeps_every_digit() {
        for (wire, expected) in [
            ("002714.12830185", "2714.12830185"),
            ("000125.25688570", "125.2568857"),
            ("-000458.90", "-458.9"),
            ("+00115", "115"),
            ("000211.00", "211.0"),
            ("000000.000", "0.0"),
            ("0", "0"),
            ("-0.05", "-0.05"),
            ("9223372036854775807", "9223372036854775807"),
            ("0.000000000000000001", "0.000000000000000001"),
        ] {
            assert_eq!(shown(wire).as_deref(), Some(expected), "{wire}");
        }
    }

    #[test]
    fn anything_but_a_plain_decimal_is_refused() {
        for text in [
            "",
            "-",
            "+",
            ".",
            ".5",
            "5.",
            "1e9",
            "NaN",
            "inf",
            "0x10",
            "+-5",
            "1,5",
            "-.--",
            " 1",
            "1 ",
            "1.2.3",
            "9223372036854775808",
            "0.0000000000000000001",
            &"1".repeat(70),
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn computed_numbers_have_no_tail() {
        assert_eq!(Decimal::from_f64(13_756_570.0 / 1000.0).unwrap().to_string(), "13756.57");
        assert_eq!(Decimal::rounded(1234.56, 1).unwrap().to_string(), "1234.6");
        assert_eq!(Decimal::rounded(f64::NAN, 1), None);
        assert_eq!(Decimal::from_f64(1e30), None);
    }

    #[test]
    fn a_float_of_32_bits_has_its_shortest_digits() {
        for (value, expected) in [
            (21.3, Some("21.3")),
            (0.1, Some("0.1")),
            (-1.5e-7, Some("-0.00000015")),
            (16_777_216.0, Some("16777216")),
        ] {
            assert_eq!(Decimal::from_f32(value).map(|number| number.to_string()).as_deref(), expected);
        }
        for value in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
            assert_eq!(Decimal::from_f32(value), None, "{value}");
        }
    }

    #[test]
    fn a_shift_by_powers_of_ten_is_exact_or_refused() {
        let shifted = |text: &str, power| {
            let number = Decimal::parse(text.as_bytes()).unwrap().shifted(power);
            number.map(|number| number.to_string())
        };
        for (text, power, expected) in [
            ("2304", -1, Some("230.4")),
            ("-5", -3, Some("-0.005")),
            ("1.25", 1, Some("12.5")),
            ("1.25", 2, Some("125")),
            ("1.25", 4, Some("12500")),
            ("0", 300, None),
            ("9", 18, Some("9000000000000000000")),
            ("9", 19, None),
            ("1", -18, Some("0.000000000000000001")),
            ("1", -19, None),
            ("1", i32::MIN, None),
            ("1", i32::MAX, None),
        ] {
            assert_eq!(shifted(text, power).as_deref(), expected, "{text} by {power}");
        }
    }

    #[test]
    fn sums_and_comparisons_are_exact_or_refused() {
        let number = |text: &str| Decimal::parse(text.as_bytes()).unwrap();
        assert_eq!(number("0.1").checked_add(number("0.2")), Some(number("0.3")));
        assert_eq!(number("13756.57").checked_sub(number("13756")), Some(number("0.57")));
        assert_eq!(number("9223372036854775807").checked_add(number("1")), None);
        assert_eq!(number("9223372036854775807").checked_add(number("0.1")), None);
        assert_eq!(number("1").checked_sub(Decimal::from(i64::MIN)), None);
        assert_eq!(number("1.0").compare(number("1")), Ordering::Equal);
        assert_eq!(number("-5").compare(number("-4.999999999999999999")), Ordering::Less);
        assert_eq!(Decimal::from(i64::MAX).compare(Decimal::new(i64::MIN, 18).unwrap()), Ordering::Greater);
        assert!(
            number("20.5").is_multiple_of(number("0.5")) && !number("20.3").is_multiple_of(number("0.5"))
        );
        assert!(!number("1").is_multiple_of(number("0")));
        assert_eq!((number("3.00").to_integer(), number("3.01").to_integer()), (Some(3), None));
        assert_eq!(
            (Decimal::new(i64::MIN, 18).unwrap().to_integer(), number("-0.0").to_integer()),
            (None, Some(0))
        );
    }

    #[test]
    fn a_number_or_its_text_is_read_with_every_digit() {
        let read = |json: &str| serde_json::from_str::<Decimal>(json).map_err(|error| error.to_string());
        for (json, expected) in [
            ("3", "3"),
            ("-0.25", "-0.25"),
            ("\"002714.12830185\"", "2714.12830185"),
            ("\"0.123456789012345678\"", "0.123456789012345678"),
        ] {
            assert_eq!(read(json).unwrap().to_string(), expected, "{json}");
        }
        for json in ["\"1,5\"", "\"\"", "1e300", "18446744073709551615"] {
            let error = read(json).unwrap_err();
            assert!(
                error.contains("is not a valid number: expected at most 18 digits, such as `0.25`"),
                "{error}"
            );
        }
        assert!(read("true").unwrap_err().contains("expected a number such as `0.25`"));
    }

    #[test]
    fn json_has_every_digit() {
        let json = |number: Decimal| serde_json::to_string(&[number]).unwrap();
        assert_eq!(json(Decimal::parse(b"002714.12830185").unwrap()), "[2714.12830185]");
        assert_eq!(json(Decimal::new(i64::MIN, 18).unwrap()), "[-9.223372036854775808]");
        assert_eq!(json(Decimal::new(-1, 18).unwrap()), "[-0.000000000000000001]");
        assert_eq!(json(Decimal::from(u64::MAX)), "[9223372036854775807]");
        assert_eq!(json(Decimal::from(-7)), "[-7]");
    }

    proptest! {
        #[test]
        fn text_round_trips(mantissa: i64, scale in 0u8..=18) {
            let decimal = Decimal::new(mantissa, scale).unwrap();
            let text = decimal.to_string();
            let again = Decimal::parse(text.as_bytes());
            // Trailing zeros are dropped; the magnitude of i64::MIN does not fit.
            if mantissa != i64::MIN {
                let again = again.unwrap();
                let shift = 10i128.pow(u32::from(scale - again.scale()));
                prop_assert_eq!(i128::from(again.mantissa()) * shift, i128::from(mantissa));
            }
        }

        #[test]
        fn fifteen_digits_survive_a_float(mantissa in -999_999_999_999_999i64..=999_999_999_999_999, scale in 0u8..=9) {
            let decimal = Decimal::new(mantissa, scale).unwrap();
            prop_assert_eq!(decimal.to_string().parse::<f64>().unwrap(), decimal.to_f64());
        }
    }
}

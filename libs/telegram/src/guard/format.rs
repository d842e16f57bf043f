//! Form in which a register writes its values.

use framework::Decimal;

use crate::Register;

/// Form of a register's values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    Text,
    /// Nothing but `-.--` so far: a power factor without a current.
    Undefined,
    Number(Format),
}

/// Form of a register's numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Format {
    decimals: u8,
    /// Digits before the point, where a leading zero showed that their number is fixed.
    digits: Option<usize>,
    /// The same for negative numbers: the sign stands before the zeros or instead of one.
    negative_digits: Option<usize>,
}

/// Digits are learned with time, so they make no difference.
impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.decimals == other.decimals
    }
}

impl Shape {
    pub(super) fn of(sent: &Register<'_>) -> Self {
        match sent.number {
            Some(number) => Self::Number(Format { decimals: number.scale(), ..Format::default() }),
            None if is_undefined(sent.value) => Self::Undefined,
            None => Self::Text,
        }
    }
}

/// Returns whether the meter has no value at the moment.
pub(super) fn is_undefined(value: &str) -> bool {
    value.contains('-') && value.bytes().all(|byte| matches!(byte, b'-' | b'.' | b' '))
}

impl Format {
    pub(super) fn fits(&self, value: &str, number: Decimal) -> bool {
        let (negative, digits) = digits(value, number);
        let padded = if negative { self.negative_digits } else { self.digits };
        let sign_instead_of_zero =
            negative && self.digits.is_some_and(|all| digits != all && digits + 1 != all);
        number.scale() == self.decimals
            && padded.is_none_or(|padded| padded == digits)
            && !sign_instead_of_zero
    }

    pub(super) fn learn(&mut self, value: &str, number: Decimal) {
        let (negative, digits) = digits(value, number);
        let padded = digits > 1 && value.trim_ascii().trim_start_matches(['+', '-']).starts_with('0');
        if padded {
            *(if negative { &mut self.negative_digits } else { &mut self.digits }) = Some(digits);
        }
    }
}

/// Returns whether the number is written with a minus, and the number of digits before its point.
fn digits(value: &str, number: Decimal) -> (bool, usize) {
    let value = value.trim_ascii();
    let signed = value.starts_with(['+', '-']);
    let decimals = if number.scale() > 0 { usize::from(number.scale()) + 1 } else { 0 };
    (value.starts_with('-'), value.len().saturating_sub(usize::from(signed) + decimals))
}

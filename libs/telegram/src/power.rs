//! `max_power = "…"` in the configuration.

/// `43kW` or `11000W` in watts.
pub(crate) fn watts(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, factor) = match text.strip_suffix("kW") {
        Some(number) => (number, 1000.0),
        None => (text.strip_suffix('W')?, 1.0),
    };
    let watts = number.trim().parse::<f64>().ok()? * factor;
    (watts.is_finite() && watts > 0.0).then_some(watts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_read() {
        assert_eq!(watts("43kW"), Some(43_000.0));
        assert_eq!(watts("11000 W"), Some(11_000.0));
        for text in ["", "W", "43", "-1kW", "0W", "NaNkW", "infW", "43 kVA"] {
            assert_eq!(watts(text), None, "{text}");
        }
    }
}

//! What the unit codes mean (IEC 62056-6-2, enumeration of physical units).

/// The unit with this code; `None` for a bare number (255) and for codes that meters do not use.
pub(crate) fn unit(code: u64) -> Option<&'static str> {
    Some(match code {
        1 => "a",
        2 => "mo",
        3 => "wk",
        4 => "d",
        5 => "h",
        6 => "min",
        7 => "s",
        8 => "°",
        9 => "°C",
        13 | 14 => "m³",
        15 | 16 => "m³/h",
        17 | 18 => "m³/d",
        19 => "l",
        20 => "kg",
        23 => "Pa",
        24 => "bar",
        25 => "J",
        26 => "J/h",
        27 => "W",
        28 => "VA",
        29 => "var",
        30 => "Wh",
        31 => "VAh",
        32 => "varh",
        33 => "A",
        34 => "C",
        35 => "V",
        38 => "Ω",
        44 => "Hz",
        45 => "1/Wh",
        46 => "1/varh",
        47 => "1/VAh",
        48 => "V²h",
        49 => "A²h",
        52 => "K",
        56 => "%",
        57 => "Ah",
        _ => return None,
    })
}

/// Is it one that energy is counted in?
pub(crate) fn is_energy(unit: Option<&str>) -> bool {
    matches!(unit, Some("Wh" | "varh" | "VAh" | "J"))
}

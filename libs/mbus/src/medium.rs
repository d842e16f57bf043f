//! Device types of EN 13757-7, 7.5.4: what a meter counts.

/// Returns the name of a device type: `heat`, `water`; `None` for a reserved one.
pub const fn name(device_type: u8) -> Option<&'static str> {
    Some(match device_type {
        0x00 => "other",
        0x01 => "oil",
        0x02 => "electricity",
        0x03 => "gas",
        0x04 => "heat (outlet)",
        0x05 => "steam",
        0x06 => "warm water",
        0x07 => "water",
        0x08 => "heat cost allocator",
        0x09 => "compressed air",
        0x0a => "cooling (outlet)",
        0x0b => "cooling (inlet)",
        0x0c => "heat (inlet)",
        0x0d => "heat/cooling",
        0x0e => "bus/system component",
        0x0f => "unknown",
        0x14 => "calorific value",
        0x15 => "hot water",
        0x16 => "cold water",
        0x17 => "dual water",
        0x18 => "pressure",
        0x19 => "A/D converter",
        0x1a => "smoke detector",
        0x1b => "room sensor",
        0x1c => "gas detector",
        0x20 => "breaker",
        0x21 => "valve",
        0x25 => "customer unit",
        0x28 => "waste water",
        0x29 => "garbage",
        0x2a => "carbon dioxide",
        0x31 => "communication controller",
        0x32 => "unidirectional repeater",
        0x33 => "bidirectional repeater",
        0x36 => "radio converter (system side)",
        0x37 => "radio converter (meter side)",
        _ => return None,
    })
}

/// Returns the medium whose amounts a device of this type counts, where there is one.
pub const fn of(device_type: u8) -> Option<reading::Medium> {
    use reading::Medium;
    Some(match device_type {
        0x02 => Medium::Electricity,
        0x03 => Medium::Gas,
        0x04 | 0x0c | 0x0d => Medium::Heat,
        0x0a | 0x0b => Medium::Cooling,
        0x06 | 0x07 | 0x15..=0x17 => Medium::Water,
        _ => return None,
    })
}

//! Status byte of a header (EN 13757-7, 7.5.6).

/// Status byte: what the meter says of itself. A reading with faults is still a reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// Returns whether the application is busy: values may be missing.
    pub const fn is_busy(self) -> bool {
        self.0 & 3 == 1
    }

    /// Returns the flags that are set, in words.
    pub fn flags(self) -> impl Iterator<Item = &'static str> {
        let application = match self.0 & 3 {
            1 => Some("busy"),
            2 => Some("application_error"),
            3 => Some("abnormal"),
            _ => None,
        };
        let bits = [
            (0x04, "low_battery"),
            (0x08, "permanent_error"),
            (0x10, "temporary_error"),
            (0x20, "manufacturer_1"),
            (0x40, "manufacturer_2"),
            (0x80, "manufacturer_3"),
        ];
        let set = bits.into_iter().filter(move |(bit, _)| self.0 & bit != 0).map(|(_, word)| word);
        application.into_iter().chain(set)
    }
}

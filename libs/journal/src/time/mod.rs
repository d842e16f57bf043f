//! Time: the clocks of a machine that may have none, and the spans that people ask about.

pub(crate) mod clock_source;
pub(crate) mod dating;
pub(crate) mod quarter;
pub(crate) mod span;
#[cfg(test)]
mod tests;
pub(crate) mod time_spec;

pub(crate) use self::{
    clock_source::{ClockReading, ClockSource},
    dating::Dating,
    quarter::{QUARTER_HOUR, quarter_start},
    span::{Span, utc},
};
use reading::Text;
use serde::{Deserialize, Serialize};

/// Microseconds since 1970, UTC.
pub type Micros = i64;

/// One second in microseconds.
pub const SECOND: Micros = 1_000_000;
/// One minute in microseconds.
pub(crate) const MINUTE: Micros = 60 * SECOND;

/// Correction of all times that were recorded while the clock was wrong: everything at or after `since` belongs `delta`
/// later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeCorrection {
    pub(crate) since: Micros,
    pub(crate) delta: Micros,
}

impl TimeCorrection {
    /// Returns the right time of a reading that was recorded before the correction.
    pub(crate) fn apply(&self, time: Micros) -> Micros {
        if time >= self.since { time.saturating_add(self.delta) } else { time }
    }
}

/// Stretch of one boot in which the clock made no step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    /// Boot of the machine; empty where the system does not tell.
    pub(crate) boot: Text,
    /// Journal time at which it began.
    pub(crate) since: Micros,
    /// System clock minus the time since boot, as last read.
    pub(crate) wall_offset: Micros,
    /// Journal time minus the time since boot.
    pub(crate) offset: Micros,
    /// Whether the clock is known to be right.
    pub(crate) confirmed: bool,
}

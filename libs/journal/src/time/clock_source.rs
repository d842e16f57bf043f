//! The clocks of the system, and others for tests.

use std::{fmt, sync::Arc};

use rustix::time::{ClockId, clock_gettime};

use crate::time::{Micros, SECOND};
use reading::Text;

/// Reading of the system's clocks, all at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockReading {
    /// Microseconds since boot, suspended time included. Nobody sets it, and it makes no steps.
    pub boottime: Micros,
    /// System clock: microseconds since 1970.
    pub wall: Micros,
    /// Time of the last synchronization, by the system clock; `None` where no service tells.
    pub synchronized: Option<Micros>,
}

impl ClockReading {
    /// Returns what the system clock shows more than the time since boot.
    pub(crate) fn wall_offset(&self) -> Micros {
        self.wall.saturating_sub(self.boottime)
    }
}

/// Source of the time.
#[derive(Clone)]
pub struct ClockSource {
    boot: Text,
    read: Arc<dyn Fn() -> ClockReading + Send + Sync>,
}

impl ClockSource {
    /// Returns the system's clocks.
    pub fn system() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self::with(boot.trim(), read)
    }

    /// Returns clocks that a test controls, on a machine in this boot.
    pub fn with(boot: impl Into<Text>, read: impl Fn() -> ClockReading + Send + Sync + 'static) -> Self {
        Self { boot: boot.into(), read: Arc::new(read) }
    }

    /// Returns the boot of the machine; empty where the system does not tell.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Reads the clocks.
    pub fn now(&self) -> ClockReading {
        (self.read)()
    }
}

impl fmt::Debug for ClockSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockSource")
    }
}

/// Reads the system's clocks.
///
/// systemd-timesyncd touches `/run/systemd/timesync/synchronized` each time it has set the clock
/// (systemd-timesyncd.service(8)). Without that file nothing tells whether the clock is right.
fn read() -> ClockReading {
    let boottime = || micros(ClockId::Boottime);
    // A thread that is interrupted between the two clocks would see a step, so the quickest of a few readings counts.
    let once = || {
        let (before, wall, after) = (boottime(), micros(ClockId::Realtime), boottime());
        (after.saturating_sub(before), before, wall)
    };
    let mut best = once();
    for _ in 0..4 {
        if best.0 > SECOND / 1000 {
            best = best.min(once());
        }
    }
    let (_, boottime, wall) = best;
    let touched = std::fs::metadata("/run/systemd/timesync/synchronized").and_then(|file| file.modified());
    let since_1970 = touched.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let synchronized = since_1970.and_then(|time| Micros::try_from(time.as_micros()).ok());
    ClockReading { boottime, wall, synchronized }
}

fn micros(clock: ClockId) -> Micros {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(SECOND).saturating_add(time.tv_nsec / 1000)
}

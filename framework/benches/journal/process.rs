//! Resource usage of this process.

use std::{
    fs,
    ops::{Add, Sub},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};

/// Bytes that this process has written (proc(5), `/proc/pid/io`).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    /// Pages that it made dirty, and the disk got or will get.
    pub(crate) disk: u64,
    /// Bytes passed to `write` and its like.
    pub(crate) calls: u64,
}

impl Written {
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/self/io").unwrap();
        let number = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().parse().unwrap()
        };
        Self { disk: number("write_bytes:"), calls: number("wchar:") }
    }
}

impl Add for Written {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { disk: self.disk + other.disk, calls: self.calls + other.calls }
    }
}

impl Sub for Written {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { disk: self.disk - other.disk, calls: self.calls - other.calls }
    }
}

/// The processor time of this thread.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
}

//! Resources of the process, by the metric names that all exporters use.

use std::{fs, sync::atomic::Ordering::Relaxed};

use rustix::time::{ClockId, clock_gettime};

use super::exposition::{Exposition, Family, families};
use crate::{LOG_LINES_DROPPED, Scaled, Timestamp};

families! {
    CPU: counter "process_cpu_seconds_total" "Total user and system CPU time spent in seconds.";
    MEMORY: gauge "process_resident_memory_bytes" "Resident memory size in bytes.";
    FILES: gauge "process_open_fds" "Number of open file descriptors.";
    START: gauge "process_start_time_seconds" "Start time of the process since unix epoch in seconds.";
    LOG_DROPPED: counter "smartmeter_log_lines_dropped_total" "Log lines that could not be written.";
}

/// Adds the process metrics; memory and files only if there is a `/proc`.
pub(super) fn add(out: &mut Exposition, started: Timestamp) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    out.add(&CPU, &[], format_args!("{}.{:09}", cpu.tv_sec, cpu.tv_nsec));
    if let Some(kilobytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident) {
        out.add(&MEMORY, &[], kilobytes.saturating_mul(1024));
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        // This listing itself is one of them.
        out.add(&FILES, &[], files.count().saturating_sub(1));
    }
    out.add(&START, &[], Scaled::seconds(started));
    out.add(&LOG_DROPPED, &[], LOG_LINES_DROPPED.load(Relaxed));
}

/// Returns the kilobytes of `VmRSS:      5124 kB` in `/proc/<pid>/status` (proc(5)).
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::resident;

    #[test]
    fn resident_memory_is_found() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    5124 kB\nThreads:\t4\n"), Some(5124));
        assert_eq!(resident("Name:\tVmRSS: 3 kB\n"), None);
    }
}

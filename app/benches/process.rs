//! Resources of a process, from /proc.

#![allow(dead_code, clippy::unwrap_used)] // each bench uses a part of it

use std::{fs, time::Duration};

/// Processor time and memory of all threads of a process.
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    /// Number of times that a thread was put onto a processor.
    pub(crate) switches: u64,
    /// Bytes in memory, with those of mapped files.
    pub(crate) resident: u64,
    pub(crate) anonymous: u64,
    /// The same with a part of what other processes have in memory, too (PSS).
    pub(crate) proportional: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Self {
        let (mut cpu, mut switches) = (0, 0);
        for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            // Nanoseconds on a processor, nanoseconds waiting for one, turns (Documentation/scheduler/sched-stats).
            // A thread may have ended meanwhile.
            let Ok(text) = fs::read_to_string(task.unwrap().path().join("schedstat")) else { continue };
            let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().unwrap());
            cpu += numbers.next().unwrap();
            switches += numbers.nth(1).unwrap();
        }
        let [status, maps] =
            ["status", "smaps_rollup"].map(|name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap());
        let kilobytes = |text: &str, key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
        };
        Self {
            cpu: Duration::from_nanos(cpu),
            switches,
            resident: kilobytes(&status, "VmRSS:"),
            anonymous: kilobytes(&status, "RssAnon:"),
            proportional: kilobytes(&maps, "Pss:"),
        }
    }
}

/// Raises the limit of open files of this process and its children to the system's maximum.
pub(crate) fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// Pins a process's main thread to one processor.
pub(crate) fn pin(pid: u32, processor: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    let pid = rustix::process::Pid::from_raw(pid as i32);
    // A machine with one processor has no other to choose.
    let _ = rustix::thread::sched_setaffinity(pid, &set);
}

//! Memory of the real program while its clients ask for much and do not read it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::program::*;

/// The most that clients may cost, in kB.
const MOST: u64 = 24 * 1024;

/// A number of `/proc/<pid>/status`, in kB.
fn memory(program: &Program, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn started(folder: &std::path::Path, adapter: &simulator::Pty) -> Program {
    let program = Program::with_config(folder, &s0("heat", adapter.path()));
    send(adapter, &[0; 5]);
    program.until("/series", "recorded", |json| json["series"][0].is_object());
    // Whatever is allocated once is part of the idle program.
    for path in ["/data", "/health", "/history/heat/count", "/cmds"] {
        program.get(path);
    }
    program.text("/metrics");
    program
}

fn ask(program: &Program, request: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(program.address()).ok()?;
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    Some(stream)
}

/// Status of an answer on a connection of its own.
fn status(program: &Program, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    ask(program, &request).unwrap().read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..12]).into_owned()
}

/// 69 days of minutes.
const LONG: &str = "GET /history/heat/count?from=-69d&step=1m HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Requests that cost memory, if it is not bounded.
fn requests() -> Vec<String> {
    let metrics = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let head = format!("GET /data HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(15_000));
    let body = format!(
        "POST /cmd HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 65000\r\n\r\n{}",
        " ".repeat(60_000)
    );
    vec![LONG.into(), LONG.replace("step=1m", "step=1m&format=csv"), metrics.repeat(50), head, body]
}

/// Asks for a long answer, as many times at once, and reads all.
fn read_long(program: &Program, times: usize) {
    thread::scope(|scope| {
        for _ in 0..times {
            scope.spawn(|| {
                let request = LONG.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
                let mut answer = Vec::new();
                if let Some(mut stream) = ask(program, &request) {
                    let _ = stream.read_to_end(&mut answer);
                }
            });
        }
    });
}

/// Clients that read nothing, or a little now and then, and others that read all.
fn attack(program: &Program) {
    let requests = requests();
    let mut unread: Vec<_> = (0..250).filter_map(|n| ask(program, &requests[n % requests.len()])).collect();
    thread::scope(|scope| {
        scope.spawn(|| read_long(program, 10));
        for _ in 0..10 {
            for stream in &mut unread {
                stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                let _ = stream.read(&mut [0; 4096]);
            }
            assert_eq!(status(program, "/data"), "HTTP/1.1 200");
        }
    });
}

#[test]
fn clients_that_ask_for_much_and_read_nothing_cost_little_memory_and_it_is_returned() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let program = started(folder.path(), &adapter);
    let idle = memory(&program, "VmRSS");
    // The peak from now on.
    fs::write(format!("/proc/{}/clear_refs", program.pid()), "5").unwrap();
    attack(&program);
    let peak = memory(&program, "VmHWM");
    assert!(peak < idle + MOST, "{idle} kB idle, {peak} kB at the peak");
    let start = Instant::now();
    while memory(&program, "VmRSS") > idle + MOST / 2 {
        assert!(start.elapsed() < DEADLINE, "{idle} kB idle, {} kB later", memory(&program, "VmRSS"));
        thread::sleep(Duration::from_millis(20)); // between two looks, not for timing
    }
    assert_eq!(status(&program, "/history/heat/count?from=-69d&step=1m"), "HTTP/1.1 200");
}

#[test]
fn greedy_clients_do_not_end_a_program_with_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let adapter = line();
    let program = started(folder.path(), &adapter);
    // Stacks of threads and heaps of theirs are address space, used or not.
    read_long(&program, 8);
    // As of `ulimit -v`.
    let limit = Some((memory(&program, "VmSize") + MOST) * 1024);
    let pid = Pid::from_raw(program.pid() as i32);
    prlimit(pid, Resource::As, Rlimit { current: limit, maximum: limit }).unwrap();
    attack(&program);
    assert_eq!(status(&program, "/data"), "HTTP/1.1 200");
    assert_eq!(program.terminate().code(), Some(0));
}

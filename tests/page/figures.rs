//! Cost of the page, printed for comparison. Only growth fails a test.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use simulator::{Pty, PushingMeter, Timing};

use super::{
    history::{drawn, range},
    household::{Household, METER, Plan, telegram_of},
};
use crate::{Test, browser::Browser, program::*};

pub const TESTS: &[Test] =
    &[("cost_of_showing_the_page", speed), ("the_tab_does_not_grow", memory), ("cost_of_a_client", client)];

/// Telegrams of two hours at one a second.
const TELEGRAMS: u64 = 7200;
/// Clients: as many event streams as one address may have.
const MANY: usize = 16;

fn is_long() -> bool {
    std::env::var_os("SMARTMETER_LONG").is_some()
}

fn speed() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = household.open("en-US");
    let mut measured = Vec::new();
    for _ in 0..5 {
        household.show(&browser, "");
        let body = "const first = (name) => performance.getEntriesByName(name)[0]?.startTime ?? null; \
                    return [first('first-contentful-paint'), first('interactive')];";
        browser.until("painted", || browser.script(body, &[])[0].is_number());
        let times = browser.script(body, &[]);
        measured.push((times[0].as_f64().unwrap(), times[1].as_f64().unwrap()));
    }
    measured.sort_by(f64_pairs);
    let (paint, interactive) = measured[measured.len() / 2];
    println!("first contentful paint {paint:.0} ms, interactive {interactive:.0} ms (the median of five)");

    browser.click("nav-history");
    drawn(&browser);
    let mut charts = Vec::new();
    for _ in 0..5 {
        range(&browser, "month");
        browser.script("performance.clearMeasures();", &[]);
        range(&browser, "year");
        let body = "return performance.getEntriesByName('chart').at(-1)?.duration ?? null;";
        browser.until("measured", || browser.script(body, &[]).is_number());
        charts.push(browser.script(body, &[]).as_f64().unwrap());
    }
    charts.sort_by(f64::total_cmp);
    println!("a year's charts are drawn {:.1} ms after their data (the median of five)", charts[2]);
}

fn f64_pairs(a: &(f64, f64), b: &(f64, f64)) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0)
}

/// Meter that sends at this interval, with a rising counter.
fn quick_meter(interval: Duration) -> PushingMeter {
    let mut telegrams = 0.0;
    let next = move || {
        telegrams += 1.0;
        let power = 500.0 + 400.0 * f64::sin(telegrams / 40.0);
        seven_e_one(telegram_of("1EBZ0100000042", power, telegrams * 1e-4).into_bytes())
    };
    PushingMeter::start(Pty::open().unwrap(), Timing { interval, baud: None }, next).unwrap()
}

fn quick_house(folder: &std::path::Path, meter: &PushingMeter) -> Program {
    let program = Program::with_config(folder, &d0(METER, meter.port()));
    program.until("/data", "live", |data| data[METER].is_object());
    program
}

fn batches(program: &Program) -> u64 {
    program.count(METER, "batches")
}

/// Waits for this number of telegrams, without a limit while any arrive.
fn after(program: &Program, number: u64) {
    let mut newest = (Instant::now(), batches(program));
    while newest.1 < number {
        thread::sleep(Duration::from_millis(50)); // between two requests, not for timing
        let count = batches(program);
        if count > newest.1 {
            newest = (Instant::now(), count);
        }
        assert!(
            newest.0.elapsed() < DEADLINE,
            "after {count} telegrams there came no more\n{}",
            program.log()
        );
    }
}

fn memory() {
    let folder = tempfile::tempdir().unwrap();
    let meter = quick_meter(Duration::from_secs(1) / 60);
    let program = quick_house(folder.path(), &meter);
    let browser = Browser::open("en-US");
    browser.goto(&program.url("/"));
    browser.until("live", || browser.text("hero-power").chars().any(|c| c.is_ascii_digit()));
    let all = if is_long() { TELEGRAMS } else { TELEGRAMS / 6 };
    let begin = batches(&program);
    let mut looks = Vec::new();
    for quarter in 1..=4 {
        after(&program, begin + all * quarter / 4);
        looks.push([browser.heap(), browser.metric("Nodes"), browser.metric("JSEventListeners")]);
    }
    let [first, last] = [looks[0], looks[3]];
    println!(
        "the tab after {} telegrams {:.2} MB, {} nodes, {} listeners; after {all} {:.2} MB, {} nodes, {} listeners",
        all / 4,
        first[0] / 1e6,
        first[1],
        first[2],
        last[0] / 1e6,
        last[1],
        last[2],
    );
    // The tab was awake: it shows the newest telegram.
    let shown = || browser.text("hero-power");
    let before = shown();
    browser.until("live to the end", || shown() != before);
    // Keeping each telegram would take 0.4 MB even in the short run.
    assert!(last[0] - first[0] < 0.3e6, "the heap grew: {looks:?}");
    assert!(last[1] - first[1] < 100.0, "there are more nodes: {looks:?}");
    assert!(last[2] - first[2] < 20.0, "there are more listeners: {looks:?}");
}

/// Processor time of the program so far.
fn processor_time(program: &Program) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap();
    let nanoseconds = tasks.map(|task| {
        let text = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or_default()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn client() {
    let folder = tempfile::tempdir().unwrap();
    let meter = quick_meter(Duration::from_millis(if is_long() { 100 } else { 20 }));
    let program = quick_house(folder.path(), &meter);
    let telegrams = if is_long() { 600 } else { 150 };
    let cost = || {
        let (begin, before) = (batches(&program), processor_time(&program));
        // The request takes processor time too, the same each time.
        after(&program, begin + telegrams);
        (processor_time(&program) - before).as_secs_f64()
    };
    let alone = cost();
    let clients: Vec<_> = (0..MANY).map(|_| listen(program.address())).collect();
    let watched = cost();
    let each = (watched - alone) / (MANY as f64 * telegrams as f64);
    println!(
        "a client of /events costs {:.1} µs for each event: {:.4} % of a core at one a second",
        each * 1e6,
        each * 100.0
    );
    drop(program);
    for client in clients {
        let bytes = client.join().unwrap();
        assert!(bytes > 50 * telegrams, "a client got {bytes} bytes only");
    }
}

/// Reads events until they end, and returns the number of bytes.
fn listen(address: &str) -> thread::JoinHandle<u64> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    thread::spawn(move || {
        let (mut bytes, mut buffer) = (0, [0; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            bytes += count as u64;
        }
        bytes
    })
}

//! Meter that pushes.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    Pty,
    worker::{Clock, Worker, next_turn},
};

/// Times at which a [`PushingMeter`] sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Time from the start of a telegram to that of the next. The first one comes after this time.
    pub interval: Duration,
    /// Baud rate at which it sends byte by byte; `None` sends each telegram at once, as it leaves a USB adapter. A
    /// telegram that takes longer than the interval is sent whole, and the next one follows directly. Whether a program
    /// at another baud rate can read the bytes is up to [`Pty::through`].
    pub baud: Option<u32>,
}

impl Default for Timing {
    /// A telegram each second, at once.
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), baud: None }
    }
}

/// Meter that sends one telegram after the other, read or not, until it is dropped.
#[derive(Debug)]
pub struct PushingMeter {
    port: PathBuf,
    _worker: Worker,
}

impl PushingMeter {
    /// Starts a meter at this line; `next` makes each telegram.
    ///
    /// # Errors
    ///
    /// Fails where the system has no thread left.
    pub fn start(
        pty: Pty,
        timing: Timing,
        mut next: impl FnMut() -> Vec<u8> + Send + 'static,
    ) -> io::Result<Self> {
        let port = pty.path().to_owned();
        let start = Instant::now();
        let worker = Worker::start("meter", move |clock| {
            let mut due = start + timing.interval;
            while clock.wait_until(due).is_some() && send(&pty, clock, due, timing.baud, &next()).is_some() {
                due = next_turn(due, timing.interval);
            }
        })?;
        Ok(Self { port, _worker: worker })
    }

    /// Returns the path that a program opens.
    pub fn port(&self) -> &Path {
        &self.port
    }
}

/// Returns the time that characters of ten bits, whether 7E1 or 8N1, take at this baud rate.
pub fn time_of(count: usize, baud: u32) -> Duration {
    // A bit has a length whatever a program sets.
    Duration::from_nanos(count as u64 * 10 * (1_000_000_000 / u64::from(baud.clamp(1, 10_000_000))))
}

/// Sends a telegram that begins at `begin`; returns `None` when the meter must stop.
fn send(pty: &Pty, clock: &Clock, begin: Instant, baud: Option<u32>, telegram: &[u8]) -> Option<()> {
    let Some(baud) = baud else {
        return pty.write_all(telegram).ok();
    };
    // Each byte has its own time, so that delays do not add up.
    for (end, byte) in (1..).zip(telegram) {
        clock.wait_until(begin + time_of(end, baud))?;
        pty.write_part(&[*byte]).ok()?;
    }
    pty.write_all(&[]).ok() // the line is idle now
}

#[cfg(test)]
mod tests {
    use test_meters::Port;

    use super::*;

    /// Numbered telegrams of ten bytes.
    fn numbered() -> impl FnMut() -> Vec<u8> + Send + 'static {
        let mut number = 0;
        move || {
            number += 1;
            format!("/{number:06}!\r\n").into_bytes()
        }
    }

    fn read_whole(meter: &PushingMeter, count: usize) -> String {
        // The first byte read may be in the middle of a telegram.
        let bytes = Port::open(meter.port()).read_until(|bytes| bytes.len() >= (count + 1) * 10);
        let text = String::from_utf8(bytes).unwrap();
        text[text.find('/').unwrap()..][..count * 10].to_owned()
    }

    fn assert_consecutive(telegrams: &str) {
        let numbers: Vec<u32> = telegrams.lines().map(|line| line[1..7].parse().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    }

    #[test]
    fn whole_telegrams_come_one_each_interval() {
        let start = Instant::now();
        let timing = Timing { interval: Duration::from_millis(20), baud: None };
        let meter = PushingMeter::start(Pty::open().unwrap(), timing, numbered()).unwrap();
        assert_consecutive(&read_whole(&meter, 10));
        assert!(start.elapsed() >= 11 * timing.interval, "took only {:?}", start.elapsed());
    }

    #[test]
    fn bytes_come_no_faster_than_the_line() {
        let start = Instant::now();
        // 19 200 baud carry 1920 bytes, or 192 of these telegrams, in a second: a quarter for 48 of them.
        let timing = Timing { interval: Duration::from_millis(1), baud: Some(19_200) };
        let meter = PushingMeter::start(Pty::open().unwrap(), timing, numbered()).unwrap();
        assert_consecutive(&read_whole(&meter, 48));
        assert!(start.elapsed() >= Duration::from_millis(250), "took only {:?}", start.elapsed());
    }

    #[test]
    fn a_character_has_ten_bits_and_a_speed_of_zero_is_a_slow_one() {
        assert_eq!(time_of(3, 0), Duration::from_secs(30));
        assert_eq!(time_of(6, 300), Duration::from_nanos(60 * 3_333_333));
    }

    #[test]
    fn a_meter_that_is_dropped_in_a_telegram_stops_at_once() {
        // At 10 baud a telegram of ten bytes takes ten seconds.
        let timing = Timing { interval: Duration::ZERO, baud: Some(10) };
        let meter = PushingMeter::start(Pty::open().unwrap(), timing, numbered()).unwrap();
        let mut port = Port::open(meter.port());
        port.read_until(|bytes| bytes == b"/");
        let start = Instant::now();
        drop(meter);
        port.read_to_hangup();
        assert!(start.elapsed() < Duration::from_millis(500), "took {:?}", start.elapsed());
    }
}

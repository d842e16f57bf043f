//! Optical head of a polled meter: bytes of both directions, in their time and at their baud rate.

use std::time::{Duration, Instant};

use simulator::{Clock, Pty, time_of};

use super::{
    PolledOptions,
    log::{Event, Log},
};
use crate::uart::{Receiver, Uart, seven_bits, seven_e_one};

/// Interval of looks at the baud rate of the program in a conversation, and between two.
const LOOK: Duration = Duration::from_millis(1);
const LOOK_IDLE: Duration = Duration::from_millis(20);
/// Longest delay of a meter that sends at once, by a program that does not read.
const SEND_LIMIT: Duration = Duration::from_millis(200);
/// Most bytes of a message to a meter.
const LONGEST: usize = 64;

const LF: u8 = b'\n';

/// In all of these functions, `None` means that the meter must stop.
pub(super) struct Head<'a> {
    pty: Pty,
    uart: Uart,
    clock: &'a Clock,
    log: &'a Log,
    echo: bool,
    real_time: bool,
    /// Baud rates of the meter, and of the program at the last look.
    baud: u32,
    program: u32,
    /// Time of the last bit so far on the line.
    passed: Instant,
    /// Bytes that were heard and belong to no message yet.
    heard: Vec<u8>,
}

impl<'a> Head<'a> {
    pub(super) fn new(
        pty: Pty,
        uart: Uart,
        clock: &'a Clock,
        log: &'a Log,
        options: &PolledOptions,
        program: u32,
    ) -> Self {
        Self {
            pty,
            uart,
            clock,
            log,
            echo: options.echo,
            real_time: options.real_time,
            baud: options.initial_baud,
            program,
            passed: Instant::now(),
            heard: Vec::new(),
        }
    }

    /// Changes the baud rate of the meter.
    pub(super) fn set_baud(&mut self, baud: u32) {
        self.baud = baud;
        self.uart.set_baud(baud);
    }

    /// Waits for some time after the last bit on the line.
    pub(super) fn pause(&mut self, pause: Duration) -> Option<()> {
        self.wait_until(self.passed + pause)
    }

    /// Returns the next message, up to its line feed, with its parity; empty if none ends before the deadline.
    pub(super) fn message(&mut self, deadline: Option<Instant>) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == LF) {
                return Some(self.heard.drain(..=end).collect());
            }
            if self.heard.len() > LONGEST {
                self.heard.clear();
            }
            let more = self.hear(deadline)?;
            if more.is_empty() && deadline.is_some() {
                self.log.end_message();
                self.heard.clear();
                return Some(Vec::new());
            }
            self.heard.extend(more);
        }
    }

    /// Sleeps until a wake-up: its NULs, and its pause after them.
    pub(super) fn sleep(&mut self, nuls: usize, pause: Duration) -> Option<()> {
        self.heard.clear();
        let mut count = 0;
        loop {
            let enough = count >= nuls;
            let bytes = self.hear(enough.then(|| self.passed + pause))?;
            if bytes.iter().any(|byte| *byte != 0) {
                count = 0;
            } else if enough && bytes.is_empty() {
                self.log.end_message();
                return Some(());
            } else {
                count += bytes.len();
            }
        }
    }

    /// Sends a message of plain ASCII, as 7E1.
    pub(super) fn say(&mut self, message: &[u8]) -> Option<()> {
        self.look()?;
        let begin = Instant::now();
        self.log.push(Event::Sent { bytes: message.into(), baud: self.baud, at: begin });
        let mut line = message.to_vec();
        seven_e_one(&mut line);
        if self.real_time {
            for (end, byte) in (1..).zip(&line) {
                self.wait_until(begin + time_of(end, self.baud))?;
                self.ignore()?;
                self.pty.write_part(&[*byte]).ok()?;
            }
            self.pty.write_all(&[]).ok()?; // the line is idle now
        } else if self.pty.has_reader().ok()? {
            // If the program does not take it all, it is lost as on any line.
            let _ = self.pty.write_blocking(&line, begin + SEND_LIMIT);
        }
        self.passed = Instant::now();
        Some(())
    }

    /// Returns the next bytes as the meter's UART reads them; none at the deadline.
    fn hear(&mut self, deadline: Option<Instant>) -> Option<Vec<u8>> {
        let mut buffer = [0; LONGEST];
        let count = loop {
            self.look()?;
            let now = Instant::now();
            let next = now + if deadline.is_some() { LOOK } else { LOOK_IDLE };
            let count = self.pty.read(&mut buffer, deadline.map_or(next, |end| next.min(end))).ok()?;
            if count > 0 {
                break count;
            }
            if deadline.is_some_and(|end| now >= end) {
                return Some(Vec::new());
            }
        };
        let raw = &buffer[..count];
        self.look()?;
        let (arrival, program) = (Instant::now(), self.program);
        let begin = self.passed.max(arrival);
        self.passed = begin + time_of(count, program);
        self.log.received(raw, program, arrival);
        let mut receiver = Receiver::default();
        let mut heard = Vec::new();
        for (end, byte) in (1..).zip(raw) {
            // Half of its time must do: nobody knows how long ago it was sent, on a busy machine.
            self.wait_until(begin + time_of(end, program) / 2)?;
            receiver.character(*byte, self.program, self.baud, &mut heard);
        }
        receiver.idle(&mut heard);
        if self.echo {
            self.pty.reflect(raw).ok()?;
        }
        self.log.judged(heard == raw && seven_bits(raw).is_some());
        Some(heard)
    }

    /// Ignores bytes that have come: the meter is sending.
    fn ignore(&mut self) -> Option<()> {
        let mut buffer = [0; LONGEST];
        let now = Instant::now();
        let count = self.pty.read(&mut buffer, now).ok()?;
        if count > 0 {
            if self.echo {
                self.pty.reflect(&buffer[..count]).ok()?;
            }
            self.log.received(&buffer[..count], self.program, now);
            self.log.end_message();
        }
        Some(())
    }

    /// Waits, and watches the baud rate of the program.
    fn wait_until(&mut self, due: Instant) -> Option<()> {
        loop {
            self.look()?;
            let now = Instant::now();
            if now >= due {
                return Some(());
            }
            self.clock.wait_until(due.min(now + LOOK))?;
        }
    }

    /// Looks at the baud rate of the program.
    fn look(&mut self) -> Option<()> {
        self.clock.wait_until(Instant::now())?;
        let (from, to) = (self.program, self.pty.baud().ok()?);
        if from != to {
            self.program = to;
            self.log.push(Event::BaudChanged { from, to, at: Instant::now() });
        }
        Some(())
    }
}

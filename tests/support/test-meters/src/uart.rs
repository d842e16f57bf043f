//! Model of a UART: asynchronous characters of ten bits, also read at another baud rate than they were sent at.
//!
//! A character is a start bit (low), eight bits with the lowest first, and a stop bit (high); an idle
//! line is high. 7E1 has the same ten bits: its parity takes the place of the highest one. 8E1 has eleven: its parity
//! stands before the stop bit. A receiver waits for a falling edge and samples the middle of each bit by its own clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use simulator::ebz::seven_e_one;
use simulator::{Line, Pty, Wire, time_of};

/// Bits of a character on the line, whether 7E1 or 8N1.
const BITS: u32 = 10;

/// Fastest line, in baud, whose bits still have a length.
const FASTEST: u32 = 10_000_000;

/// Makes the device at `pty` send at this baud rate: a program that has set another one reads garbage.
pub fn at(pty: Pty, baud: u32) -> Pty {
    pty.through(Uart::new(baud))
}

/// The same for a device that changes its baud rate while it runs: the function that is returned does it.
pub fn changing(pty: Pty, baud: u32) -> (Pty, impl Fn(u32) + Clone + Send + 'static) {
    let uart = Uart::new(baud);
    let changed = uart.clone();
    (pty.through(uart), move |baud| changed.set_baud(baud))
}

/// The same for a device that sends 8E1: a program that expects no parity bit reads garbage too.
pub fn at_8e1(pty: Pty, baud: u32) -> Pty {
    let uart = Uart::new(baud);
    uart.lock().is_even = true;
    pty.through(uart)
}

/// What a receiver makes of a character without a stop bit; drivers and their settings differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unstopped {
    /// A NUL.
    #[default]
    Nul,
    /// Nothing.
    Lost,
    /// The bits as they were sampled.
    AsSampled,
}

/// Wire at a baud rate of the device.
#[derive(Clone, Debug)]
pub(crate) struct Uart(Arc<Mutex<Speed>>);

/// Baud rate of the device, and the receiver at the program's end.
#[derive(Debug)]
struct Speed {
    baud: u32,
    is_even: bool,
    reader: Receiver,
}

impl Uart {
    pub(crate) fn new(baud: u32) -> Self {
        Self(Arc::new(Mutex::new(Speed { baud, is_even: false, reader: Receiver::default() })))
    }

    /// Changes the baud rate of the device.
    pub(crate) fn set_baud(&self, baud: u32) {
        self.lock().baud = baud;
    }

    fn lock(&self) -> MutexGuard<'_, Speed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire for Uart {
    fn carry(&mut self, bytes: &[u8], program: Line, last: bool) -> Vec<u8> {
        let Speed { baud, is_even, reader } = &mut *self.lock();
        let sent = Line { baud: *baud, is_even: *is_even };
        if program == sent && reader.is_idle() {
            return bytes.into();
        }
        reader.is_even = program.is_even;
        let mut read = Vec::new();
        for byte in bytes {
            reader.character_of(*byte, sent, program.baud, &mut read);
        }
        if last {
            reader.idle(&mut read);
        }
        read
    }
}

/// Returns the bytes that are read at `read` baud when `bytes` are sent at `sent` baud, one directly after the other.
///
/// At nearly the same baud rate, they are the same. A character without a stop bit becomes a NUL: see [`Unstopped`].
pub fn read_at(bytes: &[u8], sent: u32, read: u32) -> Vec<u8> {
    let mut receiver = Receiver::default();
    let mut got = Vec::new();
    for byte in bytes {
        receiver.character(*byte, sent, read, &mut got);
    }
    receiver.idle(&mut got);
    got
}

/// Returns the bytes of 8E1 that a receiver without parity reads at the same baud rate.
pub fn read_8e1_as_8n1(bytes: &[u8], unstopped: Unstopped) -> Vec<u8> {
    let mut receiver = Receiver { unstopped, ..Receiver::default() };
    let mut got = Vec::new();
    for byte in bytes {
        receiver.character_of(*byte, Line { baud: 9600, is_even: true }, 9600, &mut got);
    }
    receiver.idle(&mut got);
    got
}

/// Returns the bytes that a receiver reads at the same baud rate when the signal of `bytes` is inverted, and a line that
/// is idle is low. It begins to listen `phase` bits after their start; between two characters, the line is idle for
/// `pause` eighths of a bit.
pub fn read_inverted(bytes: &[u8], phase: u32, pause: u64, unstopped: Unstopped) -> Vec<u8> {
    let mut receiver = Receiver { unstopped, low: true, ..Receiver::default() };
    let mut got = Vec::new();
    let bit = bit(9600);
    let levels = bytes.iter().flat_map(|byte| (0..BITS).map(move |position| (line_of(*byte), position)));
    for (line, position) in levels.skip(phase as usize) {
        got.extend(receiver.level(line >> position & 1 == 0, bit, bit));
        if position == BITS - 1 {
            got.extend(receiver.level(false, pause * bit / 8, bit));
        }
    }
    got.extend(receiver.level(false, 20 * bit, bit));
    got
}

/// Returns the ASCII of 7E1 read as 8N1; `None` if the parity of any byte is odd.
pub fn seven_bits(bytes: &[u8]) -> Option<Vec<u8>> {
    let even = bytes.iter().all(|byte| byte.count_ones() % 2 == 0);
    even.then(|| bytes.iter().map(|byte| byte & 0x7f).collect())
}

/// Returns the length of a bit in nanoseconds.
fn bit(baud: u32) -> u64 {
    time_of(1, baud).as_nanos() as u64 / u64::from(BITS)
}

/// Returns the levels of a character of ten bits, the first one in the lowest bit.
fn line_of(byte: u8) -> u16 {
    u16::from(byte) << 1 | 1 << (BITS - 1)
}

/// Returns the parity bit that makes the number of high bits even.
fn even(byte: u8) -> u16 {
    (byte.count_ones() % 2) as u16
}

/// Receiving half of a UART.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    frame: Option<Frame>,
    /// Whether the line was low at the last look. It is idle at first.
    low: bool,
    /// It expects 8E1.
    is_even: bool,
    unstopped: Unstopped,
}

/// Character that is being received.
#[derive(Debug)]
struct Frame {
    /// Nanoseconds until the next sample.
    wait: u64,
    /// Number of samples so far.
    count: u32,
    /// Their levels, the first one in the lowest bit.
    samples: u16,
}

impl Receiver {
    /// Receives, at `read` baud, a `byte` sent at `sent` baud directly after the one before. Adds completed characters
    /// to `got`: none, one, or several.
    pub(crate) fn character(&mut self, byte: u8, sent: u32, read: u32, got: &mut Vec<u8>) {
        self.character_of(byte, Line { baud: sent, is_even: false }, read, got);
    }

    fn character_of(&mut self, byte: u8, sent: Line, read: u32, got: &mut Vec<u8>) {
        let (line, bits) = match sent.is_even {
            false => (line_of(byte), BITS),
            true => (u16::from(byte) << 1 | even(byte) << (BITS - 1) | 1 << BITS, BITS + 1),
        };
        for position in 0..bits {
            got.extend(self.level(line >> position & 1 == 1, bit(sent.baud), bit(read)));
        }
    }

    /// Lets the line be idle until nothing is left to come, and adds completed characters to `got`.
    pub(crate) fn idle(&mut self, got: &mut Vec<u8>) {
        let wait = self.frame.as_ref().map_or(0, |frame| frame.wait);
        // At the longest, so much is missing for all samples.
        got.extend(self.level(true, wait + u64::from(BITS + 1) * bit(0), bit(FASTEST)));
    }

    /// Returns whether it waits for a character on an idle line.
    pub(crate) fn is_idle(&self) -> bool {
        self.frame.is_none() && !self.low
    }

    /// Keeps the line at a level for `left` ns. One frame can end in that time, as the next one needs an edge.
    fn level(&mut self, high: bool, mut left: u64, bit: u64) -> Option<u8> {
        let falling = !high && !self.low;
        self.low = !high;
        if falling && self.frame.is_none() {
            self.frame = Some(Frame { wait: bit / 2, count: 0, samples: 0 });
        }
        loop {
            let frame = self.frame.as_mut()?;
            if frame.wait >= left {
                frame.wait -= left;
                return None;
            }
            left -= frame.wait;
            frame.wait = bit;
            frame.samples |= u16::from(high) << frame.count;
            frame.count += 1;
            let samples = frame.samples;
            let bits = BITS + u32::from(self.is_even);
            if frame.count == 1 && high {
                self.frame = None; // no start bit: a spike
            } else if frame.count == bits {
                self.frame = None;
                let (byte, is_high) = ((samples >> 1) as u8, |bit: u32| samples >> bit & 1 == 1);
                let is_wrong = self.is_even && is_high(BITS - 1) != (even(byte) == 1);
                return match (is_high(bits - 1), self.unstopped) {
                    (true, _) if is_wrong => Some(0),
                    (true, _) | (false, Unstopped::AsSampled) => Some(byte),
                    (false, Unstopped::Nul) => Some(0),
                    (false, Unstopped::Lost) => None,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use simulator::{PushingMeter, Timing};

    use super::*;
    use crate::{Port, soon};

    fn all() -> Vec<u8> {
        (0..=255).collect()
    }

    #[test]
    fn at_the_same_speed_everything_is_read_as_it_was_sent() {
        for baud in [300, 2400, 9600, 12_345, 115_200, 921_600] {
            assert_eq!(read_at(&all(), baud, baud), all(), "{baud} baud");
        }
    }

    #[test]
    fn three_percent_do_no_harm_and_ten_do() {
        for (sent, read) in [(9600, 9888), (9888, 9600)] {
            assert_eq!(read_at(&all(), sent, read), all(), "{sent} read at {read}");
        }
        assert_ne!(read_at(&all(), 9600, 10_560), all());
        assert_ne!(read_at(&all(), 10_560, 9600), all());
    }

    #[test]
    fn a_slow_line_read_fast_has_a_character_for_each_falling_edge() {
        // Twelve samples to a bit: each low level is longer than a frame, and has no stop bit.
        assert_eq!(read_at(b"U", 9600, 115_200), [0; 5]);
        assert_eq!(read_at(&[0xff], 9600, 115_200), [0]);
        assert_eq!(read_at(&[0x00, 0x00], 9600, 115_200), [0, 0], "nine low bits are one falling edge");
    }

    #[test]
    fn half_the_speed_doubles_each_bit() {
        // Low, 1 0 0 0 0 0 1 0, high: the falling edges of `A` are at the start and at the bits 1 and 7.
        // The frame from the start on sees each bit twice, up to its half; the stop bit is the low bit 4.
        // The next edge is that at bit 7: two samples low, then the line is high.
        assert_eq!(read_at(b"A", 4800, 9600), [0, 0b1111_1110]);
    }

    #[test]
    fn a_fast_line_read_slowly_is_a_single_character_for_many() {
        let telegram = [b'0'; 100];
        let got = read_at(&telegram, 9600, 300);
        // 1000 bits are 31 bits of the reader: at most four characters, as each needs ten of them but the last.
        assert!((1..=4).contains(&got.len()), "{got:?}");
        let got = read_at(&telegram, 115_200, 9600);
        assert!((1..=9).contains(&got.len()), "{got:?}");
        assert_eq!(read_at(b"/", 115_200, 9600), [], "over before the middle of a start bit: a spike");
    }

    #[test]
    fn it_does_not_matter_in_which_pieces_a_line_is_received() {
        let mut receiver = Receiver::default();
        let mut got = Vec::new();
        assert!(receiver.is_idle());
        receiver.character(0x00, 9600, 300, &mut got);
        assert!(!receiver.is_idle());
        for byte in &all()[1..] {
            receiver.character(*byte, 9600, 300, &mut got);
        }
        receiver.idle(&mut got);
        assert!(receiver.is_idle());
        assert_eq!(got, read_at(&all(), 9600, 300));
    }

    #[test]
    fn characters_of_8e1_are_read_with_their_parity_and_half_of_them_without() {
        let odd: Vec<u8> = all().into_iter().filter(|byte| byte.count_ones() % 2 == 1).collect();
        assert_eq!(read_8e1_as_8n1(&all(), Unstopped::Lost), odd);
        assert_eq!(read_8e1_as_8n1(&all(), Unstopped::AsSampled), all());
        let pty = at_8e1(Pty::open().unwrap(), 2400);
        let mut port = Port::open(pty.path());
        for (is_even, expected) in [(false, read_8e1_as_8n1(&all(), Unstopped::Nul)), (true, all())] {
            port.set_line(2400, is_even);
            pty.write_all(&all()).unwrap();
            assert_eq!(port.read_until(|bytes| bytes.len() >= expected.len()), expected);
        }
    }

    #[test]
    fn a_speed_of_zero_is_a_slow_one() {
        assert_eq!(read_at(b"x", 0, 0), b"x");
        assert!(read_at(b"x", 9600, 0).len() <= 1);
    }

    #[test]
    fn seven_e_one_makes_every_parity_even_and_keeps_the_characters() {
        let ascii: Vec<u8> = (0..128).collect();
        let mut line = ascii.clone();
        seven_e_one(&mut line);
        assert!(line.iter().all(|byte| byte.count_ones() % 2 == 0));
        assert!(line.iter().map(|byte| byte & 0x7f).eq(ascii.iter().copied()));
        assert_eq!(line[usize::from(b'/')], 0xaf); // as read from a real meter
        assert_eq!(seven_bits(&line), Some(ascii));
        line[5] ^= 4;
        assert_eq!(seven_bits(&line), None);
    }

    #[test]
    fn a_program_reads_garbage_until_it_has_the_speed_of_the_meter() {
        for baud in [None, Some(19_200)] {
            let timing = Timing { interval: Duration::from_millis(10), baud };
            let mut number = 0;
            let numbered = move || {
                number += 1;
                format!("/{number:06}!\r\n").into_bytes()
            };
            let meter = PushingMeter::start(at(Pty::open().unwrap(), 19_200), timing, numbered).unwrap();
            let mut port = Port::open(meter.port());
            port.set_baud(2400);
            let garbage = port.read_until(|bytes| bytes.len() >= 10);
            assert!(!garbage.windows(2).any(|pair| pair == b"/0"), "{}", garbage.escape_ascii());
            port.set_baud(19_200);
            port.read_until(|bytes| bytes.windows(30).any(|part| part.starts_with(b"/0") && part.is_ascii()));
        }
    }

    #[test]
    fn a_program_at_another_speed_reads_garbage_and_at_the_same_everything() {
        let all: Vec<u8> = (0..=255).collect();
        let pty = at(Pty::open().unwrap(), 9600);
        let mut port = Port::open(pty.path());
        for baud in [115_200, 300, 9600] {
            port.set_baud(baud);
            let expected = read_at(&all, 9600, baud);
            assert_eq!(expected == all, baud == 9600);

            pty.write_all(&all).unwrap();
            assert_eq!(port.read_until(|bytes| bytes.len() >= expected.len()), expected, "at {baud} baud");
            pty.write_blocking(&all, soon()).unwrap();
            assert_eq!(port.read_until(|bytes| bytes.len() >= expected.len()), expected, "at {baud} baud");
            for byte in &all {
                pty.write_part(&[*byte]).unwrap();
            }
            pty.write_all(&[]).unwrap();
            assert_eq!(port.read_until(|bytes| bytes.len() >= expected.len()), expected, "at {baud} baud");
            assert_eq!(port.read_now(), []);
        }
    }
}

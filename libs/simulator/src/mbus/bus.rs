//! What all meters on a bus say to a request together.

use std::time::Duration;

use super::MbusMeter;

/// Answer on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Time after the request.
    pub delay: Duration,
    /// Bytes, of all meters that answer at once.
    pub bytes: Vec<u8>,
}

/// Meters on one line.
#[derive(Debug, Clone)]
pub struct MbusBus {
    meters: Vec<MbusMeter>,
}

/// A master's request.
enum Request<'a> {
    Reset { address: u8 },
    Read { address: u8, frame_count: bool },
    Select { selection: &'a [u8] },
    Command { address: u8, ci: u8 },
}

impl MbusBus {
    /// A bus with these meters.
    pub fn new(meters: impl IntoIterator<Item = MbusMeter>) -> Self {
        Self { meters: meters.into_iter().collect() }
    }

    /// Returns the meters.
    pub fn meters(&mut self) -> &mut [MbusMeter] {
        &mut self.meters
    }

    /// Returns the answer to a whole request at this baud rate; `None` if everybody is silent.
    pub fn answer(&mut self, request: &[u8], baud: u32) -> Option<Answer> {
        let request = parse(request)?;
        let mut answers = Vec::new();
        let listening =
            |meter: &&mut MbusMeter| !meter.is_silent && meter.baud.is_none_or(|expected| expected == baud);
        for meter in self.meters.iter_mut().filter(listening) {
            let bytes = match request {
                Request::Reset { address } if meter.hears(address) => {
                    meter.reset();
                    meter.is_selected &= address != 0xfd;
                    vec![0xe5]
                }
                Request::Read { address, frame_count } if meter.hears(address) => meter.read(frame_count),
                Request::Select { selection } => {
                    meter.is_selected = meter.matches(selection);
                    if !meter.is_selected {
                        continue;
                    }
                    meter.reset();
                    vec![0xe5]
                }
                Request::Command { address, ci } if meter.hears(address) => {
                    let speeds = [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400];
                    if let Some(speed) = ci.checked_sub(0xb8).and_then(|i| speeds.get(usize::from(i))) {
                        meter.baud = Some(*speed);
                    }
                    vec![0xe5]
                }
                _ => continue,
            };
            answers.push(Answer { delay: meter.delay, bytes });
        }
        answers.into_iter().reduce(collide)
    }
}

/// Two answers at once: the current of both flows, so that a bit is low where one of them sends a low one.
fn collide(first: Answer, second: Answer) -> Answer {
    let (mut long, short) = match first.bytes.len() >= second.bytes.len() {
        true => (first.bytes, second.bytes),
        false => (second.bytes, first.bytes),
    };
    long.iter_mut().zip(short).for_each(|(byte, other)| *byte &= other);
    Answer { delay: first.delay.min(second.delay), bytes: long }
}

fn parse(request: &[u8]) -> Option<Request<'_>> {
    match *request {
        [0x10, control, address, _, 0x16] => match control {
            0x40 => Some(Request::Reset { address }),
            0x5b | 0x7b => Some(Request::Read { address, frame_count: control & 0x20 != 0 }),
            _ => None,
        },
        [0x68, _, _, 0x68, 0x53 | 0x73, 0xfd, 0x52, ref selection @ .., _, 0x16] => {
            Some(Request::Select { selection })
        }
        [0x68, _, _, 0x68, 0x53 | 0x73, address, ci, .., _, 0x16] => Some(Request::Command { address, ci }),
        _ => None,
    }
}

/// Returns the length of the request that the bytes begin with; `None` until it is whole.
pub(super) fn request_length(bytes: &[u8]) -> Option<usize> {
    let length = match *bytes {
        [0x10, ..] => 5,
        [0x68, length, ..] => usize::from(length) + 6,
        [] | [0x68] => return None,
        // Not the beginning of a request.
        _ => 1,
    };
    (bytes.len() >= length).then_some(length)
}

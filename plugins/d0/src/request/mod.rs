//! Dialogue with meters that must be polled: IEC 62056-21, protocol modes A, B and C, data readout.
//!
//! ```text
//! reader  /?!  ──▶                        300 baud
//!         ◀──  /ISK5MT174-0001            300 baud; the 5 offers 9600
//!         060  ──▶                        300 baud; mode C only: `ACK 0 5 0`
//!         ◀──  STX data lines ! ETX BCC   9600 baud
//! ```

#[cfg(test)]
mod tests;

use std::{ops::Range, time::Duration};

use framework::AcquireError;
use telegram::{Answer, Conversation};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use transport::Connection;

use iec62056::{
    begins_code,
    framing::Framing,
    head::Head,
    reject::Excerpt,
    wire::{ACK, MAX_IDENT, STX},
};

/// Baud rate at which a meter is polled, unless it has one of its own.
pub(crate) const INITIAL_BAUD: u32 = 300;
/// Baud rates that the characters `0`, `1` … of mode C offer, and `A`, `B` … of mode B from 600 on.
const SPEEDS: [u32; 7] = [300, 600, 1200, 2400, 4800, 9600, 19_200];

/// Longest wait for an answer: a meter begins within 1.5 s, and adapters deliver bytes late.
const ANSWER: Duration = Duration::from_secs(2);
/// Time of the NULs that wake a meter with a battery, and of the pause before it can be polled.
const WAKE: Duration = Duration::from_millis(2200);
const AWAKENING: Duration = Duration::from_millis(1600);
/// Least time between a message and its answer.
const REACTION: Duration = Duration::from_millis(200);
/// The same for meters that declare to be quick.
const QUICK_REACTION: Duration = Duration::from_millis(20);

/// Most bytes up to the end of an ident line, the reflected request before it included.
const MAX_HEARD: usize = 4 * MAX_IDENT;
/// Most bytes before the readout: an acknowledgement that the head reflects, and garbage from the change of the baud
/// rate.
const MAX_STRAY: usize = 64;

/// Request to a meter.
#[derive(Debug)]
pub(crate) struct Request {
    /// Address of one of several meters on a line; an empty one asks any.
    pub(crate) address: String,
    /// Framing; `None` sends as the standard demands, and reads as the meter answers.
    pub(crate) framing: Option<Framing>,
    /// Baud rate of the request.
    pub(crate) baud: u32,
    /// Highest baud rate that is accepted (mode C): a meter that offers more stays at that of the request.
    pub(crate) max_baud: Option<u32>,
    /// NULs wake the meter before.
    pub(crate) wake_up: bool,
    /// Time from the acknowledgement to the change of the baud rate; `None` stands for a quarter of the reaction time.
    pub(crate) ack_delay: Option<Duration>,
}

/// Mode that the ident line promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The readout comes at the baud rate of the request.
    A,
    /// The readout comes at this baud rate.
    B(u32),
    /// It comes at this baud rate, if that is acknowledged with this character.
    C(u32, u8),
}

/// Ident line.
struct Ident {
    heard: Vec<u8>,
    /// Place of the line in `heard`, with its line end.
    place: Range<usize>,
    /// The same in plain characters.
    text: Vec<u8>,
    mode: Mode,
    reaction: Duration,
    /// Time of its end.
    at: Instant,
}

#[framework::async_trait]
impl Conversation for Request {
    async fn ask(&mut self, connection: &mut Connection) -> Result<Answer, AcquireError> {
        connection.set_baud(self.baud)?;
        if self.wake_up {
            let nuls = usize::try_from(u128::from(self.baud / 10) * WAKE.as_millis() / 1000).unwrap_or(0);
            connection.send(&self.framed(&vec![0; nuls])).await?;
            sleep(AWAKENING).await;
        }
        connection.discard()?;
        let request = self.framed(format!("/?{}!\r\n", self.address).as_bytes());
        connection.send(&request).await?;
        let ident = self.ident(connection, &request).await?;

        let may_change = connection.has_baud();
        let (letter, sent) = match ident.mode {
            Mode::A => ('A', Vec::new()),
            Mode::B(baud) => {
                connection.set_baud(baud)?;
                ('B', Vec::new())
            }
            Mode::C(offered, _) => {
                let wanted = may_change && self.max_baud.is_none_or(|most| offered <= most);
                ('C', self.acknowledge(connection, &ident, wanted || offered == self.baud).await?)
            }
        };
        let begun = begin(connection, &ident, &sent).await?;
        let mode = format!("mode {letter}, {} baud", connection.baud());
        Ok(Answer { mode: if may_change { mode.into() } else { format!("mode {letter}").into() }, begun })
    }
}

impl Request {
    /// Returns the bytes of a text on the line, read as 8N1.
    fn framed(&self, text: &[u8]) -> Vec<u8> {
        let odd = |byte: u8| (byte.count_ones() % 2) as u8;
        let parity = |byte: u8| match self.framing {
            Some(Framing::Eight) => 0,
            Some(Framing::SevenOdd) => 1 - odd(byte),
            Some(Framing::SevenEven) | None => odd(byte),
        };
        text.iter().map(|&byte| byte | parity(byte) << 7).collect()
    }

    /// Asks for the data readout, at the baud rate that the meter offers or at the present one. Returns the bytes sent.
    async fn acknowledge(
        &self,
        connection: &mut Connection,
        ident: &Ident,
        accepts: bool,
    ) -> Result<Vec<u8>, AcquireError> {
        let (character, speed) = match ident.mode {
            Mode::C(offered, character) if accepts => (character, offered),
            _ => (b'0', self.baud),
        };
        let ack = self.framed(&[ACK, b'0', character, b'0', b'\r', b'\n']);
        sleep_until(ident.at + ident.reaction).await;
        connection.send(&ack).await?;
        if speed != self.baud {
            // An adapter may still be sending when the system reports that all is sent; the meter in turn is silent for
            // its reaction time.
            sleep(self.ack_delay.unwrap_or(ident.reaction / 4)).await;
            connection.discard()?;
            connection.set_baud(speed)?;
        }
        Ok(ack)
    }

    /// Reads up to the end of the ident line.
    async fn ident(&self, connection: &mut Connection, request: &[u8]) -> Result<Ident, AcquireError> {
        let last = Instant::now() + ANSWER + time_of(MAX_HEARD, connection.baud());
        let mut heard = Vec::new();
        let place = loop {
            let more = read_by(connection, last.min(Instant::now() + ANSWER), &mut heard).await?;
            match find_ident(&heard) {
                Some(place) => break place,
                None if more && heard.len() < MAX_HEARD => {}
                None => return Err(no_ident(after(&heard, request))),
            }
        };
        let at = Instant::now();
        let ident = &heard[place.clone()];
        let framing = self.framing.unwrap_or_else(|| Framing::detect(ident));
        let mut text = Vec::new();
        if framing.read(ident, &mut text) > 0 {
            let reason = format!("the meter's ident line `{}` has parity errors", shown(&text));
            return Err(AcquireError::Malformed { reason });
        }
        let reaction =
            if text.get(3).is_some_and(u8::is_ascii_lowercase) { QUICK_REACTION } else { REACTION };
        let mode = Mode::of(text.get(4).copied().unwrap_or(b' '));
        Ok(Ident { heard, place, text, mode, reaction, at })
    }
}

impl Mode {
    fn of(character: u8) -> Self {
        let speed = |first: u8| SPEEDS.get(usize::from(character - first)).copied();
        let offered = match character {
            b'0'..=b'6' => speed(b'0').map(|baud| Self::C(baud, character)),
            b'A'..=b'F' => speed(b'A' - 1).map(Self::B),
            _ => None,
        };
        offered.unwrap_or(Self::A)
    }
}

/// Returns the ident line and the beginning of the readout.
async fn begin(connection: &mut Connection, ident: &Ident, sent: &[u8]) -> Result<Vec<u8>, AcquireError> {
    // In the other modes, bytes that came so soon are not the readout.
    let mut heard = match ident.mode {
        Mode::A => ident.heard[ident.place.end..].to_vec(),
        Mode::B(_) | Mode::C(..) => Vec::new(),
    };
    let last = Instant::now() + ANSWER + time_of(MAX_STRAY, connection.baud());
    let start = loop {
        if let Some(start) = find_readout(&heard) {
            break start;
        }
        let more = read_by(connection, last, &mut heard).await?;
        if heard.len() >= MAX_STRAY || !more {
            // A meter that sends no STX: its first line follows what the head reflected.
            let from = heard.len() - after(&heard, sent).len();
            let printable = |byte: &u8| matches!(byte & 0x7f, b'!'..=b'~' | STX);
            break heard[from..].iter().position(printable).map_or(heard.len(), |at| from + at);
        }
    };
    if start == heard.len() {
        let hint = match ident.mode {
            Mode::C(..) => ": another `ack_delay` may help",
            Mode::A | Mode::B(_) => "",
        };
        let reason = format!("the meter answers `{}`, and no readout follows{hint}", shown(&ident.text));
        return Err(AcquireError::Malformed { reason });
    }
    Ok([&ident.heard[ident.place.clone()], &heard[start..]].concat())
}

/// Adds the next bytes to `heard`; returns whether any came.
async fn read_by(
    connection: &mut Connection,
    last: Instant,
    heard: &mut Vec<u8>,
) -> Result<bool, AcquireError> {
    let mut chunk = [0; 64];
    match timeout_at(last, connection.read(&mut chunk)).await {
        Ok(count) => {
            heard.extend_from_slice(&chunk[..count?]);
            Ok(true)
        }
        Err(_) => Ok(false),
    }
}

/// Finds an ident line, with its line end.
fn find_ident(heard: &[u8]) -> Option<Range<usize>> {
    let ends = |from: usize| heard[from..].iter().position(|byte| byte & 0x7f == b'\n');
    let slashes = (0..heard.len()).filter(|&at| heard[at] & 0x7f == b'/');
    slashes.into_iter().find_map(|at| match Head::of(&heard[at..]) {
        Head::Ident(len) => ends(at + len).map(|end| at..at + len + end + 1),
        _ => None,
    })
}

/// Finds STX and the beginning of a data line.
fn find_readout(heard: &[u8]) -> Option<usize> {
    heard.windows(2).position(|pair| pair[0] & 0x7f == STX && begins_code(pair[1] & 0x7f))
}

/// Returns the bytes after the reader's own ones, which some heads reflect.
fn after<'a>(heard: &'a [u8], sent: &[u8]) -> &'a [u8] {
    let echo = if sent.is_empty() { None } else { memchr::memmem::find(heard, sent) };
    echo.map_or(heard, |at| &heard[at + sent.len()..])
}

fn no_ident(heard: &[u8]) -> AcquireError {
    if heard.is_empty() {
        return AcquireError::Silent { device: String::new(), waited: ANSWER };
    }
    let plain: Vec<_> = heard.iter().map(|byte| byte & 0x7f).collect();
    let reason = format!("the meter answers `{}`, which is not an ident line", shown(&plain));
    AcquireError::Malformed { reason }
}

fn shown(line: &[u8]) -> Excerpt {
    Excerpt::of(line.trim_ascii_end())
}

fn time_of(characters: usize, baud: u32) -> Duration {
    let bits = u32::try_from(characters).unwrap_or(u32::MAX).saturating_mul(10);
    Duration::from_secs(1) * bits / baud.max(1)
}

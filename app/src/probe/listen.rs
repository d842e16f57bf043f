//! Listening at one line.

use std::{io, time::Duration};

use framework::Reading;
use telegram::{
    Decoded, Description, Keys, Protocol, ProtocolRegistration, Recognizer, plugin_for, protocols,
};
use tokio::time::{Instant, timeout};
use transport::{Connection, Line, Parity};

use super::speed;

/// A pause of this length ends a burst of bytes.
const PAUSE: Duration = Duration::from_millis(150);
/// Time within which a first byte belongs to a burst that had begun before. Only text can be recognized in such a one.
const JOINED: Duration = Duration::from_millis(60);
/// Bytes that are looked at before they count as garbage.
const ENOUGH: usize = 24;
/// Time of listening for further meters, where one receiver hears several.
const GATHER: Duration = Duration::from_secs(8);
/// Longest wait for the rest of a telegram that flows when the listening ends: 700 bytes at 2400 baud.
const REST: Duration = Duration::from_secs(3);
/// Most bytes that are kept.
const MOST: usize = 64 * 1024;

/// Result of listening.
pub(super) enum Heard {
    /// A whole telegram, or one that a key is missing for.
    Telegram(Telegram),
    /// No telegram was whole, but the baud rate is right: this plugin reads its protocol.
    Part(&'static str),
    /// The baud rate is right, and no plugin reads this protocol.
    Foreign(Protocol),
    /// Bytes of no protocol: most likely the line is another one.
    Garbage,
    /// Bytes that were sent this many times as slowly.
    Slower(u32),
    Nothing,
}

/// A telegram, and the plugin that reads it.
pub(super) struct Telegram {
    pub(super) plugin: &'static str,
    pub(super) ident: Option<String>,
    pub(super) readings: Vec<Reading>,
    /// Description of an encrypted telegram.
    pub(super) description: Option<Description>,
}

impl Telegram {
    /// A telegram of which nothing is known but who reads it.
    pub(super) fn of(plugin: &'static str) -> Self {
        Self { plugin, ident: None, readings: Vec::new(), description: None }
    }

    /// Returns whether a receiver delivers it, which hears several meters.
    fn has_senders(&self) -> bool {
        self.description.as_ref().is_some_and(|description| !description.section.is_empty())
    }
}

/// Listens until the bytes are recognized, at most until `until`. A part of a telegram is enough where the whole one
/// does not follow in time; it may until `latest`.
pub(super) async fn listen(
    connection: &mut Connection,
    line: Line,
    mut until: Instant,
    latest: Instant,
) -> io::Result<Heard> {
    let began = Instant::now();
    let (mut bytes, mut recognizer) = (Vec::new(), Recognizer::default());
    let mut part = None;
    let mut joined = false;
    let mut chunk = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match timeout(left.min(PAUSE), connection.read(&mut chunk)).await {
            Ok(count) => {
                let count = count?;
                joined |= bytes.is_empty() && began.elapsed() < JOINED;
                bytes.extend_from_slice(&chunk[..count]);
                if let (None, Some(protocol)) = (part, recognizer.heard(&chunk[..count])) {
                    part = plugin_for(protocol);
                    if part.is_none() {
                        return Ok(Heard::Foreign(protocol));
                    }
                    until = until.max((until + REST).min(latest));
                }
                if part.is_none() && bytes.len() >= ENOUGH {
                    match speed::judge(&bytes, line) {
                        Some(times) if connection.has_baud() => return Ok(Heard::Slower(times)),
                        _ if line.parity == Parity::Even && speed::lacks_parity(&bytes) => {
                            return Ok(Heard::Garbage);
                        }
                        _ if !joined && !may_be_known(&bytes, &recognizer) => return Ok(Heard::Garbage),
                        _ => {}
                    }
                }
            }
            // A pause: the bytes so far can be judged.
            Err(_) => {
                match telegram(&bytes, part) {
                    // The next telegram is another meter's.
                    Some(telegram) if telegram.has_senders() => {
                        until = until.max(began + GATHER);
                        if Instant::now() >= until {
                            return Ok(Heard::Telegram(telegram));
                        }
                        part = Some(telegram.plugin);
                        continue;
                    }
                    Some(telegram) => return Ok(Heard::Telegram(telegram)),
                    None => {}
                }
                if bytes.len() > ENOUGH && part.is_none() && !joined {
                    return Ok(Heard::Garbage);
                }
                if let Some(plugin) = part {
                    return Ok(Heard::Part(plugin));
                }
                (joined, bytes, recognizer) = (false, Vec::new(), Recognizer::default());
            }
        }
        // A meter may not pause between its telegrams.
        if bytes.len() > MOST {
            return Ok(telegram(&bytes, part).map_or(Heard::Garbage, Heard::Telegram));
        }
        if Instant::now() >= until {
            return Ok(match (telegram(&bytes, part), part) {
                (Some(telegram), _) => Heard::Telegram(telegram),
                (None, Some(plugin)) => Heard::Part(plugin),
                (None, None) if bytes.is_empty() => Heard::Nothing,
                (None, None) => Heard::Garbage,
            });
        }
    }
}

/// Returns the last whole telegram in `bytes`, of any protocol, or an encrypted one. `part` is the plugin of what the bytes
/// show.
pub(super) fn telegram(bytes: &[u8], part: Option<&str>) -> Option<Telegram> {
    let mut all = protocols();
    all.sort_by_key(|protocol| Some(protocol.kind) != part);
    all.iter().find_map(|protocol| whole(protocol, bytes)).or_else(|| {
        let shown = all.iter().find(|protocol| Some(protocol.kind) == part);
        // Nothing but their telegrams shows what a receiver is.
        let received =
            || all.iter().filter_map(|protocol| encrypted(protocol, bytes)).find(Telegram::has_senders);
        shown.and_then(|protocol| encrypted(protocol, bytes)).or_else(received)
    })
}

/// Returns the last telegram that a plugin can read.
fn whole(protocol: &ProtocolRegistration, bytes: &[u8]) -> Option<Telegram> {
    let mut last = None;
    (protocol.decode)(bytes, &Keys::default(), &mut |found| {
        if let Decoded::Telegram { ident, readings, .. } = found {
            let readings = readings.into_iter().map(|decoded| decoded.reading).collect();
            last = Some(Telegram { ident, readings, ..Telegram::of(protocol.kind) });
        }
    });
    let described =
        last.as_ref().and(protocol.describe).and_then(|describe| describe(bytes, &Keys::default()));
    let description = described.filter(|description| !description.section.is_empty());
    last.map(|telegram| Telegram { description, ..telegram })
}

/// Returns a telegram that a plugin reads once it has the keys.
fn encrypted(protocol: &ProtocolRegistration, bytes: &[u8]) -> Option<Telegram> {
    let description = (protocol.describe?)(bytes, &Keys::default())?;
    let is_encrypted = !description.keys.is_empty();
    is_encrypted.then(|| Telegram {
        ident: description.ident.clone(),
        description: Some(description),
        ..Telegram::of(protocol.kind)
    })
}

/// Returns whether a protocol may show when more has come.
fn may_be_known(bytes: &[u8], recognizer: &Recognizer) -> bool {
    let inverted = || bytes.iter().map(|byte| !byte).collect::<Vec<_>>();
    is_text(bytes)
        || may_be_sml(bytes)
        || may_be_mbus(bytes)
        || may_be_radio(bytes)
        || is_text(&inverted())
        || recognizer.may_be_inverted()
}

/// Returns whether it is text of a meter, whatever its parity bits: printable, with many digits. A line that is read
/// much too fast shows runs of equal bits, which are printable now and then, but not digits.
fn is_text(bytes: &[u8]) -> bool {
    let characters = || bytes.iter().map(|byte| byte & 0x7f);
    let printable = characters().filter(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | 2 | 3)).count();
    let digits = characters().filter(u8::is_ascii_digit).count();
    printable * 20 >= bytes.len() * 19 && digits * 4 >= bytes.len()
}

/// Returns whether an escape sequence stands near the start, so that the rest of an SML file comes soon.
fn may_be_sml(bytes: &[u8]) -> bool {
    bytes.windows(4).take(ENOUGH).any(|window| window == [0x1b; 4])
}

/// Returns whether a frame of M-Bus begins near the start: its length comes twice. The rest is up to 255 bytes.
fn may_be_mbus(bytes: &[u8]) -> bool {
    bytes.windows(4).take(ENOUGH).any(|start| matches!(start, [0x68, a, b, 0x68] if a == b && *a > 2))
}

/// Returns whether a radio telegram begins near the start: sent without an answer (44), by a maker with three letters.
fn may_be_radio(bytes: &[u8]) -> bool {
    let is_letter = |word: u16, shift: u16| (1..=26).contains(&(word >> shift & 31));
    bytes.windows(3).take(ENOUGH).any(|start| {
        let maker = u16::from_le_bytes([start[1], start[2]]);
        start[0] == 0x44 && maker >> 15 == 0 && [0, 5, 10].into_iter().all(|shift| is_letter(maker, shift))
    })
}

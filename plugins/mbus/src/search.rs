//! Search for the meters on a bus: secondary addresses with wildcards, then the primary ones.

use std::{fmt, io, time::Duration};

use mbus::{
    Answer, AnswerError, Header, Order, SecondaryAddress, Selection,
    frame::{self, Frame},
    medium, request,
};
use transport::{Connection, Parity, Port};

use crate::{
    exchange::{Reply, ask},
    line::Line,
    timing::Timing,
};

/// Digits of a number on a meter.
const DIGITS: u32 = 8;
/// Time that a converter adds, of which a search takes no more than it must: it waits for hundreds of silences.
const LATENCY: Duration = Duration::from_millis(150);
/// Most meters on a line.
const MOST_METERS: usize = 250;

/// Meter that a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundMeter {
    /// Primary address.
    pub address: u8,
    /// Header of its answer; it has the secondary address, if the meter has one.
    pub header: Header,
}

impl FoundMeter {
    /// A meter with this primary address that sends no header.
    pub const fn without_header(address: u8) -> Self {
        Self { address, header: Header::NONE }
    }

    /// A meter with this primary address and the long header of an answer; `None` if that is not whole.
    pub fn of_header(address: u8, header: &[u8]) -> Option<Self> {
        let (header, _) = Header::long(header, Order::LowFirst).ok()?;
        Some(Self { address, header })
    }

    /// Returns a word for what it counts, for its name: `heat`, `water`.
    pub fn word(&self) -> &'static str {
        match self.header.address.map(|address| address.medium) {
            Some(0x02) => "electricity",
            Some(0x03) => "gas",
            Some(0x04 | 0x0c | 0x0d) => "heat",
            Some(0x06 | 0x15) => "warm_water",
            Some(0x07 | 0x16 | 0x17) => "water",
            Some(0x08) => "heat_cost",
            Some(0x0a | 0x0b) => "cooling",
            _ => "meter",
        }
    }
}

/// Number, maker, medium, version and primary address.
impl fmt::Display for FoundMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, header } = self;
        let Some(secondary) = header.address else { return write!(f, "a meter at address {address}") };
        let SecondaryAddress { id, manufacturer, version, medium } = secondary;
        let medium = medium::name(medium).unwrap_or("unknown medium");
        write!(f, "meter {id:08X} by {manufacturer}, {medium}, version {version}, address {address}")
    }
}

/// News of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchStep {
    /// These secondary addresses are tried now.
    Secondary(Selection),
    /// This primary address is tried now.
    Primary(u8),
    /// A meter has answered.
    Found(FoundMeter),
    /// Several meters answer at once at this primary address, and none can be understood.
    Collision(u8),
}

/// Searches the bus behind a port at a baud rate.
///
/// # Errors
///
/// Returns the error of the port.
pub async fn search(port: &Port, baud: u32, report: &mut dyn FnMut(SearchStep)) -> io::Result<()> {
    let mut connection = Connection::open(port, baud).await?;
    connection.set_parity(Parity::Even)?;
    search_line(&mut connection, Timing::new(baud, LATENCY, None), report).await
}

/// Searches a line.
pub(crate) async fn search_line(
    line: &mut impl Line,
    timing: Timing,
    report: &mut dyn FnMut(SearchStep),
) -> io::Result<()> {
    let mut search = Search { line, timing, report, found: Vec::new() };
    search.secondary().await?;
    search.primary().await
}

struct Search<'s, L> {
    line: &'s mut L,
    timing: Timing,
    report: &'s mut dyn FnMut(SearchStep),
    found: Vec<FoundMeter>,
}

/// What a selection has brought.
enum Selected {
    Nobody,
    /// One meter, and no other as far as can be heard.
    One(FoundMeter),
    Several,
}

impl<L: Line> Search<'_, L> {
    /// Walks the numbers digit by digit, from the first one, wherever several meters answer.
    async fn secondary(&mut self) -> io::Result<()> {
        // Selections yet to be tried, with the number of digits that are fixed.
        let mut open = vec![(Selection::ANY, 0)];
        while let Some((selection, fixed)) = open.pop() {
            if self.found.len() >= MOST_METERS {
                break;
            }
            (self.report)(SearchStep::Secondary(selection));
            match self.select(selection).await? {
                Selected::Nobody => {}
                Selected::One(meter) => self.add(meter),
                Selected::Several if fixed < DIGITS => {
                    // The last one is tried first. Letters in a number are rare, and come last.
                    let digits = (0..15).rev();
                    let shift = 4 * (DIGITS - 1 - fixed);
                    open.extend(digits.map(|digit| {
                        let id = selection.id & !(15 << shift) | digit << shift;
                        (Selection { id, ..selection }, fixed + 1)
                    }));
                }
                // Two meters with one number: their device types may differ.
                Selected::Several if selection.medium == u8::MAX => {
                    let types = (0..=0x3f).filter(|device_type| medium::name(*device_type).is_some());
                    open.extend(types.map(|medium| (Selection { medium, ..selection }, fixed)));
                }
                Selected::Several => {}
            }
        }
        Ok(())
    }

    async fn primary(&mut self) -> io::Result<()> {
        if !self.has_others().await? {
            return Ok(());
        }
        for address in 0..=request::HIGHEST {
            if self.found.iter().any(|meter| meter.address == address) {
                continue;
            }
            (self.report)(SearchStep::Primary(address));
            match ask(self.line, self.timing, &request::read(address, true)).await? {
                Reply::Frame(bytes) => match meter(&bytes) {
                    Some(meter) if meter.address == address => self.add(meter),
                    _ => {}
                },
                Reply::Damaged => (self.report)(SearchStep::Collision(address)),
                Reply::Ack | Reply::Silence => {}
            }
        }
        Ok(())
    }

    /// Returns whether the primary addresses may have further meters. All answer at 254, so that silence there, or one
    /// whole answer, saves the walk over 251 addresses.
    async fn has_others(&mut self) -> io::Result<bool> {
        match ask(self.line, self.timing, &request::read(request::ANY, true)).await? {
            Reply::Silence => Ok(false),
            Reply::Ack | Reply::Damaged => Ok(true),
            Reply::Frame(bytes) => {
                let Some(meter) = meter(&bytes) else { return Ok(true) };
                let more = self.hears_more().await?;
                if !more {
                    self.add(meter);
                }
                Ok(more)
            }
        }
    }

    async fn select(&mut self, selection: Selection) -> io::Result<Selected> {
        match ask(self.line, self.timing, &request::select(selection)).await? {
            Reply::Silence => return Ok(Selected::Nobody),
            Reply::Ack => {}
            Reply::Frame(_) | Reply::Damaged => return Ok(Selected::Several),
        }
        // Several meters may acknowledge in step; their answers are not equal.
        let bytes = match ask(self.line, self.timing, &request::read(request::SELECTED, true)).await? {
            Reply::Frame(bytes) => bytes,
            Reply::Silence => return Ok(Selected::Nobody),
            Reply::Ack | Reply::Damaged => return Ok(Selected::Several),
        };
        let Some(meter) = meter(&bytes) else { return Ok(Selected::Several) };
        let is_it = meter.header.address.is_none_or(|address| selection.matches(address));
        // A slower meter may answer after a fast one.
        let more = self.hears_more().await?;
        Ok(if is_it && !more { Selected::One(meter) } else { Selected::Several })
    }

    /// Returns whether more bytes come, within the time of an answer.
    async fn hears_more(&mut self) -> io::Result<bool> {
        let mut bytes = [0; frame::LONGEST];
        let deadline = tokio::time::Instant::now() + self.timing.answer();
        Ok(self.line.read(&mut bytes, deadline).await? > 0)
    }

    fn add(&mut self, meter: FoundMeter) {
        let address = meter.header.address;
        let is_known = address.is_some() && self.found.iter().any(|known| known.header.address == address);
        if !is_known {
            self.found.push(meter);
            (self.report)(SearchStep::Found(meter));
        }
    }
}

/// Returns the meter that sends an answer. One that reports an error is there, too.
fn meter(bytes: &[u8]) -> Option<FoundMeter> {
    let (_, frame @ Frame::Long { address, .. }) = frame::all(bytes).next()? else { return None };
    match Answer::parse(frame) {
        Ok(answer) => Some(FoundMeter { address, header: answer.header }),
        Err(AnswerError::Application(_)) => Some(FoundMeter::without_header(address)),
        Err(_) => None,
    }
}

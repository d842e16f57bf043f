//! Readout of one meter: selection, requests with the frame count bit, repeats, further parts.

use std::{io, time::Duration};

use framework::Reading;
use mbus::{
    Answer, AnswerError, Content, Header, SecondaryAddress, Selection,
    frame::{self, Frame},
    naming::Namer,
    request,
};

use crate::{
    exchange::{Reply, ask},
    line::Line,
    timing::Timing,
};

/// Number of times that a request is sent before the meter counts as silent.
const TRIES: u32 = 3;
/// Most parts of a readout: meters without the frame count bit send the same one for ever.
const MOST_PARTS: usize = 32;

/// Place of a meter on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Primary address.
    Primary(u8),
    /// Secondary address.
    Secondary(Selection),
}

impl Target {
    /// Returns the address of requests.
    fn address(self) -> u8 {
        match self {
            Self::Primary(address) => address,
            Self::Secondary(_) => request::SELECTED,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Primary(address) => write!(f, "address {address}"),
            Self::Secondary(selection) => write!(f, "secondary address {selection}"),
        }
    }
}

/// What is known of a meter's link between two readouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Frame count bit of the next request; `None` before the link was reset.
    frame_count: Option<bool>,
    /// Meter that answered last.
    identity: Option<SecondaryAddress>,
}

/// What a meter has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readout {
    /// Frames of the parts, as sent.
    parts: Vec<Vec<u8>>,
    /// Whether a part has a defect that the meter repeats.
    pub(crate) has_defect: bool,
}

/// Reason why a meter could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("it does not answer")]
    Silent,
    #[error(
        "its answers are damaged: are `baud`, the parity (8E1) and the wiring right? if two meters have this address, \
         give one of them another or read both by their secondary addresses (`smartmeter probe --mbus PORT` shows them)"
    )]
    Damaged,
    #[error("another meter answers")]
    OtherMeter,
    #[error("{0}")]
    Answer(AnswerError),
}

/// End of a readout without one.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The meter cannot be read.
    Failed(Failure),
    /// The line fails.
    Line(io::Error),
}

impl Link {
    /// Returns the meter that answered last.
    pub(crate) fn identity(&self) -> Option<SecondaryAddress> {
        self.identity
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Line(error)
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Reads all parts of a meter's readings.
///
/// # Errors
///
/// Returns an error if the meter or the line fails; the link is then reset before the next readout.
pub(crate) async fn read(
    line: &mut impl Line,
    timing: Timing,
    target: Target,
    link: &mut Link,
) -> Result<Readout, Ended> {
    let known = *link;
    let read = Session { line, timing, target, known }.read(link).await;
    if read.is_err() {
        link.frame_count = None;
    }
    read
}

/// Longest time of a readout without further parts, for limits of the whole.
pub(crate) fn longest(timing: Timing) -> Duration {
    (timing.answer() + timing.characters(2 * frame::LONGEST)) * 4 * TRIES
}

/// Sends the command that changes the speed of a meter. Whether it obeys shows at the new speed.
pub(crate) async fn change_speed(
    line: &mut impl Line,
    timing: Timing,
    target: Target,
    baud: u32,
) -> Result<(), Ended> {
    let Some(ci) = request::speed(baud) else { return Ok(()) };
    let mut session = Session { line, timing, target, known: Link::default() };
    session.select().await?;
    match session.ask(&request::command(target.address(), ci)).await? {
        Reply::Ack => Ok(()),
        _ => Err(Failure::Silent.into()),
    }
}

struct Session<'l, L> {
    line: &'l mut L,
    timing: Timing,
    target: Target,
    known: Link,
}

impl<L: Line> Session<'_, L> {
    async fn ask(&mut self, request: &[u8]) -> io::Result<Reply> {
        ask(self.line, self.timing, request).await
    }

    async fn read(&mut self, link: &mut Link) -> Result<Readout, Ended> {
        let mut frame_count = match self.known.frame_count {
            Some(frame_count) => frame_count,
            None => {
                self.reset().await?;
                true
            }
        };
        let mut readout = Readout { parts: Vec::new(), has_defect: false };
        while readout.parts.len() < MOST_PARTS {
            let part = self.part(frame_count, readout.parts.is_empty()).await?;
            frame_count = !frame_count;
            link.frame_count = Some(frame_count);
            let Some(judged) = Judged::of(&part.frame) else { return Err(Failure::Damaged.into()) };
            let is_repeated = readout
                .parts
                .iter()
                .any(|other| Judged::of(other).is_some_and(|other| other.content == judged.content));
            if is_repeated {
                break;
            }
            if judged.identity.is_some() {
                link.identity = judged.identity;
            }
            let more = judged.more;
            readout.has_defect |= judged.has_defect;
            readout.parts.push(part.frame);
            if !more {
                break;
            }
        }
        Ok(readout)
    }

    /// Resets the link, so that the frame count begins again. A meter that does not know the command says nothing.
    async fn reset(&mut self) -> io::Result<()> {
        if let Target::Primary(address) = self.target {
            self.ask(&request::reset(address)).await?;
        }
        Ok(())
    }

    /// Selects the meter, if it has a secondary address.
    async fn select(&mut self) -> Result<(), Ended> {
        let Target::Secondary(selection) = self.target else { return Ok(()) };
        match self.ask(&request::select(selection)).await? {
            Reply::Ack => Ok(()),
            Reply::Silence => Err(Failure::Silent.into()),
            Reply::Frame(_) | Reply::Damaged => Err(Failure::Damaged.into()),
        }
    }

    /// Asks for a part until it is right. The frame count bit stays the same, so that the meter repeats it.
    async fn part(&mut self, frame_count: bool, is_first: bool) -> Result<Part, Ended> {
        let request = request::read(self.target.address(), frame_count);
        let mut failure = Failure::Silent;
        let mut doubtful: Option<Part> = None;
        for _ in 0..TRIES {
            if is_first && let Err(ended) = self.select().await {
                match ended {
                    Ended::Failed(why) => failure = why,
                    Ended::Line(_) => return Err(ended),
                }
                continue;
            }
            let frame = match self.ask(&request).await? {
                Reply::Frame(frame) => frame,
                Reply::Silence => continue,
                Reply::Ack | Reply::Damaged => {
                    failure = Failure::Damaged;
                    continue;
                }
            };
            match self.judge(&frame) {
                Ok(true) => return Ok(Part { frame }),
                // A checksum of eight bits lets one damaged answer in 256 pass. What a meter really sends, it sends
                // again when the frame count bit stays.
                Ok(false) if doubtful.as_ref().is_some_and(|before| before.frame == frame) => {
                    return Ok(Part { frame });
                }
                Ok(false) => {
                    failure = Failure::Damaged;
                    doubtful = Some(Part { frame });
                }
                Err(why @ Failure::Answer(_)) => return Err(why.into()),
                Err(why) => failure = why,
            }
        }
        Err(failure.into())
    }

    /// Returns whether the answer is beyond doubt.
    fn judge(&self, frame: &[u8]) -> Result<bool, Failure> {
        let answer = answer(frame).ok_or(Failure::Damaged)?.map_err(Failure::Answer)?;
        let identity = answer.header.address;
        match self.target {
            // An answer that comes late is one of the meter before.
            Target::Primary(address) if address <= request::HIGHEST && answer.address != address => {
                return Err(Failure::OtherMeter);
            }
            Target::Secondary(selection) if !identity.is_none_or(|identity| selection.matches(identity)) => {
                return Err(Failure::OtherMeter);
            }
            _ => {}
        }
        let is_known = match (self.known.identity, identity) {
            (Some(known), Some(identity)) => known == identity,
            _ => true,
        };
        Ok(is_known && Judged::of(frame).is_some_and(|judged| !judged.has_defect))
    }
}

struct Part {
    frame: Vec<u8>,
}

/// Returns the answer in a frame; `None` if that is none.
fn answer(bytes: &[u8]) -> Option<Result<Answer<'_>, AnswerError>> {
    let (_, frame @ Frame::Long { .. }) = frame::all(bytes).next()? else { return None };
    Some(Answer::parse(frame))
}

/// What matters of an answer for the next request.
struct Judged<'a> {
    identity: Option<SecondaryAddress>,
    /// Records, without the header, whose access number counts up.
    content: &'a [u8],
    more: bool,
    has_defect: bool,
}

impl<'a> Judged<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (_, frame @ Frame::Long { data, .. }) = frame::all(bytes).next()? else { return None };
        let Answer { header, content, offset, .. } = Answer::parse(frame).ok()?;
        let mut judged =
            Self { identity: header.address, content: data.get(offset..)?, more: false, has_defect: false };
        if let Content::Records(mut records) = content {
            judged.has_defect = records.by_ref().any(|record| record.is_err());
            judged.more = records.more_follow();
        }
        Some(judged)
    }
}

impl Readout {
    /// Returns the header of the first part.
    pub(crate) fn header(&self) -> Header {
        let first = self.parts.first().and_then(|part| answer(part));
        first.and_then(Result::ok).map_or(Header::NONE, |answer| answer.header)
    }

    /// Returns the readings of all parts. Their names begin with that of the meter, if it has one.
    pub(crate) fn readings(&self, meter: Option<&str>) -> Vec<Reading> {
        let header = self.header();
        let mut namer = Namer::new(meter, header);
        for part in &self.parts {
            match answer(part).and_then(Result::ok).map(|answer| answer.content) {
                Some(Content::Records(records)) => {
                    // What follows a defect cannot be found.
                    records.map_while(Result::ok).for_each(|record| namer.add(&record));
                }
                Some(Content::Fixed(fixed)) => fixed.records().for_each(|record| namer.add(&record)),
                None => {}
            }
        }
        if let Some(status) = header.status {
            namer.add_status(status);
        }
        namer.into_readings()
    }
}

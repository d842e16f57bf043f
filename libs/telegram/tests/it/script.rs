//! Decoder of a protocol that is as simple as can be.
//!
//! A telegram is a line of registers, `1.8.0(123.4*kWh) 0-1:24.2.1(time)(5*m3)`. A line that begins with `!` is
//! rejected, with the rest as reason (`encrypted` is one that a key would help); other lines are noise.

use std::fmt;

use framework::{Decimal, Obis};
use telegram::{Decoder, Protocol, Register, RegisterTime, Rejected, Scanner, Telegram};

/// Word at the end of a telegram that is covered by a checksum.
pub(crate) const CHECKSUMMED: &str = "checksummed";

pub(crate) struct Script {
    scanner: Scanner,
    line: String,
}

impl Default for Script {
    fn default() -> Self {
        Self { scanner: Scanner::new(4096), line: String::new() }
    }
}

#[derive(Debug)]
pub(crate) struct Line<'a> {
    text: &'a str,
    offset: u64,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Decoder for Script {
    const PROTOCOLS: &'static [Protocol] = &[Protocol::Iec62056_21];
    const VARIANT: &'static str = "variant";
    type Telegram<'a> = Line<'a>;
    type Reason = Reason;

    fn is_misconfigured(reason: &Reason) -> bool {
        reason.0.starts_with("encrypted")
    }

    fn scanner(&mut self) -> &mut Scanner {
        &mut self.scanner
    }

    fn next(&mut self) -> Option<Result<Line<'_>, Rejected<Reason>>> {
        loop {
            let (start, finished) = (self.scanner.at, self.scanner.is_finished());
            let rest = &self.scanner[start..];
            let Some(len) = rest.iter().position(|byte| *byte == b'\n') else {
                let cut = finished && !rest.is_empty();
                if finished {
                    self.scanner.skip_rest();
                }
                let reason = Reason("it has no end".into());
                return cut.then_some(Err(Rejected { offset: self.scanner.offset(start), reason }));
            };
            self.line = String::from_utf8_lossy(&rest[..len]).into_owned();
            self.scanner.at += len + 1;
            let offset = self.scanner.offset(start);
            if let Some(reason) = self.line.strip_prefix('!') {
                return Some(Err(Rejected { offset, reason: Reason(reason.into()) }));
            }
            if sets(&self.line).all(|set| register(set).is_some()) && sets(&self.line).next().is_some() {
                return Some(Ok(Line { text: &self.line, offset }));
            }
        }
    }
}

impl Telegram for Line<'_> {
    fn ident(&self) -> Option<&str> {
        None
    }

    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        sets(self.text).filter_map(register).collect::<Vec<_>>().into_iter()
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn len(&self) -> usize {
        self.text.len() + 1
    }

    fn variant(&self) -> &'static str {
        "lines"
    }

    fn is_checksummed(&self) -> bool {
        self.text.ends_with(CHECKSUMMED)
    }
}

fn sets(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ').filter(|set| *set != CHECKSUMMED)
}

fn register(set: &str) -> Option<Register<'_>> {
    let (code, groups) = set.split_once('(')?;
    let (time, measured) = match groups.strip_suffix(')')?.split_once(")(") {
        Some((time, measured)) => (Some(RegisterTime { sent: time, utc: None }), measured),
        None => (None, groups.strip_suffix(')')?),
    };
    let (value, unit) =
        measured.split_once('*').map_or((measured, None), |(value, unit)| (value, Some(unit)));
    let number = Decimal::parse(value.as_bytes());
    Some(Register { value, unit, number, time, ..Register::new(code, Obis::parse(code.as_bytes())) })
}

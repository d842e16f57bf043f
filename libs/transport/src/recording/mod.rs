//! Recording of a device: a text file of its bytes and their times, to be read, attached to a report, or played again.
//!
//! ```text
//! # smartmeter recording 1: serial port, 9600 baud, 2024-02-29T12:34:56Z
//! 0.000000 2f45425a354444
//! 0.011204 33325230364554415f3130370d0a
//! ```
//!
//! The first line has the version of this format, the origin of the bytes, the baud rate, and the time of the
//! beginning. Each other line is a chunk: seconds since then, with up to six decimals, and its bytes in hexadecimal.
//! Lines that begin with `#` are remarks. Any other file is taken for raw bytes.

use std::{
    fmt,
    io::{self, BufRead, Read as _, Write},
    time::Duration,
};

/// First characters of a recording; the version follows.
const MARK: &str = "# smartmeter recording ";
const VERSION: &str = "1";
/// Most bytes of a chunk.
pub const MAX_CHUNK: usize = 4096;
/// Most characters of a line: a whole chunk in hexadecimal, and its time.
const MAX_LINE: usize = 2 * MAX_CHUNK + 64;
/// Time that a chunk of raw bytes takes.
const RAW_CHUNK: Duration = Duration::from_millis(20);
/// Bits of a character on the line: start bit, eight of the character, stop bit.
const BITS: u32 = 10;

/// Origin of recorded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A serial port.
    Serial,
    /// A TCP connection.
    Tcp,
    /// A file of raw bytes: the baud rate determines their times.
    File,
}

const ORIGINS: [(Origin, &str); 3] =
    [(Origin::Serial, "serial port"), (Origin::Tcp, "TCP"), (Origin::File, "file")];

/// First line of a recording. It does not name the port: nobody else needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Origin of the bytes.
    pub origin: Origin,
    /// Baud rate.
    pub baud: u32,
    /// Time of the beginning in UTC: `2024-02-29T12:34:56Z`.
    pub began: String,
}

impl Header {
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ", ");
        let (origin, baud, began) = (parts.next()?, parts.next()?, parts.next()?);
        let (origin, _) = ORIGINS.into_iter().find(|(_, name)| *name == origin)?;
        let baud = baud.strip_suffix(" baud")?.parse().ok().filter(|&baud| baud > 0)?;
        let is_time = began.len() <= 40 && began.bytes().all(|byte| byte.is_ascii_graphic());
        (is_time && !began.is_empty()).then(|| Self { origin, baud, began: began.to_owned() })
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin =
            ORIGINS.into_iter().find(|(origin, _)| *origin == self.origin).map_or("", |(_, name)| name);
        write!(f, "{MARK}{VERSION}: {origin}, {} baud, {}", self.baud, self.began)
    }
}

/// Bytes that came together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Time since the beginning of the recording.
    pub after: Duration,
    /// At least one, and at most [`MAX_CHUNK`].
    pub bytes: Vec<u8>,
}

/// Reader of a recording. It keeps one line at a time, however long the recording is.
#[derive(Debug)]
pub struct Recording<R> {
    reader: R,
    /// First line; `None` for raw bytes.
    header: Option<Header>,
    /// Present line; of a file of raw bytes, its first ones, which were looked at.
    line: Vec<u8>,
    /// Number of the line, from 1.
    number: u64,
    /// Time of the chunk before.
    after: Duration,
    /// Number of raw bytes so far, and in a second.
    raw: u64,
    per_second: u32,
}

impl<R: BufRead> Recording<R> {
    /// Reads the first line; raw bytes come as fast as `baud` would carry them.
    ///
    /// # Errors
    /// Returns any I/O error; `InvalidData` for a recording of another version, and for a damaged first line.
    pub fn new(mut reader: R, baud: u32) -> io::Result<Self> {
        let mut line = Vec::with_capacity(MARK.len());
        reader.by_ref().take(MARK.len() as u64).read_to_end(&mut line)?;
        let per_second = (baud / BITS).max(1);
        let is_raw = line != MARK.as_bytes();
        let mut recording =
            Self { reader, header: None, line, number: 0, after: Duration::ZERO, raw: 0, per_second };
        if !is_raw {
            recording.line.clear();
            recording.read_line()?;
            recording.header = Some(recording.first_line()?);
        }
        Ok(recording)
    }

    /// Returns the first line; `None` for raw bytes.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Returns the next chunk, `None` at the end.
    ///
    /// # Errors
    /// Returns any I/O error; `InvalidData` for a malformed line.
    pub fn next_chunk(&mut self) -> io::Result<Option<Chunk>> {
        if self.header.is_none() {
            return self.next_raw();
        }
        loop {
            self.line.clear();
            if !self.read_line()? {
                return Ok(None);
            }
            if !self.line.starts_with(b"#") {
                let chunk = chunk(&self.line).map_err(|why| self.wrong(why))?;
                if chunk.after < self.after {
                    return Err(self.wrong("its time is earlier than that of the chunk before it"));
                }
                self.after = chunk.after;
                return Ok(Some(chunk));
            }
        }
    }

    fn next_raw(&mut self) -> io::Result<Option<Chunk>> {
        let mut bytes = std::mem::take(&mut self.line);
        let count = Duration::from_secs(1).as_millis() / RAW_CHUNK.as_millis();
        let size = (self.per_second as usize / count as usize).clamp(1, MAX_CHUNK);
        let missing = size.saturating_sub(bytes.len());
        self.reader.by_ref().take(missing as u64).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.raw += bytes.len() as u64;
        let after = Duration::from_secs_f64(self.raw as f64 / f64::from(self.per_second));
        Ok(Some(Chunk { after, bytes }))
    }

    /// Reads a line without its end; returns `false` at the end of the file.
    fn read_line(&mut self) -> io::Result<bool> {
        self.number += 1;
        let mut limited = self.reader.by_ref().take(MAX_LINE as u64 + 2);
        let read = limited.read_until(b'\n', &mut self.line)?;
        if self.line.pop_if(|byte| *byte == b'\n').is_some() {
            // Mail programs and editors of some systems make a CR LF of it.
            self.line.pop_if(|byte| *byte == b'\r');
        }
        if self.line.len() > MAX_LINE {
            return Err(self.wrong("too long for a line of a recording"));
        }
        Ok(read > 0)
    }

    /// Reads what follows the mark.
    fn first_line(&self) -> io::Result<Header> {
        let line = String::from_utf8_lossy(&self.line);
        let (version, rest) = line.split_once(':').unwrap_or((&line, ""));
        if version != VERSION {
            let version: String = version.chars().take(20).collect();
            return Err(self.wrong(&format!(
                "unknown version `{version}` of recordings, expected {VERSION}: update smartmeter"
            )));
        }
        Header::parse(rest.trim_start()).ok_or_else(|| {
            self.wrong("expected an origin, such as `serial port, 9600 baud, 2024-02-29T12:34:56Z`")
        })
    }

    fn wrong(&self, why: &str) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {why}", self.number))
    }
}

/// Parses `12.345678 2f4542`.
fn chunk(line: &[u8]) -> Result<Chunk, &'static str> {
    const SHAPE: &str = "expected seconds, a blank and hexadecimal bytes: `1.250000 2f4542`";
    let blank = line.iter().position(|&byte| byte == b' ').ok_or(SHAPE)?;
    let (time, hex) = (&line[..blank], &line[blank + 1..]);
    let after = seconds(time).ok_or(SHAPE)?;
    let (pairs, rest) = hex.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("odd number of hexadecimal digits");
    }
    if pairs.is_empty() {
        return Err(SHAPE);
    }
    if pairs.len() > MAX_CHUNK {
        return Err("more than 4096 bytes");
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes = pairs.iter().map(byte).collect::<Option<_>>().ok_or(SHAPE)?;
    Ok(Chunk { after, bytes })
}

/// Parses `12` or `12.345678`.
fn seconds(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let number = |digits: &str, most: usize| {
        let good = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        if good { digits.parse::<u64>().ok() } else { None }
    };
    let micros = number(decimals, 6)? * 10u64.pow(6 - decimals.len() as u32);
    Some(Duration::from_secs(number(whole, 9)?) + Duration::from_micros(micros))
}

/// Writer of a recording.
#[derive(Debug)]
pub struct Recorder<W> {
    writer: W,
    line: String,
}

impl<W: Write> Recorder<W> {
    /// Writes the first line.
    ///
    /// # Errors
    /// Returns any I/O error.
    pub fn new(mut writer: W, header: &Header) -> io::Result<Self> {
        writeln!(writer, "{header}")?;
        Ok(Self { writer, line: String::new() })
    }

    /// Writes bytes that came `after` the beginning; times must not run backwards. More than [`MAX_CHUNK`] bytes become
    /// several chunks.
    ///
    /// # Errors
    /// Returns any I/O error.
    pub fn write(&mut self, after: Duration, bytes: &[u8]) -> io::Result<()> {
        use fmt::Write as _;
        for bytes in bytes.chunks(MAX_CHUNK) {
            self.line.clear();
            // Writing into a string cannot fail.
            let _ = write!(self.line, "{}.{:06} ", after.as_secs(), after.subsec_micros());
            bytes.iter().for_each(|byte| {
                let _ = write!(self.line, "{byte:02x}");
            });
            self.line.push('\n');
            self.writer.write_all(self.line.as_bytes())?;
        }
        Ok(())
    }

    /// Flushes the writer.
    ///
    /// # Errors
    /// Returns any I/O error.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests;

//! Lines of a program, with a limit for their length.

use std::{io, ops::Range};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 64 * 1024;
/// Most bytes without the end of a line. A program that writes more is ended.
pub const MAX_ENDLESS: usize = 1024 * 1024;
/// Bytes that are read at once. A stream that is idle holds no more than this.
const READ: usize = 1024;

/// Reader of lines. Dropping a call of [`next`](Self::next) loses nothing.
#[derive(Debug)]
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were returned already.
    taken: usize,
    /// Bytes of the buffer that have no end of a line.
    searched: usize,
    /// Bytes of a line that is too long, which are dropped; 0: none.
    dropped: usize,
    ended: bool,
}

/// Reason for a missing line.
#[derive(Debug)]
pub enum NoLine {
    /// The program closed its standard output.
    End,
    /// A line is longer than [`MAX_LINE`]: it is left out.
    TooLong,
    /// It is longer than [`MAX_ENDLESS`].
    Endless,
    /// Any other error.
    Failed(io::Error),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reader of what `input` returns.
    pub fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), taken: 0, searched: 0, dropped: 0, ended: false }
    }

    /// Waits for the next line, without its end. The last one need not have an end.
    ///
    /// # Errors
    /// Returns the reason for a missing line.
    pub async fn next(&mut self) -> Result<&[u8], NoLine> {
        let line = self.find().await?;
        Ok(&self.buffer[line])
    }

    async fn find(&mut self) -> Result<Range<usize>, NoLine> {
        loop {
            let unsearched = &self.buffer[self.searched.max(self.taken)..];
            if let Some(end) = unsearched.iter().position(|byte| *byte == b'\n') {
                let line = self.taken..self.searched.max(self.taken) + end;
                (self.taken, self.searched) = (line.end + 1, line.end + 1);
                match std::mem::take(&mut self.dropped) {
                    0 if line.len() > MAX_LINE => return Err(NoLine::TooLong),
                    0 => return Ok(line),
                    _ => continue,
                }
            }
            self.searched = self.buffer.len();
            let length = self.buffer.len() - self.taken;
            if self.ended {
                let line = self.taken..self.buffer.len();
                self.taken = line.end;
                return if line.is_empty() || self.dropped > 0 { Err(NoLine::End) } else { Ok(line) };
            }
            if self.dropped > 0 || length > MAX_LINE {
                let is_first = self.dropped == 0;
                self.dropped += length;
                self.forget();
                match self.dropped {
                    dropped if dropped > MAX_ENDLESS => return Err(NoLine::Endless),
                    _ if is_first => return Err(NoLine::TooLong),
                    _ => {}
                }
            }
            self.make_room();
            let read = self.input.read_buf(&mut self.buffer).await.map_err(NoLine::Failed)?;
            self.ended = read == 0;
        }
    }

    fn forget(&mut self) {
        self.buffer.clear();
        (self.taken, self.searched) = (0, 0);
    }

    fn make_room(&mut self) {
        if self.taken > 0 {
            self.buffer.drain(..self.taken);
            (self.taken, self.searched) = (0, self.searched - self.taken);
        }
        if self.buffer.is_empty() {
            self.buffer.shrink_to(READ);
        }
        if self.buffer.capacity() - self.buffer.len() < READ / 2 {
            self.buffer.reserve(READ.max(self.buffer.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines as they are read, and what is missing between them.
    async fn read(input: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(input);
        let mut found = Vec::new();
        loop {
            match lines.next().await {
                Ok(line) => found.push(String::from_utf8_lossy(line).chars().take(20).collect()),
                Err(NoLine::End) => return found,
                Err(NoLine::Endless) => {
                    found.push("endless".to_owned());
                    return found;
                }
                Err(other) => found.push(format!("{other:?}")),
            }
            assert!(lines.buffer.capacity() <= 4 * MAX_LINE, "{}", lines.buffer.capacity());
        }
    }

    #[tokio::test]
    async fn lines_end_with_a_line_feed_or_with_the_output() {
        assert_eq!(read(b"").await, [""; 0]);
        assert_eq!(read(b"a\n\nbc\r\nd").await, ["a", "", "bc\r", "d"]);
        let many: String = (0..5000).map(|n| format!("line {n}\n")).collect();
        let read = read(many.as_bytes()).await;
        assert_eq!((read.len(), &*read[4999]), (5000, "line 4999"));
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_left_out_and_takes_no_memory() {
        let long = vec![b'x'; MAX_LINE + 5000];
        let mixed = [b"a\n", &long[..], b"\nb\n", &long[..]].concat();
        assert_eq!(read(&mixed).await, ["a", "TooLong", "b", "TooLong"]);
        let longest = vec![b'y'; MAX_LINE];
        assert_eq!(read(&[&longest[..], b"\nb"].concat()).await, ["yyyyyyyyyyyyyyyyyyyy", "b"]);
        let endless = vec![b'x'; 3 * MAX_ENDLESS];
        assert_eq!(read(&[b"a\n", &endless[..]].concat()).await, ["a", "TooLong", "endless"]);
    }
}

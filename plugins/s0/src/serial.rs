//! Pulses that arrive as bytes: an S0 output on the receive pin of a serial port, or an adapter that
//! sends a byte for each pulse.

use std::{io, time::Duration};

use transport::{Connection, Port};

use crate::{
    clock,
    counter::{Pulses, Tally},
};

/// Open serial port, and the counter of its bytes.
#[derive(Debug)]
pub(crate) struct SerialInput {
    connection: Connection,
    buffer: Vec<u8>,
    bursts: Bursts,
}

impl SerialInput {
    /// Opens a port.
    ///
    /// # Errors
    /// Returns any I/O error; the text says what to do if that is known.
    pub(crate) async fn open(port: &Port, baud: u32, debounce: Duration, tally: Tally) -> io::Result<Self> {
        let connection = Connection::open(port, baud).await?;
        Ok(Self { connection, buffer: vec![0; 4096], bursts: Bursts { debounce, last: None, tally } })
    }

    /// Waits for bytes, and adds their pulses.
    ///
    /// # Errors
    /// Returns any I/O error; the port must be opened again then.
    ///
    /// # Cancel safety
    /// Nothing has been read when it is dropped.
    pub(crate) async fn pulses(&mut self, found: &mut Vec<Pulses>) -> io::Result<()> {
        let read = self.connection.read(&mut self.buffer).await?;
        found.extend(self.bursts.bytes(read as u64, clock::now()));
        Ok(())
    }
}

/// Counter of bytes: a burst without a pause of `debounce` is one pulse.
#[derive(Debug)]
struct Bursts {
    debounce: Duration,
    last: Option<Duration>,
    tally: Tally,
}

impl Bursts {
    /// Takes `count` bytes that were read together.
    ///
    /// The kernel does not stamp bytes, so bytes that are read together count as one burst. That includes those that
    /// waited for the port to be opened: pulses in them cannot be told from bursts.
    fn bytes(&mut self, count: u64, now: Duration) -> Option<Pulses> {
        let follows = self.last.is_some_and(|last| now.saturating_sub(last) < self.debounce);
        self.last = Some(now);
        let pulses = match count {
            _ if self.debounce.is_zero() => count,
            _ if follows => 0,
            _ => count.min(1),
        };
        self.tally.arrived.add(count);
        self.tally.bounces.add(count - pulses);
        (pulses > 0).then_some(Pulses { count: pulses, at: now })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn pulses(debounce: Duration, reads: &[(u64, u64)]) -> Vec<u64> {
        let mut bursts = Bursts { debounce, last: None, tally: Tally::default() };
        reads.iter().map(|(at, count)| bursts.bytes(*count, ms(*at)).map_or(0, |p| p.count)).collect()
    }

    #[test]
    fn a_burst_is_one_pulse() {
        assert_eq!(pulses(ms(10), &[(2000, 1), (2003, 2), (2012, 1), (2060, 3), (2120, 1)]), [1, 0, 0, 1, 1]);
    }

    #[test]
    fn without_debounce_every_byte_is_one() {
        assert_eq!(pulses(Duration::ZERO, &[(2000, 3), (2000, 1), (2001, 4095)]), [3, 1, 4095]);
    }
}

//! Input of a recording.

use std::{
    fs::File,
    io::{self, BufReader},
    time::Duration,
};

use framework::Timestamp;
use tokio::time::Instant;
use transport::{Chunk, Connection, Header, Line, MAX_CHUNK, Origin, Port, Recording};

/// Time within which bytes become one chunk, as a line of the file for each byte helps nobody.
const GATHER: Duration = Duration::from_millis(10);

/// Device, or a recording of one.
pub(super) enum Input {
    Device {
        connection: Connection,
        header: Header,
        began: Instant,
        gather_until: Instant,
    },
    /// Read as fast as possible; its chunks keep their times.
    Recording {
        recording: Box<Recording<BufReader<File>>>,
        header: Header,
    },
}

impl Input {
    pub(super) async fn open(port: &Port, line: Line) -> io::Result<Self> {
        let Line { baud, parity } = line;
        let header = |origin| Header { origin, baud, began: format!("{:.0}", Timestamp::now()) };
        let origin = match port {
            Port::Serial(_) => Origin::Serial,
            Port::Tcp(_) => Origin::Tcp,
            Port::Replay { file, .. } => {
                let recording = Box::new(Recording::new(BufReader::new(File::open(file)?), baud)?);
                let header = recording.header().cloned().unwrap_or_else(|| header(Origin::File));
                return Ok(Self::Recording { recording, header });
            }
        };
        let mut connection = Connection::open(port, baud).await?;
        connection.set_parity(parity)?;
        let now = Instant::now();
        Ok(Self::Device { connection, header: header(origin), began: now, gather_until: now })
    }

    pub(super) fn header(&self) -> Header {
        let (Self::Device { header, .. } | Self::Recording { header, .. }) = self;
        header.clone()
    }

    /// Waits for the next chunk, `None` at the end of a recording.
    ///
    /// It has read nothing when it is dropped early.
    pub(super) async fn next(&mut self) -> io::Result<Option<Chunk>> {
        match self {
            Self::Device { connection, began, gather_until, .. } => {
                connection.nap(*gather_until).await?;
                let mut bytes = vec![0; MAX_CHUNK];
                let count = connection.read(&mut bytes).await?;
                bytes.truncate(count);
                let now = Instant::now();
                *gather_until = now + GATHER;
                Ok(Some(Chunk { after: now - *began, bytes }))
            }
            Self::Recording { recording, .. } => {
                tokio::task::yield_now().await; // a signal ends this too
                recording.next_chunk()
            }
        }
    }
}

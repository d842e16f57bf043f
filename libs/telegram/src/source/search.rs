//! Phase of a source before its first telegram.

use framework::{AcquireError, Batch};
use tokio::time::Duration;
use transport::Connection;

use super::{Meter, Noise, PAUSE, Phase, misaligned};
use crate::{Decoder, Protocol, Recognizer, plugin_for};

/// Time without a byte after which a meter may be one to ask. The longest pause between pushed telegrams is that of a
/// P1 port of DSMR 4, ten seconds.
const LISTEN: Duration = Duration::from_secs(11);

/// State of the search for telegrams.
#[derive(Default)]
pub(super) struct Search {
    recognizer: Box<Recognizer>,
    /// Protocol of the newest bytes.
    shown: Option<Protocol>,
    /// Bytes of another plugin's protocol arrive.
    pub(super) foreign: bool,
    /// The meter was polled since the port was opened, and did not answer.
    pub(super) polled: bool,
}

impl Search {
    /// Looks at bytes that came.
    pub(super) fn heard(&mut self, bytes: &[u8]) {
        self.shown = self.recognizer.heard(bytes);
    }

    /// Forgets the bytes so far.
    pub(super) fn reset(&mut self) {
        (self.recognizer, self.shown) = (Box::default(), None);
    }
}

impl<D: Decoder> Meter<D> {
    /// Waits for bytes; changes the baud rate when they make no telegram, and polls the meter when none come. Returns
    /// its answer.
    pub(super) async fn search(
        &mut self,
        connection: &mut Connection,
    ) -> Result<Option<Batch>, AcquireError> {
        let Phase::Searching(search) = &self.phase else { return Ok(None) };
        let may_ask = self.polling.is_some() && !search.polled;
        let (pending, noisy) = (self.reader.scanner().is_pending(), self.noise.bytes() > 0);
        let patience = match self.settings.silent_after {
            silent_after if pending && self.rests() => silent_after.min(LISTEN),
            _ if pending || noisy => PAUSE,
            silent_after if may_ask => silent_after.min(LISTEN),
            silent_after => silent_after,
        };
        if self.read(connection, self.heard + patience).await? {
            self.recognize()?;
            if self.noise.is_long(true) {
                self.next_line(connection)?;
            }
        } else if pending {
            self.pause();
        } else if noisy {
            self.next_line(connection)?;
        } else if may_ask {
            return self.ask_silent(connection).await;
        } else {
            return Err(self.silent());
        }
        Ok(None)
    }

    /// Fails when the bytes are those of another plugin's protocol.
    fn recognize(&mut self) -> Result<(), AcquireError> {
        let Phase::Searching(search) = &mut self.phase else { return Ok(()) };
        let Some(protocol) = search.shown.take() else { return Ok(()) };
        self.noise = Noise::default(); // the baud rate is right
        if D::PROTOCOLS.contains(&protocol) {
            return Ok(());
        }
        search.reset();
        search.foreign = true;
        let port = &self.settings.port;
        let ours = D::PROTOCOLS.first().copied();
        let hint = match (plugin_for(protocol), ours.and_then(plugin_for)) {
            (Some(right), Some(wrong)) => {
                format!("write `plugin = \"{right}\"` instead of `plugin = \"{wrong}\"`")
            }
            _ => {
                let ours = ours.map_or("", Protocol::family);
                format!("this plugin reads {ours}; {}", protocol.advice())
            }
        };
        Err(AcquireError::Misconfigured { reason: format!("the meter on {port} sends {protocol}: {hint}") })
    }

    /// Listens at the next line; fails after the last one, and where there is no other.
    pub(super) fn next_line(&mut self, connection: &mut Connection) -> Result<(), AcquireError> {
        let count = self.settings.lines.len();
        if count < 2 || !connection.has_baud() {
            return Err(self.no_telegram(connection));
        }
        self.place = (self.place + 1) % (count + self.foreign.len());
        self.set_line(connection)?;
        self.reader.scanner().reset();
        self.noise = Noise::default();
        if let Phase::Searching(search) = &mut self.phase {
            search.reset();
        }
        if self.place > 0 {
            return Ok(());
        }
        let (port, bauds) = (&self.settings.port, self.settings.lines.iter().map(|line| line.baud));
        let (least, most) = (bauds.clone().min(), bauds.max());
        let (least, most) = (least.unwrap_or_default(), most.unwrap_or_default());
        Err(misaligned::<D>(&format!(
            "bytes arrive from {port}, but no telegram at any baud rate from {least} to {most}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_shows_across_chunks() {
        let mut search = Search::default();
        let start = b"noise\x1b\x1b\x1b\x1b\x01\x01\x01\x01";
        let (last, first) = start.split_last().unwrap();
        for byte in first {
            search.heard(&[*byte]);
            assert_eq!(search.shown, None);
        }
        search.heard(&[*last]);
        assert_eq!(search.shown, Some(Protocol::Sml));
        search.reset();
        for _ in 0..100 {
            search.heard(&[0xaa; 1000]);
            assert_eq!(search.shown, None);
        }
    }
}

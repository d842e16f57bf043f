//! Meters that are heard and not in the configuration: for `/health`, so that one can be picked.

use std::fmt::Write as _;

use framework::Timestamp;
use mbus::{SecondaryAddress, radio::Outline};

use crate::meters::described;

/// Strangers that are remembered: a receiver hears those of a whole block of flats.
const MAX: usize = 64;
/// Bytes of the text.
const MAX_TEXT: usize = 900;

/// Meters that are not in the configuration, the one that was heard last at the end.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    heard: Vec<Stranger>,
}

#[derive(Debug)]
struct Stranger {
    address: SecondaryAddress,
    is_encrypted: bool,
    time: Timestamp,
    rssi: Option<i16>,
}

impl Strangers {
    /// Notes a telegram.
    pub(crate) fn heard(&mut self, outline: &Outline, rssi: Option<i16>, time: Timestamp) {
        let stranger =
            Stranger { address: outline.address(), is_encrypted: outline.is_encrypted(), time, rssi };
        let known = self.heard.iter().rposition(|known| known.address == stranger.address);
        if let Some(place) = known.or((self.heard.len() == MAX).then_some(0)) {
            self.heard.remove(place);
        }
        self.heard.push(stranger);
    }
}

/// The newest first: `12345678-KAM-1B-07 water, encrypted, 12:00:00Z, -67 dBm; …`.
impl std::fmt::Display for Strangers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for (i, Stranger { address, is_encrypted, time, rssi }) in self.heard.iter().rev().enumerate() {
            if text.len() > MAX_TEXT {
                let _ = write!(text, "; and {} more", self.heard.len() - i);
                break;
            }
            // Writing into a string cannot fail.
            let _ = write!(text, "{}{}", if i > 0 { "; " } else { "" }, described(*address));
            let _ = write!(text, "{}, {time:.0}", if *is_encrypted { ", encrypted" } else { "" });
            if let Some(rssi) = rssi {
                let _ = write!(text, ", {rssi} dBm");
            }
        }
        f.write_str(&text)
    }
}

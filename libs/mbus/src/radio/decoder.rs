//! Decoder of telegrams: it knows the layouts of compact ones, and the telegrams that came before.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{
    crypto::AesKey,
    frame::Format,
    history::History,
    layout::{Layouts, Survey},
    reject::{Evidence, Reason},
    telegram::{Content, Encryption, Failure, Outline, open},
};

/// Decoder of the telegrams of any number of meters. Its memory is bounded, whatever arrives.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    layouts: Layouts,
    history: History,
    records: Vec<u8>,
}

/// Telegram that may be trusted.
#[derive(Clone, Copy, Debug)]
pub struct Telegram<'a> {
    /// Its addresses and the fields of its headers.
    pub outline: Outline,
    /// Records: [`records`](crate::records). Those of a compact telegram are as in the full one.
    pub records: &'a [u8],
}

impl Decoder {
    /// Opens a telegram without its checksums. `key` returns the key of the meter, and `format` is the form in which the
    /// telegram has arrived: what had no checksum must be whole.
    ///
    /// # Errors
    /// Returns the reason for which it is not read, and what it tells all the same.
    pub fn open(
        &mut self,
        frame: &[u8],
        format: Format,
        mut key: impl FnMut(&Outline) -> Option<AesKey>,
    ) -> Result<Telegram<'_>, Failure> {
        let (outline, content) = open(frame, &mut key, &mut self.records)?;
        match self.check(&outline, content, format) {
            Ok(()) => Ok(Telegram { outline, records: &self.records }),
            Err(reason) => Err(Failure { outline: Some(outline), reason }),
        }
    }

    fn check(&mut self, outline: &Outline, content: Content, format: Format) -> Result<(), Reason> {
        if content == Content::Compact {
            self.layouts.restore(outline.meter, &mut self.records)?;
        }
        let survey = Survey::of(&self.records);
        match outline.encryption {
            _ if survey.is_whole => {}
            // Two bytes show the key: the rest must confirm it.
            Encryption::Mode(_) => return Err(Reason::WrongKey(Evidence::Records)),
            _ if format == Format::Bare => return Err(Reason::Records),
            // The meter itself has sent it like this. Its first records are right.
            _ => {}
        }
        if survey.is_empty {
            return Err(Reason::NoData);
        }
        let mut hasher = DefaultHasher::new();
        self.records.hash(&mut hasher);
        self.history.record(outline, hasher.finish())?;
        if content == Content::Full {
            self.layouts.learn(outline.meter, &survey, &self.records);
        }
        Ok(())
    }
}

//! Data notification: number, time, list of values (IEC 62056-5-3, clause 9.4.6.7).

use crate::{
    axdr::{Dialect, Fault, Items},
    clock::{self, Clock},
    reject::Reason,
};

/// Tag of a data notification.
pub(crate) const NOTIFICATION: u8 = 0x0f;

/// What goes before the list of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Time of the notification.
    pub(crate) clock: Option<Clock>,
    /// Place of the list.
    pub(crate) body: usize,
}

impl Head {
    /// Reads the beginning of a notification.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        // Tag, and the number of the invocation.
        const TIME: usize = 5;
        let Some(rest) = bytes.get(TIME..) else { return Err(Fault::Cut) };
        let place = match *rest {
            [] | [0x09] => return Err(Fault::Cut),
            [0x00, ..] => return Ok(Self { clock: None, body: TIME + 1 }),
            [0x0c, ..] => TIME + 1,
            // Some meters write the type of an octet string before its length.
            [0x09, 0x0c, ..] => TIME + 2,
            _ => return Err(Fault::At(TIME)),
        };
        match bytes.get(place..place + clock::LEN) {
            Some(time) => Ok(Self { clock: Clock::read(time), body: place + clock::LEN }),
            None => Err(Fault::Cut),
        }
    }
}

/// Reads a notification that takes up all of `bytes`, and its values into `items`.
pub(crate) fn read(bytes: &[u8], dialect: Dialect, items: &mut Items) -> Result<Head, Reason> {
    let reason = |fault| match fault {
        Fault::Cut => Reason::Length,
        Fault::At(at) => Reason::Structure { at },
    };
    let head = Head::read(bytes).map_err(reason)?;
    let end = items.read(bytes, head.body, dialect).map_err(reason)?;
    if end == bytes.len() { Ok(head) } else { Err(Reason::Length) }
}

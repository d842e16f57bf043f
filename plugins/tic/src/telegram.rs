//! Telegram that arrived with its end.

use telegram::{Register, RegisterTime};

use crate::{
    group::Group,
    labels::{Label, Mode},
    registers::Extra,
};

/// Groups of one telegram that are right, borrowed from the [`Decoder`](crate::decoder::Decoder) that found it.
#[derive(Clone, Copy, Debug)]
pub struct Telegram<'a> {
    pub(crate) offset: u64,
    pub(crate) len: usize,
    /// Mode of the meter.
    pub mode: Mode,
    /// Whether it has what is computed from the groups.
    pub(crate) completed: bool,
    pub(crate) text: &'a str,
    pub(crate) groups: &'a [Group],
    pub(crate) extras: &'a [Extra],
}

impl<'a> Telegram<'a> {
    fn register(&self, place: usize) -> Register<'a> {
        let Some(group) = self.groups.get(place) else {
            let extra = self.extras.get(place - self.groups.len());
            return extra.map_or(Register::new("", None), Extra::register);
        };
        let Label { text: code, name, kind, .. } = &self.mode.labels()[group.label];
        let label = &self.mode.labels()[group.label];
        let time = group.stamp.map(|(sent, utc)| RegisterTime { sent: sent.of(self.text), utc });
        let sent = group.value.of(self.text);
        let value = match (self.completed, group.word, time) {
            (false, ..) => sent,
            (true, Some(word), _) => word,
            // That of the clock is its stamp.
            (true, None, Some(time)) if sent.is_empty() => time.sent,
            (true, None, _) => sent,
        };
        Register {
            value,
            unit: label.unit(),
            number: group.number,
            time,
            name: Some(*name).filter(|name| !name.is_empty()),
            kind: *kind,
            ..Register::new(code, self.mode.index().obis(group.label, self.completed))
        }
    }
}

impl telegram::Telegram for Telegram<'_> {
    /// Returns the address of the meter, which is the number on it.
    fn ident(&self) -> Option<&str> {
        let address = |group: &&Group| matches!(self.mode.labels()[group.label].text, "ADCO" | "ADSC");
        self.groups.iter().find(address).map(|group| group.value.of(self.text))
    }

    fn registers(&self) -> impl ExactSizeIterator<Item = Register<'_>> {
        (0..self.groups.len() + self.extras.len()).map(|place| self.register(place))
    }

    /// Returns the position of its STX.
    fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the length from STX to ETX.
    fn len(&self) -> usize {
        self.len
    }

    fn variant(&self) -> &'static str {
        self.mode.name()
    }

    /// Returns `true`: each group has a check, and a label and a width that are known. So which groups there are is no
    /// matter of what was there before: a meter leaves out what it has no value of, as the decoder does with damage.
    fn is_checksummed(&self) -> bool {
        true
    }
}

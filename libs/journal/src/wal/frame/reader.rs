//! Reader of the frames of a segment.

use std::{collections::BTreeMap, ops::Range};

use super::{
    BATCH, COUNTER_SET, CURSOR, EPOCH, HEADER, LAYOUT, STATE, SYNCED, TIME_CORRECTION, WHOLE_BATCH,
    last::Last, open, stated, unframe,
};
use crate::{
    series::SeriesName,
    time::{Epoch, Micros, TimeCorrection},
    varint::Input,
    wal::{Column, CounterSet, Entry, Layout, Position},
};
use reading::{Decimal, Obis, Text};

/// Visits every entry of a segment that can be read, in order. Returns how many bytes are before the first one that
/// cannot.
pub(crate) fn entries(bytes: &[u8], visit: impl FnMut(Entry<'_>)) -> usize {
    entries_and_gaps(bytes, visit).first().map_or(bytes.len(), |gap| gap.bytes.start)
}

/// Bytes of a segment that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) bytes: Range<usize>,
    /// Time of the last batch before it.
    pub(crate) after: Option<Micros>,
    /// Time of the first batch that can be read again.
    pub(crate) before: Option<Micros>,
}

/// Visits every entry of a segment that can be read, in order. Returns what is damaged between them; the end may have
/// been torn by a power cut.
pub(crate) fn entries_and_gaps(bytes: &[u8], mut visit: impl FnMut(Entry<'_>)) -> Vec<Gap> {
    let gap = |bytes, after| Gap { bytes, after, before: None };
    let Some((_, mut reader)) = open(bytes) else { return vec![gap(0..bytes.len(), None)] };
    let (mut at, mut gaps) = (HEADER, Vec::<Gap>::new());
    while at < bytes.len() {
        let rest = &bytes[at..];
        match unframe(rest) {
            Ok((payload, after)) if reader.entry(payload, &mut visit).is_some() => {
                at += rest.len() - after.len();
                if let Some(gap) = gaps.last_mut() {
                    gap.before = gap.before.or(reader.time);
                }
            }
            // The next whole frame may begin at any byte.
            _ => {
                match gaps.last_mut().filter(|gap| gap.bytes.end == at) {
                    Some(gap) => gap.bytes.end += 1,
                    None => {
                        let last = reader.time.take().or(gaps.last().and_then(|gap| gap.after));
                        gaps.push(gap(at..at + 1, last));
                    }
                }
                reader.lose();
                at += 1;
            }
        }
    }
    gaps
}

/// Reads the frames of one segment, from the first one on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    version: u8,
    layouts: BTreeMap<u64, Known>,
    /// Time of the last batch.
    time: Option<Micros>,
    /// Whether a frame was lost, so that nobody knows how many layouts there were.
    lost: bool,
}

#[derive(Debug, Clone)]
struct Known {
    last: Last,
    /// Whether a batch may be missing, to which the next one is the difference.
    unknown: bool,
}

impl Reader {
    /// Returns a reader of a segment of this version.
    pub(super) fn new(version: u8) -> Self {
        Self { version, ..Self::default() }
    }

    /// Notes that a frame is lost.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
        self.layouts.values_mut().for_each(|known| known.unknown = true);
    }

    /// Passes the entry of the next frame to `visit`, if it has one that can be understood. `None`: it is damaged.
    pub(crate) fn entry(&mut self, payload: &[u8], visit: impl FnOnce(Entry<'_>)) -> Option<()> {
        let layouts = &mut self.layouts;
        let mut input = Input(payload);
        match input.byte()? {
            LAYOUT => {
                let index = if self.version > 2 { input.unsigned()? } else { layouts.len() as u64 };
                let layout = layout(&mut input, self.version > 1)?;
                if self.version > 2 || !self.lost {
                    layouts.insert(index, Known { last: Last::new(layout), unknown: false });
                }
            }
            kind @ (BATCH | WHOLE_BATCH) => {
                let known = layouts.get_mut(&input.unsigned()?);
                let Some(Known { last, unknown }) = known else { return self.lost.then_some(()) };
                if kind == WHOLE_BATCH {
                    last.reset();
                    *unknown = false;
                }
                if *unknown {
                    return Some(());
                }
                let delta = input.signed()?.wrapping_add(last.period);
                last.advance(last.time.wrapping_add(delta), delta);
                for mantissa in &mut last.mantissas {
                    *mantissa = mantissa.wrapping_add(input.signed()?);
                }
                self.time = Some(last.time);
                visit(Entry::Batch { layout: &last.layout, time: last.time, mantissas: &last.mantissas });
            }
            COUNTER_SET => {
                let [section, name, unit] = [input.text()?, input.text()?, input.text()?].map(Text::from);
                let time = input.signed()?;
                let mut value = || Decimal::new(input.signed()?, input.byte()?);
                let (before, after) = (value()?, value()?);
                let series = SeriesName { section, name, unit };
                visit(Entry::CounterSet(CounterSet { series, time, before, after }));
            }
            TIME_CORRECTION => visit(Entry::TimeCorrection(TimeCorrection {
                since: input.signed()?,
                delta: input.signed()?,
            })),
            EPOCH => visit(Entry::Epoch(Epoch {
                boot: input.text()?.into(),
                since: input.signed()?,
                wall_offset: input.signed()?,
                offset: input.signed()?,
                confirmed: input.byte()? != 0,
            })),
            CURSOR => visit(Entry::Cursor {
                publisher: input.text()?.into(),
                position: Position { segment: input.unsigned()?, offset: input.unsigned()? },
            }),
            SYNCED => visit(Entry::Synced { bytes: input.unsigned()? }),
            STATE => {
                let section = input.text()?.into();
                visit(Entry::State { section, state: std::mem::take(&mut input.0) });
            }
            _ => return None,
        }
        input.is_empty().then_some(())
    }
}

fn layout(input: &mut Input<'_>, kinds: bool) -> Option<Layout> {
    let section = input.text()?.into();
    let columns = usize::try_from(input.unsigned()?).ok()?;
    let column = |_| {
        let [name, unit, obis] = [input.text()?, input.text()?, input.text()?].map(Text::from);
        let scale = input.byte()?;
        let code = Obis::parse(obis.as_bytes());
        let (kind, medium) = if kinds { stated(input.byte()?)? } else { (None, None) };
        Decimal::new(0, scale).map(|_| Column { name, unit, obis, code, kind, medium, scale })
    };
    let columns = (0..columns).map(column).collect::<Option<_>>()?;
    Some(Layout { section, columns })
}

//! Bytes of a segment: frames, each with a checksum, so that a torn end is seen.
//!
//! ```text
//! segment = magic "smtail", version 2, line feed · number (u64, little endian) · frames
//! frame   = length of the payload · payload · CRC-32 (ISO-HDLC) of the payload, little endian
//! payload = 0 layout: section, columns (name, unit, OBIS code, scale, kind)
//!         | 1 batch: index of its layout among those before, time, a mantissa for each column
//!         | 2 counter set: section, name, unit, time, before (mantissa, scale), after (the same)
//!         | 3 time correction: since, delta
//!         | 4 epoch: boot, since, wall offset, offset, confirmed
//!         | 5 cursor: publisher, segment, offset
//! kind    = 0 not stated | 1 counter | 2 net | 3 gauge | 4 maximum | 5 state
//! ```
//!
//! Version 1, which is still read, has no kinds.
//!
//! Integers are variable (see `varint`). Within a layout, times are delta-of-delta encoded, mantissas delta
//! encoded. A batch of eight registers a second takes about twenty bytes.

use std::collections::HashMap;

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::{
    series::SeriesName,
    time::{Epoch, Micros, TimeCorrection},
    varint::{Input, put, put_signed, put_text},
    wal::{Column, CounterSet, Entry, Layout, Position},
};
use reading::{Decimal, Kind, Obis, Text};

const MAGIC: [u8; 8] = *b"smtail\x02\n";
/// Version of the segments that are written.
const VERSION: u8 = 2;
/// Place of the version in the magic.
const VERSION_AT: usize = 6;
/// Kinds by their bytes.
const KINDS: [Option<Kind>; 6] =
    [None, Some(Kind::Counter), Some(Kind::Net), Some(Kind::Gauge), Some(Kind::Maximum), Some(Kind::State)];
/// Magic and number.
pub(crate) const HEADER: usize = 16;
pub(crate) const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

const LAYOUT: u8 = 0;
const BATCH: u8 = 1;
const COUNTER_SET: u8 = 2;
const TIME_CORRECTION: u8 = 3;
const EPOCH: u8 = 4;
const CURSOR: u8 = 5;

/// Returns the first bytes of a segment.
pub(crate) fn header(number: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&number.to_le_bytes());
    out
}

/// Reads the first bytes of a segment: its number, and a reader of its version. `None` if it is not a segment.
pub(crate) fn open(bytes: &[u8]) -> Option<(u64, Reader)> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let version = magic[VERSION_AT];
    let mut expected = MAGIC;
    expected[VERSION_AT] = version;
    let known = *magic == expected && (1..=VERSION).contains(&version);
    let number = u64::from_le_bytes(*rest.first_chunk()?);
    known.then(|| (number, Reader { kinds: version > 1, layouts: Vec::new() }))
}

/// One number of a batch that is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell<'a> {
    pub(crate) name: &'a Text,
    pub(crate) unit: &'a Text,
    pub(crate) obis: &'a Text,
    pub(crate) kind: Option<Kind>,
    pub(crate) value: Decimal,
}

/// Last batch of a layout, as both writer and reader know it.
#[derive(Debug, Clone)]
struct Last {
    layout: Layout,
    time: Micros,
    /// Between the last two; 0 before the second one.
    period: Micros,
    mantissas: Vec<i64>,
}

impl Last {
    fn new(layout: Layout) -> Self {
        let mantissas = vec![0; layout.columns.len()];
        Self { layout, time: 0, period: 0, mantissas }
    }

    /// Takes the time of a batch. Returns its difference to the expected time.
    fn surprise(&mut self, time: Micros) -> i64 {
        let delta = time.wrapping_sub(self.time);
        let surprise = delta.wrapping_sub(self.period);
        self.advance(time, delta);
        surprise
    }

    fn advance(&mut self, time: Micros, delta: Micros) {
        // The first difference is the time itself, and no period.
        self.period = if self.time == 0 { 0 } else { delta };
        self.time = time;
    }
}

/// Writes the frames of one segment.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    layouts: Vec<Last>,
    of_section: HashMap<Text, Vec<usize>>,
    payload: Vec<u8>,
    mantissas: Vec<i64>,
    batches: u64,
}

impl Encoder {
    /// Returns how many batches were appended.
    pub(crate) fn batches(&self) -> u64 {
        self.batches
    }

    /// Appends a batch.
    pub(crate) fn batch(&mut self, out: &mut Vec<u8>, section: &Text, time: Micros, cells: &[Cell<'_>]) {
        let index = self.layout(out, section, cells);
        let last = &mut self.layouts[index];
        self.payload.clear();
        self.payload.push(BATCH);
        put(&mut self.payload, index as u64);
        put_signed(&mut self.payload, last.surprise(time));
        for (old, new) in last.mantissas.iter_mut().zip(&self.mantissas) {
            put_signed(&mut self.payload, new.wrapping_sub(*old));
            *old = *new;
        }
        frame(out, &self.payload);
        self.batches += 1;
    }

    /// Returns the layout that fits, or appends a new one. Sets `self.mantissas` to those of the cells in its scales.
    fn layout(&mut self, out: &mut Vec<u8>, section: &Text, cells: &[Cell<'_>]) -> usize {
        let known = self.of_section.get(section).map_or(&[][..], Vec::as_slice);
        // The newest first: an older one with the same names has fewer decimals.
        let mut same = known.iter().rev().copied().filter(|&i| names_match(&self.layouts[i].layout, cells));
        let newest = same.next();
        if let Some(index) = newest
            && mantissas(&self.layouts[index].layout.columns, cells, &mut self.mantissas)
        {
            return index;
        }
        let scale = |i: usize| newest.map_or(0, |newest| self.layouts[newest].layout.columns[i].scale);
        let column = |(i, cell): (usize, &Cell<'_>)| Column {
            name: cell.name.clone(),
            unit: cell.unit.clone(),
            obis: cell.obis.clone(),
            code: Obis::parse(cell.obis.as_bytes()),
            kind: cell.kind,
            scale: Some(cell.value.scale().max(scale(i)))
                .filter(|scale| cell.value.mantissa_at(*scale).is_some())
                .unwrap_or(cell.value.scale()),
        };
        let columns: Vec<_> = cells.iter().enumerate().map(column).collect();
        mantissas(&columns, cells, &mut self.mantissas);
        let layout = Layout { section: section.clone(), columns };
        self.payload.clear();
        self.payload.push(LAYOUT);
        put_text(&mut self.payload, &layout.section);
        put(&mut self.payload, layout.columns.len() as u64);
        for column in &layout.columns {
            put_text(&mut self.payload, &column.name);
            put_text(&mut self.payload, &column.unit);
            put_text(&mut self.payload, &column.obis);
            self.payload.push(column.scale);
            self.payload.push(KINDS.iter().position(|kind| *kind == column.kind).unwrap_or(0) as u8);
        }
        frame(out, &self.payload);
        let index = self.layouts.len();
        self.layouts.push(Last::new(layout));
        self.of_section.entry(section.clone()).or_default().push(index);
        index
    }

    /// Appends the setting of a counter.
    pub(crate) fn counter_set(&mut self, out: &mut Vec<u8>, set: &CounterSet) {
        let mut payload = vec![COUNTER_SET];
        put_text(&mut payload, &set.series.section);
        put_text(&mut payload, &set.series.name);
        put_text(&mut payload, &set.series.unit);
        put_signed(&mut payload, set.time);
        for value in [set.before, set.after] {
            put_signed(&mut payload, value.mantissa());
            payload.push(value.scale());
        }
        frame(out, &payload);
    }

    /// Appends a correction of the times of everything before.
    pub(crate) fn time_correction(&mut self, out: &mut Vec<u8>, correction: TimeCorrection) {
        let mut payload = vec![TIME_CORRECTION];
        put_signed(&mut payload, correction.since);
        put_signed(&mut payload, correction.delta);
        frame(out, &payload);
    }

    /// Appends the epoch.
    pub(crate) fn epoch(&mut self, out: &mut Vec<u8>, epoch: &Epoch) {
        let mut payload = vec![EPOCH];
        put_text(&mut payload, &epoch.boot);
        put_signed(&mut payload, epoch.since);
        put_signed(&mut payload, epoch.wall_offset);
        put_signed(&mut payload, epoch.offset);
        payload.push(u8::from(epoch.confirmed));
        frame(out, &payload);
    }

    /// Appends the cursor of a publisher.
    pub(crate) fn cursor(&mut self, out: &mut Vec<u8>, publisher: &str, position: Position) {
        let mut payload = vec![CURSOR];
        put_text(&mut payload, publisher);
        put(&mut payload, position.segment);
        put(&mut payload, position.offset);
        frame(out, &payload);
    }
}

fn names_match(layout: &Layout, cells: &[Cell<'_>]) -> bool {
    let same = |(column, cell): (&Column, &Cell<'_>)| {
        column.name == *cell.name
            && column.unit == *cell.unit
            && column.obis == *cell.obis
            && column.kind == cell.kind
    };
    layout.columns.len() == cells.len() && layout.columns.iter().zip(cells).all(same)
}

/// Converts the cells to mantissas in the columns' scales. Returns false if one does not fit.
fn mantissas(columns: &[Column], cells: &[Cell<'_>], out: &mut Vec<i64>) -> bool {
    out.clear();
    out.extend(columns.iter().zip(cells).map_while(|(column, cell)| cell.value.mantissa_at(column.scale)));
    out.len() == cells.len()
}

pub(super) fn frame(out: &mut Vec<u8>, payload: &[u8]) {
    put(out, payload.len() as u64);
    out.extend_from_slice(payload);
    out.extend_from_slice(&CRC.checksum(payload).to_le_bytes());
}

/// Visits every whole entry of a segment, in order. Returns how many bytes were whole; those after them were torn by a
/// power cut, or are damaged.
pub(crate) fn entries(bytes: &[u8], mut visit: impl FnMut(Entry<'_>)) -> usize {
    let Some((_, mut reader)) = open(bytes) else { return 0 };
    let mut rest = &bytes[HEADER..];
    while let Ok((payload, after)) = unframe(rest)
        && reader.entry(payload, &mut visit).is_some()
    {
        rest = after;
    }
    bytes.len() - rest.len()
}

/// Reason why bytes do not begin with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It needs at least this many bytes.
    Short(usize),
    Damaged,
}

/// Returns the payload of the frame at the front of bytes, and what is after the frame.
pub(crate) fn unframe(bytes: &[u8]) -> Result<(&[u8], &[u8]), Stop> {
    const LONGEST_INTEGER: usize = 10;
    let mut input = Input(bytes);
    let Some(len) = input.unsigned() else {
        let whole = bytes.len() >= LONGEST_INTEGER;
        return Err(if whole { Stop::Damaged } else { Stop::Short(bytes.len() + 1) });
    };
    let before = bytes.len() - input.0.len();
    let len = usize::try_from(len).map_err(|_| Stop::Damaged)?;
    let needed = len.checked_add(before + 4).ok_or(Stop::Damaged)?;
    let (Some(payload), Some(sum)) = (input.bytes(len), input.bytes(4)) else {
        return Err(Stop::Short(needed));
    };
    if CRC.checksum(payload).to_le_bytes() == sum { Ok((payload, input.0)) } else { Err(Stop::Damaged) }
}

/// Reads the frames of one segment, from the first one on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    /// Whether columns have kinds.
    kinds: bool,
    layouts: Vec<Last>,
}

impl Reader {
    /// Passes the entry of the next frame to `visit`, if it has one. `None`: it is damaged, and so is what follows.
    pub(crate) fn entry(&mut self, payload: &[u8], visit: impl FnOnce(Entry<'_>)) -> Option<()> {
        let layouts = &mut self.layouts;
        let mut input = Input(payload);
        match input.byte()? {
            LAYOUT => layouts.push(Last::new(layout(&mut input, self.kinds)?)),
            BATCH => {
                let last = layouts.get_mut(usize::try_from(input.unsigned()?).ok()?)?;
                let delta = input.signed()?.wrapping_add(last.period);
                last.advance(last.time.wrapping_add(delta), delta);
                for mantissa in &mut last.mantissas {
                    *mantissa = mantissa.wrapping_add(input.signed()?);
                }
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
        let kind = if kinds { *KINDS.get(usize::from(input.byte()?))? } else { None };
        Decimal::new(0, scale).map(|_| Column { name, unit, obis, code, kind, scale })
    };
    let columns = (0..columns).map(column).collect::<Option<_>>()?;
    Some(Layout { section, columns })
}

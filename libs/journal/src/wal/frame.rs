//! Bytes of a segment: frames, each with a checksum, so that a torn end and damage are seen.
//!
//! ```text
//! segment = magic "smtail", version 4, line feed · number (u64, little endian) · frames
//! frame   = length of the payload · payload · CRC-32 (ISO-HDLC) of the payload, little endian
//! payload = 0 layout: index, section, columns (name, unit, OBIS code, scale, kind)
//!         | 1 batch: index of its layout, time, a mantissa for each column
//!         | 2 counter set: section, name, unit, time, before (mantissa, scale), after (the same)
//!         | 3 time correction: since, delta
//!         | 4 epoch: boot, since, wall offset, offset, confirmed
//!         | 5 cursor: publisher, segment, offset
//!         | 6 whole batch: as a batch, and not encoded as a difference to those before it
//!         | 7 state of a source: section, bytes up to the end
//! kind    = 0 not stated | 1 counter | 2 net | 3 gauge | 4 maximum | 5 state
//! ```
//!
//! Versions 1 to 3 are still read. Version 3 has no states, versions 1 and 2 have no indexes in layouts, and version 1
//! has no kinds.
//!
//! Integers are variable (see `varint`). Within a layout, times are delta-of-delta encoded, mantissas delta
//! encoded. A batch of eight registers a second takes about twenty bytes. After damage, the batches of a layout can be
//! read again from the next whole one on, or from where the layout is repeated.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
};

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::{
    series::SeriesName,
    time::{Epoch, MINUTE, Micros, TimeCorrection},
    varint::{Input, put, put_signed, put_text},
    wal::{Column, CounterSet, Entry, Layout, Position},
};
use reading::{Decimal, Kind, Obis, Text};

const MAGIC: [u8; 8] = *b"smtail\x04\n";
/// Version of the segments that are written.
const VERSION: u8 = 4;
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
const WHOLE_BATCH: u8 = 6;
const STATE: u8 = 7;

/// Batches of a layout after which one is written whole, and the time after which one is, as then a difference saves
/// little: this much is lost after damage.
const WHOLE_EVERY: u32 = 16;
const WHOLE_AFTER: Micros = MINUTE;
/// Batches of a layout after which it is repeated.
const REPEAT_EVERY: u32 = 512;

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
    known.then(|| (number, Reader { version, ..Reader::default() }))
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
    /// Batches since the last whole one, and since the layout was written.
    since_whole: u32,
    since_layout: u32,
}

impl Last {
    fn new(layout: Layout) -> Self {
        let mantissas = vec![0; layout.columns.len()];
        Self { layout, time: 0, period: 0, mantissas, since_whole: 0, since_layout: 0 }
    }

    /// Makes the next batch a whole one.
    fn reset(&mut self) {
        (self.time, self.period, self.since_whole) = (0, 0, 0);
        self.mantissas.fill(0);
    }

    /// Counts a batch, and returns whether it is better written whole.
    fn is_whole(&mut self, time: Micros) -> bool {
        self.since_layout += 1;
        self.since_whole += 1;
        let distance = time.wrapping_sub(self.time);
        self.since_whole > WHOLE_EVERY || self.time != 0 && !(0..=WHOLE_AFTER).contains(&distance)
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
        let is_whole = last.is_whole(time);
        if is_whole {
            last.reset();
        }
        self.payload.clear();
        self.payload.push(if is_whole { WHOLE_BATCH } else { BATCH });
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
            if self.layouts[index].since_layout >= REPEAT_EVERY {
                self.write_layout(out, index);
            }
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
        let index = self.layouts.len();
        self.layouts.push(Last::new(Layout { section: section.clone(), columns }));
        self.of_section.entry(section.clone()).or_default().push(index);
        self.write_layout(out, index);
        index
    }

    /// Appends a layout. The next batch does not depend on those before.
    fn write_layout(&mut self, out: &mut Vec<u8>, index: usize) {
        let last = &mut self.layouts[index];
        last.reset();
        last.since_layout = 0;
        let layout = &last.layout;
        self.payload.clear();
        self.payload.push(LAYOUT);
        put(&mut self.payload, index as u64);
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

    /// Appends the state of a source.
    pub(crate) fn state(&mut self, out: &mut Vec<u8>, section: &str, state: &[u8]) {
        let mut payload = vec![STATE];
        put_text(&mut payload, section);
        payload.extend_from_slice(state);
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
    let (mut at, mut gaps, mut last) = (HEADER, Vec::<Gap>::new(), None);
    while at < bytes.len() {
        let (rest, mut time) = (&bytes[at..], None);
        let each = |entry: Entry<'_>| {
            time = if let Entry::Batch { time, .. } = entry { Some(time) } else { None };
            visit(entry);
        };
        match unframe(rest) {
            Ok((payload, after)) if reader.entry(payload, each).is_some() => {
                at += rest.len() - after.len();
                if let Some(gap) = gaps.last_mut() {
                    gap.before = gap.before.or(time);
                }
                last = time.or(last);
            }
            // The next whole frame may begin at any byte.
            _ => {
                match gaps.last_mut().filter(|gap| gap.bytes.end == at) {
                    Some(gap) => gap.bytes.end += 1,
                    None => gaps.push(gap(at..at + 1, last)),
                }
                reader.lose();
                at += 1;
            }
        }
    }
    gaps
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
    // Quick to see, as after damage each byte is tried.
    if len == 0 || input.0.first().is_some_and(|kind| *kind > STATE) {
        return Err(Stop::Damaged);
    }
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
    version: u8,
    layouts: BTreeMap<u64, Known>,
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
        let kind = if kinds { *KINDS.get(usize::from(input.byte()?))? } else { None };
        Decimal::new(0, scale).map(|_| Column { name, unit, obis, code, kind, scale })
    };
    let columns = (0..columns).map(column).collect::<Option<_>>()?;
    Some(Layout { section, columns })
}

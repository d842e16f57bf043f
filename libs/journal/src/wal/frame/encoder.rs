//! Writer of the frames of a segment.

use std::collections::HashMap;

use super::{
    BATCH, COUNTER_SET, CURSOR, EPOCH, LAYOUT, STATE, SYNCED, TIME_CORRECTION, WHOLE_BATCH, frame,
    last::Last, stated_byte,
};
use crate::{
    time::{Epoch, Micros, TimeCorrection},
    varint::{put, put_signed, put_text},
    wal::{Column, CounterSet, Layout, Position},
};
use reading::{Decimal, Kind, Medium, Obis, Text};

/// Batches of a layout after which it is repeated.
const REPEAT_EVERY: u32 = 512;

/// One number of a batch that is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cell<'a> {
    pub(crate) name: &'a Text,
    pub(crate) unit: &'a Text,
    pub(crate) obis: &'a Text,
    pub(crate) kind: Option<Kind>,
    pub(crate) medium: Option<Medium>,
    pub(crate) value: Decimal,
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
            medium: cell.medium,
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
            self.payload.push(stated_byte(column.kind, column.medium));
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

    /// Appends how many bytes of the segment are on the disk.
    pub(crate) fn synced(&mut self, out: &mut Vec<u8>, bytes: usize) {
        let mut payload = vec![SYNCED];
        put(&mut payload, bytes as u64);
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
            && column.medium == cell.medium
    };
    layout.columns.len() == cells.len() && layout.columns.iter().zip(cells).all(same)
}

/// Converts the cells to mantissas in the columns' scales. Returns false if one does not fit.
fn mantissas(columns: &[Column], cells: &[Cell<'_>], out: &mut Vec<i64>) -> bool {
    out.clear();
    out.extend(columns.iter().zip(cells).map_while(|(column, cell)| cell.value.mantissa_at(column.scale)));
    out.len() == cells.len()
}

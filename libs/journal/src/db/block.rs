//! Row of the table `raw`: a minute of a source, column by column.
//!
//! ```text
//! row    = version 1 · number of times · times · columns · CRC-32 (ISO-HDLC) of all before it, little endian
//! times  = run of microseconds since the minute began, one for each time at which any series has a number
//! column = series, as the difference to the one before · length of what follows
//!        · scale, + 0x80 where numbers are missing · then a bit for each time, lowest first · run of mantissas
//! ```
//!
//! Integers are variable (see `varint`), runs are packed (see `rice`): times are delta-of-delta, mantissas delta
//! encoded. A series whose numbers fit no common scale has several columns in a row. A telegram a second of eight
//! registers takes about ten bytes.

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use crate::{
    db::rice::{put_run, take_run},
    series::Sample,
    time::{MINUTE, Micros},
    varint::{Input, put},
};
use reading::Decimal;

pub(super) const VERSION: u8 = 1;
const MISSING: u8 = 0x80;
/// Checksum with tables for sixteen bytes at once, as a chart of a day checks more than a thousand rows.
pub(super) const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);

/// All numbers of one section within one minute.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// By series, ascending; the samples of each are in order of time, no time twice.
    pub(crate) columns: Vec<Column>,
}

/// Numbers of one series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) series: u32,
    pub(crate) samples: Vec<Sample>,
}

/// Error of a row whose bytes are not a block.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a row of `raw` is damaged")]
pub(crate) struct Damaged;

impl Block {
    /// Adds a number. One that is there already with the same time stays (a repeated batch is harmless).
    pub(crate) fn add(&mut self, series: u32, sample: Sample) {
        let index = self.columns.binary_search_by_key(&series, |column| column.series);
        let index = index.unwrap_or_else(|index| {
            self.columns.insert(index, Column { series, samples: Vec::new() });
            index
        });
        let samples = &mut self.columns[index].samples;
        if samples.last().is_none_or(|last| last.time < sample.time) {
            samples.push(sample);
        } else if let Err(index) = samples.binary_search_by_key(&sample.time, |sample| sample.time) {
            samples.insert(index, sample);
        }
    }

    /// Encodes the row. `minute` = minutes since 1970; all samples lie within it. Decoded numbers have the same value,
    /// and perhaps more or fewer zeros at the end.
    pub(crate) fn encode(&self, minute: i64) -> Vec<u8> {
        let times = self.times();
        let start = minute.wrapping_mul(MINUTE);
        let offsets: Vec<_> = times.iter().map(|time| time.wrapping_sub(start)).collect();
        let mut out = vec![VERSION];
        put(&mut out, times.len() as u64);
        put_run(&mut out, &offsets);
        let (mut last, mut content) = (0, Vec::new());
        for column in &self.columns {
            let mut rest = column.samples.clone();
            while let Some(part) = Part::take(&mut rest) {
                content.clear();
                part.write(&mut content, &times);
                put(&mut out, u64::from(column.series.wrapping_sub(last)));
                put(&mut out, content.len() as u64);
                out.extend_from_slice(&content);
                last = column.series;
            }
        }
        let sum = CRC.checksum(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Returns all times of all columns.
    fn times(&self) -> Vec<Micros> {
        let times = |column: &Column| column.samples.iter().map(|sample| sample.time).collect::<Vec<_>>();
        let mut all = self.columns.first().map(times).unwrap_or_default();
        for column in self.columns.iter().skip(1) {
            if !column.samples.iter().map(|sample| &sample.time).eq(&all) {
                all.extend(times(column));
                all.sort_unstable();
                all.dedup();
            }
        }
        all
    }

    /// Decodes a row.
    pub(crate) fn decode(minute: i64, row: &[u8]) -> Result<Self, Damaged> {
        let mut columns = Vec::<Column>::new();
        let read = Row::open(minute, row).and_then(|mut row| {
            while let Some(series) = row.series()? {
                if columns.last().is_none_or(|last| last.series != series) {
                    columns.push(Column { series, samples: Vec::new() });
                }
                row.samples(&mut columns.last_mut()?.samples)?;
            }
            Some(())
        });
        read.ok_or(Damaged)?;
        columns.iter_mut().for_each(|column| sort(&mut column.samples));
        Ok(Self { columns })
    }

    /// Decodes one series of a row and skips the others. Appends its samples in order of time.
    pub(crate) fn decode_series(
        minute: i64,
        row: &[u8],
        series: u32,
        out: &mut Vec<Sample>,
    ) -> Result<(), Damaged> {
        let before = out.len();
        let read = Row::open(minute, row).and_then(|mut row| {
            while let Some(next) = row.series()?.filter(|next| *next <= series) {
                if next == series { row.samples(out)? } else { row.skip()? }
            }
            Some(())
        });
        if read.is_none() {
            out.truncate(before);
            return Err(Damaged);
        }
        sort(&mut out[before..]);
        Ok(())
    }
}

/// Sorts what several columns held.
fn sort(samples: &mut [Sample]) {
    if !samples.is_sorted_by_key(|sample| sample.time) {
        samples.sort_unstable_by_key(|sample| sample.time);
    }
}

/// Numbers of a series that fit a common scale.
struct Part {
    scale: u8,
    times: Vec<Micros>,
    mantissas: Vec<i64>,
}

impl Part {
    /// Takes those that fit the largest scale there is.
    fn take(samples: &mut Vec<Sample>) -> Option<Self> {
        let scale = samples.iter().map(|sample| sample.value.scale()).max()?;
        let mut part = Self { scale, times: Vec::new(), mantissas: Vec::new() };
        samples.retain(|sample| match sample.value.mantissa_at(scale) {
            Some(mantissa) => {
                part.times.push(sample.time);
                part.mantissas.push(mantissa);
                false
            }
            None => true,
        });
        // Many meters send decimals that are always zero. One stays, so that a float remains a float.
        while part.scale > 1 && part.mantissas.iter().all(|mantissa| mantissa % 10 == 0) {
            part.scale -= 1;
            part.mantissas.iter_mut().for_each(|mantissa| *mantissa /= 10);
        }
        Some(part)
    }

    fn write(&self, out: &mut Vec<u8>, times: &[Micros]) {
        if self.times.len() == times.len() {
            out.push(self.scale);
        } else {
            out.push(self.scale | MISSING);
            let mut bits = vec![0u8; times.len().div_ceil(8)];
            let mut own = self.times.iter().peekable();
            for (index, time) in times.iter().enumerate() {
                bits[index / 8] |= u8::from(own.next_if_eq(&time).is_some()) << (index % 8);
            }
            out.append(&mut bits);
        }
        put_run(out, &self.mantissas);
    }
}

/// Row that is being decoded.
struct Row<'a> {
    times: Vec<Micros>,
    columns: Input<'a>,
    series: u32,
}

impl<'a> Row<'a> {
    fn open(minute: i64, row: &'a [u8]) -> Option<Self> {
        let (content, sum) = row.split_last_chunk()?;
        let whole = CRC.checksum(content) == u32::from_le_bytes(*sum);
        let mut columns = Input(content);
        if !whole || columns.byte()? != VERSION {
            return None;
        }
        let count = usize::try_from(columns.unsigned()?).ok()?;
        let start = minute.wrapping_mul(MINUTE);
        // A damaged row may claim any number.
        let mut times = Vec::with_capacity(count.min(600));
        take_run(&mut columns, count, |offset| times.push(start.wrapping_add(offset)))?;
        times.is_sorted_by(|a, b| a < b).then_some(Self { times, columns, series: 0 })
    }

    /// Returns the series of the next column; `Some(None)` after the last one.
    fn series(&mut self) -> Option<Option<u32>> {
        if self.columns.is_empty() {
            return Some(None);
        }
        let more = u32::try_from(self.columns.unsigned()?).ok()?;
        self.series = self.series.checked_add(more)?;
        Some(Some(self.series))
    }

    /// Returns the column itself.
    fn content(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.columns.unsigned()?).ok()?;
        self.columns.bytes(length)
    }

    fn skip(&mut self) -> Option<()> {
        self.content().map(|_| ())
    }

    fn samples(&mut self, out: &mut Vec<Sample>) -> Option<()> {
        let mut input = Input(self.content()?);
        let scale = input.byte()?;
        let zero = Decimal::new(0, scale & !MISSING)?;
        let value = |mantissa| Decimal::new(mantissa, zero.scale()).unwrap_or(zero);
        let mut own = Vec::new();
        if scale & MISSING != 0 {
            let bits = input.bytes(self.times.len().div_ceil(8))?;
            let there = |index: usize| bits[index / 8] >> (index % 8) & 1 == 1;
            own.extend(
                self.times.iter().enumerate().filter(|(index, _)| there(*index)).map(|(_, time)| *time),
            );
        }
        let times = if scale & MISSING == 0 { &self.times } else { &own };
        out.reserve(times.len());
        let mut each = times.iter();
        take_run(&mut input, times.len(), |mantissa| {
            out.extend(each.next().map(|time| Sample { time: *time, value: value(mantissa) }));
        })?;
        input.is_empty().then_some(())
    }
}

/// Returns the minute in which a moment lies.
pub(crate) fn minute_of(time: Micros) -> i64 {
    time.div_euclid(MINUTE)
}

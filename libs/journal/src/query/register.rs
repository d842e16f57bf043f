//! Registers: the number that a counter showed at a moment, with the digits of the meter.
//!
//! A reading within a minute of the moment is the number. Elsewhere it lies between the reading before and the one
//! after, in proportion to time. Where the counter was reset in between, the rise over the reset does not count, so the
//! number is that of the old meter until the new one is read.

use crate::{
    db::{Counter, DbSeries, Reset},
    query::{ReadError, Series, history::check_range},
    series::{ReadAt, Sample},
    time::{Micros, SECOND, quarter_start},
};
use reading::Decimal;

/// Distance from which on a reading does not stand for the moment any more.
const NEAR: Micros = 60 * SECOND;
const MINUTE: i64 = 60;
/// Fewest digits after the point of a number that was computed.
const DECIMALS: u8 = 3;

/// Number of a counter at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    /// The number; `None` before the first reading, and where nothing was read for long after the last.
    pub value: Option<Decimal>,
    /// Time of the number: that of the reading where it is one, else the moment. Of an old reading only the minute is
    /// known, and this is its start.
    pub at: Micros,
    /// Last reading until the moment.
    pub before: Option<Sample>,
    /// First reading after the moment.
    pub after: Option<Sample>,
    /// Whether the number was read within a minute of the moment.
    pub exact: bool,
    /// Whether the moment lies in a stretch without readings that is long for this series.
    pub gap: bool,
}

/// Reset of a counter, most often another meter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Swap {
    /// Time of the first number afterwards.
    pub time: Micros,
    /// Last number before.
    pub from: f64,
    /// First number afterwards.
    pub to: f64,
}

/// Number of a counter at two moments, and what it counted in between.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// At the first moment.
    pub begin: Register,
    /// At the second.
    pub end: Register,
    /// What was counted, over all resets; `None` where one of the numbers is unknown.
    pub amount: Option<Decimal>,
    /// Resets in between, in order.
    pub swaps: Vec<Swap>,
}

/// Reading with its digits, and the two moments between which it was read.
#[derive(Debug, Clone, Copy)]
struct Read {
    value: Decimal,
    earliest: Micros,
    latest: Micros,
}

impl Read {
    fn of(sample: &Sample) -> Self {
        Self { value: sample.value, earliest: sample.time, latest: sample.time }
    }

    fn at(&self) -> ReadAt {
        ReadAt { number: self.value.to_f64(), earliest: self.earliest, latest: self.latest }
    }

    fn sample(&self) -> Sample {
        Sample { time: self.earliest, value: self.value }
    }
}

/// Readings around a moment.
#[derive(Debug, Clone, Copy)]
struct Around {
    at: Micros,
    before: Option<Read>,
    after: Option<Read>,
}

impl Series<'_> {
    /// Returns what a counter showed at a moment.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if the series is not a counter.
    pub fn register(&self, at: Micros) -> Result<Register, ReadError> {
        let counter = self.counter()?;
        let around = self.around(at)?;
        let resets = Resets::between(self, counter, &around, &around)?;
        Ok(self.register_of(&around, &resets)?.0)
    }

    /// Returns what a counter showed at two moments, and what it counted in between.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if the series is not a counter or the range is empty.
    pub fn registered(&self, from: Micros, to: Micros) -> Result<Registered, ReadError> {
        check_range(from, to)?;
        let counter = self.counter()?;
        let (first, last) = (self.around(from)?, self.around(to)?);
        let resets = Resets::between(self, counter, &first, &last)?;
        let (begin, low) = self.register_of(&first, &resets)?;
        let (end, high) = self.register_of(&last, &resets)?;
        let digits = [&begin, &end].map(|of| of.value.map_or(0, Decimal::scale));
        let scale = resets.scale().max(digits[0]).max(digits[1]).max(DECIMALS);
        let amount = low.zip(high).and_then(|(low, high)| Decimal::rounded(high - low, scale));
        let swaps = resets.list.iter().filter(|reset| from < reset.time && reset.time <= to);
        let swaps = swaps.map(|reset| Swap { time: reset.time, from: reset.before, to: reset.after });
        Ok(Registered { begin, end, amount, swaps: swaps.collect() })
    }

    /// Returns the readings around a moment.
    fn around(&self, at: Micros) -> Result<Around, ReadError> {
        let recent = &self.recent.samples;
        let split = recent.partition_point(|sample| sample.time <= at);
        let (old, new) = recent.split_at(split);
        let (mut before, mut after) = (old.last().map(Read::of), new.first().map(Read::of));
        if let Some(stored) = &self.stored {
            let found = stored_around(stored, at)?;
            let later = |read: &Read| before.is_none_or(|known| known.earliest < read.earliest);
            before = found.before.filter(later).or(before);
            let earlier = |read: &Read| after.is_none_or(|known| read.earliest < known.earliest);
            after = found.after.filter(earlier).or(after);
        }
        Ok(Around { at, before, after })
    }

    /// Returns the number at a moment, and what the counter had counted until then.
    fn register_of(&self, around: &Around, resets: &Resets) -> Result<(Register, Option<f64>), ReadError> {
        let Around { at, before, after } = *around;
        let samples = [before, after].map(|read| read.map(|read| read.sample()));
        let register = |value, time, exact, gap| {
            let [before, after] = samples;
            Register { value, at: time, before, after, exact, gap }
        };
        let is_near = |read: &Read| {
            let (start, end) = (read.latest.min(at), read.earliest.max(at));
            let was_reset = resets.list.iter().any(|reset| start < reset.time && reset.time <= end);
            read.earliest.abs_diff(at) <= NEAR.unsigned_abs() && !was_reset
        };
        if let Some(read) = before.filter(is_near).or_else(|| after.filter(is_near)) {
            let total = resets.total(&read);
            return Ok((register(Some(read.value), read.earliest, true, false), Some(total)));
        }
        let quarter = |time: Micros| quarter_start(time.div_euclid(SECOND));
        match (before, after) {
            (None, _) => Ok((register(None, at, false, true), None)),
            (Some(before), None) => {
                let gap = self.is_gap(quarter(before.earliest), quarter(at))?;
                // The meter is read seldom, and its newest number is the one to show.
                let value = (!gap).then_some(before.value);
                let total = value.map(|_| resets.total(&before));
                Ok((register(value, before.earliest, false, gap), total))
            }
            (Some(before), Some(after)) => {
                let gap = self.is_gap(quarter(before.latest), quarter(after.earliest))?;
                let (low, high) = (resets.total(&before), resets.total(&after));
                let length = (after.earliest - before.latest).max(1) as f64;
                let share = ((at - before.latest) as f64 / length).clamp(0.0, 1.0);
                let total = low + (high - low) * share;
                let number = total - resets.offset(resets.until(at).max(resets.count(&before)));
                // The journal keeps no zeros at the end of the digits.
                let scale = before.value.scale().max(after.value.scale()).max(DECIMALS);
                Ok((register(Decimal::rounded(number, scale), at, false, gap), Some(total)))
            }
        }
    }
}

/// Returns the readings in the database around a moment.
fn stored_around(stored: &DbSeries<'_>, at: Micros) -> Result<Around, ReadError> {
    let minute = at.div_euclid(MINUTE * SECOND) * MINUTE;
    let samples = stored.samples(minute)?.unwrap_or_default();
    let split = samples.partition_point(|sample| sample.time <= at);
    let (old, new) = samples.split_at(split);
    let mut before = old.last().map(Read::of);
    if before.is_none()
        && let Some(last) = stored.last_minute_before(minute)?
    {
        before = of_minute(stored, last)?.map(|(_, last)| last);
    }
    let mut after = new.first().map(Read::of);
    if after.is_none() && samples.is_empty() {
        // Of a minute that is rolled up, its end is after a moment within it.
        let is_start = minute * SECOND == at;
        after = of_minute(stored, minute)?.map(|(first, last)| if is_start { first } else { last });
    }
    if after.is_none()
        && let Some(first) = stored.first_minute_from(minute.saturating_add(MINUTE))?
    {
        after = of_minute(stored, first)?.map(|(first, _)| first);
    }
    Ok(Around { at, before, after })
}

/// Returns the first reading of a minute, and the last.
fn of_minute(stored: &DbSeries<'_>, minute: i64) -> Result<Option<(Read, Read)>, ReadError> {
    let samples = stored.samples(minute)?.unwrap_or_default();
    if let (Some(first), Some(last)) = (samples.first(), samples.last()) {
        return Ok(Some((Read::of(first), Read::of(last))));
    }
    let read = |number: f64| {
        let (earliest, latest) = (minute * SECOND, (minute + MINUTE) * SECOND - 1);
        Decimal::from_f64(number).map(|value| Read { value, earliest, latest })
    };
    Ok(stored.minute(minute)?.and_then(|rollup| read(rollup.first).zip(read(rollup.last))))
}

/// Resets of a counter in order of time, with the sums that they took off its number.
struct Resets {
    list: Vec<Reset>,
    /// One more than there are resets.
    offsets: Vec<f64>,
}

impl Resets {
    fn between(
        series: &Series<'_>,
        counter: Counter,
        first: &Around,
        last: &Around,
    ) -> Result<Self, ReadError> {
        let from = first.before.map_or(first.at, |read| read.earliest).div_euclid(SECOND);
        let to = last.after.map_or(last.at, |read| read.latest).div_euclid(SECOND).saturating_add(1);
        let list = series.resets(counter, from, to)?;
        let mut offsets = vec![0.0];
        for reset in &list {
            offsets.push(offsets.last().copied().unwrap_or(0.0) + (reset.before - reset.after));
        }
        Ok(Self { list, offsets })
    }

    fn offset(&self, count: usize) -> f64 {
        self.offsets.get(count).copied().unwrap_or(0.0)
    }

    /// Returns how many were until a moment.
    fn until(&self, at: Micros) -> usize {
        self.list.partition_point(|reset| reset.time <= at)
    }

    /// Returns how many were before a number was read.
    fn count(&self, read: &Read) -> usize {
        let read = read.at();
        self.list.iter().take_while(|reset| reset.is_before(&read)).count()
    }

    /// Returns what the counter had counted when a number was read.
    fn total(&self, read: &Read) -> f64 {
        read.value.to_f64() + self.offset(self.count(read))
    }

    /// Returns the most digits after the point of the numbers around the resets.
    fn scale(&self) -> u8 {
        let numbers = self.list.iter().flat_map(|reset| [reset.before, reset.after]);
        numbers.filter_map(Decimal::from_f64).map(Decimal::scale).max().unwrap_or(0).min(9)
    }
}

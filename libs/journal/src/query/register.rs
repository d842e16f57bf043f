//! Registers: the number that a counter showed at a moment, with the digits of the meter.
//!
//! It is what the counter had counted until then, by the rule of [`total`], without what the resets took off: so the
//! amounts of all periods are the differences of these numbers. Where the counter was reset between the reading before
//! and the one after, the rise over the reset does not count, so the number is that of the old meter until the new one is
//! read.

use crate::{
    db::{Counter, DbSeries},
    query::{
        ReadError, Series,
        history::check_range,
        total::{self, Basis, DECIMALS, Resets, digits},
    },
    series::{ReadAt, Sample},
    time::{Micros, QUARTER_HOUR, SECOND, quarter_start},
};
use reading::Decimal;

const MINUTE: i64 = 60;
const QUARTER: Micros = QUARTER_HOUR * SECOND;

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

    fn read_at(&self) -> ReadAt {
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

impl Around {
    fn read_at(&self) -> total::Around {
        let [before, after] = [self.before, self.after].map(|read| read.map(|read| read.read_at()));
        total::Around { at: self.at, before, after }
    }
}

impl Series<'_> {
    /// Returns what a counter showed at a moment.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if the series is not a counter.
    pub fn register(&self, at: Micros) -> Result<Register, ReadError> {
        let counter = self.counter()?;
        let around = self.around(at)?;
        let resets = self.resets_between(counter, &around, &around)?;
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
        let resets = self.resets_between(counter, &first, &last)?;
        let (begin, low) = self.register_of(&first, &resets)?;
        let (end, high) = self.register_of(&last, &resets)?;
        let amount = low.zip(high).and_then(|(low, high)| {
            let scale = digits(low).max(digits(high)).max(DECIMALS);
            Decimal::rounded(high - low, scale)
        });
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
        if let Some(read) = before
            && let Some(total) = self.untimed(at, resets)?
        {
            let exact = resets.is_near(&read.read_at(), at);
            return Ok((register(Some(read.value), read.earliest, exact, false), Some(total)));
        }
        let quarter = |time: Micros| quarter_start(time.div_euclid(SECOND));
        let Some((total, basis)) = resets.total_at(&around.read_at()) else {
            return Ok((register(None, at, false, true), None));
        };
        Ok(match (basis, before, after) {
            (Basis::Before, Some(read), _) | (Basis::After, _, Some(read)) => {
                (register(Some(read.value), read.earliest, true, false), Some(total))
            }
            (Basis::Last, Some(read), _) => {
                let gap = self.is_gap(quarter(read.earliest), quarter(at))?;
                // The meter is read seldom, and its newest number is the one to show.
                let value = (!gap).then_some(read.value);
                (register(value, read.earliest, false, gap), value.map(|_| total))
            }
            (Basis::Between, Some(before), Some(after)) => {
                let gap = self.is_gap(quarter(before.latest), quarter(after.earliest))?;
                let until = resets.before(at.saturating_add(1)).max(resets.count(&before.read_at()));
                let number = total - resets.offset(until);
                let scale = digits(number).max(DECIMALS);
                (register(Decimal::rounded(number, scale), at, false, gap), Some(total))
            }
            _ => (register(None, at, false, true), None),
        })
    }

    /// Returns the total at the edge between two quarters that keep no times; `None` at other moments.
    fn untimed(&self, at: Micros, resets: &Resets) -> Result<Option<f64>, ReadError> {
        if at.rem_euclid(SECOND) != 0 {
            return Ok(None);
        }
        let Some((before, after)) = self.untimed_around(at.div_euclid(SECOND))? else { return Ok(None) };
        self.untimed_total((&before, &after), resets, self.oldest_raw()?)
    }

    /// Returns the resets from the reading before one moment to the one after another.
    fn resets_between(&self, counter: Counter, first: &Around, last: &Around) -> Result<Resets, ReadError> {
        // Of both whole quarters next to a moment, too: a reset there tells whether their times are looked up.
        let begin = first.before.map_or(first.at, |read| read.earliest).min(first.at.saturating_sub(QUARTER));
        let end = last.after.map_or(last.at, |read| read.latest).max(last.at.saturating_add(QUARTER));
        let (from, to) = (begin.div_euclid(SECOND), end.div_euclid(SECOND).saturating_add(1));
        Ok(Resets::new(self.resets(counter, from, to)?))
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
    let read = |of: ReadAt| {
        let value = Decimal::from_f64(of.number)?;
        Some(Read { value, earliest: of.earliest, latest: of.latest })
    };
    Ok(stored.ends_of_minute(minute)?.and_then(|(first, last)| read(first).zip(read(last))))
}

//! History of a series: its readings, or their roll-ups.

use crate::{
    db::{Level, Rollup},
    query::{ReadError, Series},
    series::Sample,
    time::{Micros, QUARTER_HOUR, SECOND, Span, utc},
};

/// Most points of a chart, where the request sets no step.
const CHART: usize = 1000;
/// Most spans in one answer.
const MAX_SPANS: usize = 100_000;
/// Most readings in one answer.
const MAX_RAW: usize = 200_000;

/// Distance of the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    word: &'static str,
    /// One point for each span, from the roll-ups of a level; `None` for every reading.
    spans: Option<(Span, Level)>,
}

const RAW: Step = Step { word: "raw", spans: None };

/// All steps with spans, from the finest to the coarsest.
const SPACED: [Step; 8] = [
    Step::of("1m", Span::Fixed(60), Level::Minute),
    Step::of("5m", Span::Fixed(300), Level::Minute),
    Step::of("15m", Span::Fixed(QUARTER_HOUR), Level::Quarter),
    Step::of("1h", Span::Fixed(3600), Level::Hour),
    Step::of("6h", Span::Fixed(21_600), Level::Hour),
    Step::of("1d", Span::Day, Level::Day),
    Step::of("7d", Span::Week, Level::Day),
    Step::of("1mo", Span::Month, Level::Day),
];

impl Step {
    const fn of(word: &'static str, span: Span, level: Level) -> Self {
        Self { word, spans: Some((span, level)) }
    }

    /// Returns the step of a word.
    pub fn named(word: &str) -> Option<Self> {
        std::iter::once(RAW).chain(SPACED).find(|step| step.word == word)
    }

    /// Returns all words.
    pub fn words() -> impl Iterator<Item = &'static str> {
        std::iter::once(RAW).chain(SPACED).map(|step| step.word)
    }

    /// Returns its word in a request: `raw`, `15m`.
    pub fn word(self) -> &'static str {
        self.word
    }

    /// Returns whether each reading is a point.
    pub fn is_raw(self) -> bool {
        self == RAW
    }

    /// Returns how many points a range has; 0 if each reading is one.
    fn count(&self, from: Micros, to: Micros) -> usize {
        self.spans.map_or(0, |(span, _)| span.count(from, to))
    }
}

/// Numbers of a series within a range. They are read while they are visited, and may be visited again.
#[derive(Debug)]
pub struct History<'s> {
    series: &'s Series<'s>,
    from: Micros,
    to: Micros,
    /// Step that was chosen.
    pub step: Step,
    /// Number of points, about.
    pub about: usize,
}

/// Span of a chart: its start in seconds since 1970, and what was read within.
pub type Spanned = (i64, Option<Rollup>);

impl Series<'_> {
    /// Returns the numbers from one moment to before another. Without a step, they are as fine as a chart can show.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if there would be too many points.
    pub fn history(&self, from: Micros, to: Micros, step: Option<Step>) -> Result<History<'_>, ReadError> {
        check_range(from, to)?;
        let fits = |limit: usize| SPACED.into_iter().find(|step| step.count(from, to) <= limit);
        let too_many = |what: &str| {
            let instead = fits(MAX_SPANS).map(|step| format!("`step={}`", step.word));
            let instead = instead.unwrap_or_else(|| "a shorter range".to_owned());
            ReadError::BadRequest(format!("the range has more than {what}: ask for {instead}"))
        };
        let mut history = History { series: self, from, to, step: step.unwrap_or(RAW), about: 0 };
        if step.is_none() {
            if self.has_all_raw(from, to)? && history.has_at_most(CHART)? {
                return Ok(history);
            }
            // The chart of a range of centuries has a few points more.
            history.step = fits(CHART).unwrap_or(SPACED[SPACED.len() - 1]);
        }
        if history.step == RAW && !history.has_at_most(MAX_RAW)? {
            return Err(too_many(&format!("{MAX_RAW} readings")));
        }
        if history.step != RAW {
            history.about = history.step.count(from, to);
            if history.about > MAX_SPANS {
                return Err(too_many(&format!("{MAX_SPANS} points")));
            }
        }
        Ok(history)
    }

    /// Returns whether no reading of the range was removed as too old.
    fn has_all_raw(&self, from: Micros, to: Micros) -> Result<bool, ReadError> {
        let Some(stored) = &self.stored else { return Ok(true) };
        let first = stored.first_minute_from(from.div_euclid(SECOND))?;
        match first.filter(|first| first * SECOND < to) {
            Some(first) => Ok(stored.has_raw(first)?),
            None => Ok(true),
        }
    }
}

impl History<'_> {
    /// Returns whether the range has no more readings than this.
    fn has_at_most(&mut self, limit: usize) -> Result<bool, ReadError> {
        let recent = self.series.recent.within(self.from, self.to).len();
        let stored = self.series.stored.as_ref().map(|stored| stored.most_raw(self.from, self.to));
        self.about = recent + usize::try_from(stored.transpose()?.unwrap_or(0)).unwrap_or(usize::MAX);
        if self.about > limit {
            let mut count = 0;
            self.readings(|_| {
                count += 1;
                count <= limit
            })?;
            self.about = count;
        }
        Ok(self.about <= limit)
    }

    /// Visits all readings in order, until `visit` returns false.
    ///
    /// # Errors
    /// Returns the error of the database.
    pub fn readings(&self, mut visit: impl FnMut(&Sample) -> bool) -> Result<(), ReadError> {
        let mut recent = self.series.recent.within(self.from, self.to).iter().peekable();
        let mut goes_on = true;
        if let Some(stored) = &self.series.stored {
            stored.raw(self.from, self.to, |sample| {
                // Some came late.
                while let Some(earlier) = recent.next_if(|of| of.time < sample.time) {
                    goes_on = goes_on && visit(earlier);
                }
                goes_on = goes_on && visit(sample);
                goes_on
            })?;
        }
        let _ = goes_on && recent.all(visit);
        Ok(())
    }

    /// Visits all spans that the range touches, in order, until `visit` returns false.
    ///
    /// # Errors
    /// Returns the error of the database.
    pub fn spans(&self, mut visit: impl FnMut(&Spanned) -> bool) -> Result<(), ReadError> {
        let (series, Some((span, level))) = (self.series, self.step.spans) else { return Ok(()) };
        let mut spans = span.each(self.from, self.to, series.zone).peekable();
        let first = spans.peek().map_or(0, |(start, _)| *start);
        let last = span.last_edge(self.to, series.zone);
        let mut recent = series.recent.within(first * SECOND, last * SECOND);
        let mut finish = |start: i64, end: i64, stored: Option<Rollup>| -> Result<bool, ReadError> {
            let (within, later) = recent.split_at(recent.partition_point(|of| of.time < end * SECOND));
            recent = later;
            let point = match (stored, Rollup::of_samples(within)) {
                (Some(mut known), Some(new)) => {
                    known.append(&new);
                    // Some may have come late.
                    if let Some((first, last)) = series.ends(start, end)? {
                        (known.first, known.last) = (first.number, last.number);
                    }
                    Some(known)
                }
                (stored, new) => stored.or(new),
            };
            Ok(visit(&(start, point)))
        };
        let (mut known, mut goes_on) = (None::<Rollup>, Ok(true));
        if let Some(stored) = &series.stored {
            stored.rollups(level, first, last, |time, rollup| {
                while matches!(goes_on, Ok(true))
                    && let Some((start, end)) = spans.next_if(|(_, end)| *end <= time)
                {
                    goes_on = finish(start, end, known.take());
                }
                match &mut known {
                    Some(known) => known.append(&rollup),
                    none => *none = Some(rollup),
                }
                matches!(goes_on, Ok(true))
            })?;
        }
        let mut goes_on = goes_on?;
        while goes_on && let Some((start, end)) = spans.next() {
            goes_on = finish(start, end, known.take())?;
        }
        Ok(())
    }
}

/// Checks that a range is not empty.
pub(crate) fn check_range(from: Micros, to: Micros) -> Result<(), ReadError> {
    if from < to {
        return Ok(());
    }
    let message = format!("`from` must be before `to`: it is {}, and `to` is {}", utc(from), utc(to));
    Err(ReadError::BadRequest(message))
}

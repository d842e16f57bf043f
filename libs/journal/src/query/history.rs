//! History of a series: its readings, or their roll-ups.

use crate::{
    db::{Level, Rollup},
    query::{ReadError, Series},
    series::Sample,
    time::{Micros, SECOND, Span, utc},
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
    Step::of("15m", Span::Fixed(900), Level::Quarter),
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

    /// Returns how many points a range has; 0 if each reading is one.
    fn count(&self, from: Micros, to: Micros) -> usize {
        self.spans.map_or(0, |(span, _)| span.count(from, to))
    }
}

/// Numbers of a series within a range.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Step that was chosen.
    pub step: Step,
    /// Numbers in that step.
    pub points: Points,
}

/// Points of a chart.
#[derive(Debug, Clone, PartialEq)]
pub enum Points {
    /// Single readings.
    Raw(Vec<Sample>),
    /// All spans that the range touches: the start in seconds since 1970, and what was read within.
    Rollups(Vec<(i64, Option<Rollup>)>),
}

impl Series<'_> {
    /// Returns the numbers from one moment to before another. Without a step, they are as fine as a chart can show.
    ///
    /// # Errors
    /// Returns [`ReadError::BadRequest`] if there would be too many points.
    pub fn history(&self, from: Micros, to: Micros, step: Option<Step>) -> Result<History, ReadError> {
        check_range(from, to)?;
        let fits = |limit: usize| SPACED.into_iter().find(|step| step.count(from, to) <= limit);
        let too_many = |what: &str| {
            let instead = fits(MAX_SPANS).map(|step| format!("`step={}`", step.word));
            let instead = instead.unwrap_or_else(|| "a shorter range".to_owned());
            ReadError::BadRequest(format!("the range has more than {what}: ask for {instead}"))
        };
        let step = match step {
            Some(step) => step,
            None => {
                if self.has_all_raw(from, to)?
                    && let Some(raw) = self.raw(from, to, CHART)?
                {
                    return Ok(History { step: RAW, points: Points::Raw(raw) });
                }
                // The chart of a range of centuries has a few points more.
                fits(CHART).unwrap_or(SPACED[SPACED.len() - 1])
            }
        };
        let points = match step.spans {
            None => {
                let raw = self.raw(from, to, MAX_RAW)?;
                Points::Raw(raw.ok_or_else(|| too_many(&format!("{MAX_RAW} readings")))?)
            }
            Some(_) if step.count(from, to) > MAX_SPANS => {
                return Err(too_many(&format!("{MAX_SPANS} points")));
            }
            Some((span, level)) => Points::Rollups(self.rollups(from, to, span, level)?),
        };
        Ok(History { step, points })
    }

    /// Returns all readings; `None` if there are more than `limit`.
    fn raw(&self, from: Micros, to: Micros, limit: usize) -> Result<Option<Vec<Sample>>, ReadError> {
        let recent = self.recent.within(from, to);
        let mut raw = Vec::new();
        let Some(limit) = limit.checked_sub(recent.len()) else { return Ok(None) };
        if let Some(stored) = &self.stored
            && !stored.raw(from, to, limit, &mut raw)?
        {
            return Ok(None);
        }
        let late = raw.last().zip(recent.first()).is_some_and(|(last, first)| last.time >= first.time);
        raw.extend_from_slice(recent);
        if late {
            raw.sort_by_key(|sample| sample.time);
        }
        Ok(Some(raw))
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

    fn rollups(
        &self,
        from: Micros,
        to: Micros,
        span: Span,
        level: Level,
    ) -> Result<Vec<(i64, Option<Rollup>)>, ReadError> {
        let edges = span.edges(from, to, self.zone);
        let (Some(&start), Some(&end)) = (edges.first(), edges.last()) else { return Ok(Vec::new()) };
        let starts = edges.iter().take(edges.len() - 1);
        let mut points: Vec<_> = starts.map(|start| (*start, None::<Rollup>)).collect();
        if let Some(stored) = &self.stored {
            let mut at = 0;
            stored.rollups(level, start, end, |time, rollup| {
                while points.get(at + 1).is_some_and(|(start, _)| *start <= time) {
                    at += 1;
                }
                match points.get_mut(at) {
                    Some((_, Some(known))) => known.append(&rollup),
                    Some((_, none)) => *none = Some(rollup),
                    None => {}
                }
            })?;
        }
        let mut recent = self.recent.within(start * SECOND, end * SECOND);
        for ((start, point), end) in points.iter_mut().zip(edges.iter().skip(1)) {
            let (within, later) = recent.split_at(recent.partition_point(|of| of.time < end * SECOND));
            recent = later;
            let Some(new) = Rollup::of_samples(within) else { continue };
            match point {
                Some(known) => {
                    known.append(&new);
                    // Some may have come late.
                    if let Some((first, last)) = self.ends(*start, *end)? {
                        (known.first, known.last) = (first.number, last.number);
                    }
                }
                None => *point = Some(new),
            }
        }
        Ok(points)
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

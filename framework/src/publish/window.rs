//! Windows of `interval`: one record for each source, with the last value of each counter and the mean of each gauge.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::waiting::Waiting;
use crate::{
    Batch, Decimal, Kind, Quantity, Reading, Record, Text, Timestamp, Value,
    journal::{Mark, Micros},
};

/// Decimals of a mean beyond those of its numbers, so that little is lost by rounding.
const MORE_DECIMALS: u8 = 2;
/// Time after the end of a window in which its last batch may still be recorded. A batch that comes after one of the
/// next window counts for the next window.
const GRACE: Duration = Duration::from_millis(500);
/// Microseconds. A record that is older than the open window by more than this has a time of its own.
const LATE: Micros = 2_000_000;

/// Collects the records of one window after the other. Windows begin at multiples of the period since 1970 UTC.
#[derive(Debug)]
pub(super) struct Window {
    period: Micros,
    /// End of the open window.
    end: Micros,
    /// The same on the monotonic clock, as the wall clock may be set.
    due: Instant,
    /// Empty while no window is open.
    sources: Vec<SourceWindow>,
    /// End of what was read while the window was open.
    read_to: Option<Mark>,
}

/// Readings of one source in the open window.
#[derive(Debug)]
struct SourceWindow {
    section: Text,
    time: Timestamp,
    readings: Vec<(Reading, Mean)>,
}

/// Running mean of a reading.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    scale: u8,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Decimal) {
        self.sum += value.to_f64();
        self.scale = self.scale.max(value.scale());
        self.count += 1;
    }

    fn get(self) -> Option<Decimal> {
        Decimal::rounded(self.sum / f64::from(self.count), self.scale + MORE_DECIMALS)
    }
}

impl Window {
    pub(super) fn new(period: Duration) -> Self {
        let period = Micros::try_from(period.as_micros()).unwrap_or(Micros::MAX).max(1);
        Self { period, end: Micros::MIN, due: Instant::now(), sources: Vec::new(), read_to: None }
    }

    /// Adds a record that ends at `end` in the queue. A window that it completes goes to `out`.
    pub(super) fn take(&mut self, record: Record, end: Mark, now: Timestamp, out: &mut Waiting) {
        let time = record.batch.taken_at.as_microsecond();
        if self.sources.is_empty() {
            self.begin(time, now);
        } else if time >= self.end {
            self.finish(out);
            self.begin(time, now);
        } else if time < self.end.saturating_sub(self.period).saturating_sub(LATE) {
            // It belongs to a window that was delivered long ago.
            out.push(record, None);
            self.read_to = Some(end);
            return;
        }
        self.read_to = Some(end);
        let known = self.sources.iter().position(|source| source.section == record.section);
        let at = known.unwrap_or_else(|| {
            let (section, time) = (record.section.clone(), record.batch.taken_at);
            self.sources.push(SourceWindow { section, time, readings: Vec::new() });
            self.sources.len() - 1
        });
        self.sources[at].take(record.batch);
    }

    fn begin(&mut self, time: Micros, now: Timestamp) {
        self.end = (time.div_euclid(self.period) + 1).saturating_mul(self.period);
        let left = self.end.saturating_sub(now.as_microsecond()).clamp(0, self.period);
        self.due = Instant::now() + Duration::from_micros(left.unsigned_abs()) + GRACE;
    }

    /// Returns whether a window is open.
    pub(super) fn is_open(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Returns the end of the open window.
    pub(super) fn due(&self) -> Option<Instant> {
        self.is_open().then_some(self.due)
    }

    /// Completes the window if it is over.
    pub(super) fn finish_if_over(&mut self, out: &mut Waiting) {
        if self.due().is_some_and(|due| due <= Instant::now()) {
            self.finish(out);
        }
    }

    /// Skips an unwanted batch that ends at `end`.
    pub(super) fn skip(&mut self, end: Mark) {
        self.read_to = Some(end);
    }

    /// Completes the window.
    pub(super) fn finish(&mut self, out: &mut Waiting) {
        let done = self.read_to;
        let mut sources = mem::take(&mut self.sources).into_iter().peekable();
        while let Some(source) = sources.next() {
            // The cursor moves only past the whole window, whose records are collected again otherwise.
            let done = if sources.peek().is_some() { None } else { done };
            out.push(source.into_record(), done);
        }
    }
}

impl SourceWindow {
    fn take(&mut self, batch: Batch) {
        self.time = self.time.max(batch.taken_at);
        for reading in batch.readings {
            let Value::Number(value) = reading.value else { continue };
            let known = self.readings.iter_mut().find(|(known, _)| known.name == reading.name);
            match known {
                // Another unit is another series: the sum so far is useless.
                Some((known, mean)) => {
                    if known.unit != reading.unit {
                        *mean = Mean::default();
                    }
                    *known = reading;
                    mean.add(value);
                }
                None => {
                    let mut mean = Mean::default();
                    mean.add(value);
                    self.readings.push((reading, mean));
                }
            }
        }
    }

    fn into_record(self) -> Record {
        let readings = self.readings.into_iter().map(|(mut reading, mean)| {
            if let Some(mean) = mean.get().filter(|_| mean.count > 1 && has_mean(&reading)) {
                reading.value = Value::Number(mean);
            }
            reading
        });
        Record { section: self.section, batch: Batch { taken_at: self.time, readings: readings.collect() } }
    }
}

/// Returns whether a mean says something about the reading. One of angles does not: 359° and 1° are neighbours.
pub fn has_mean(reading: &Reading) -> bool {
    let meaning = reading.meaning();
    meaning.kind == Kind::Gauge && meaning.quantity != Quantity::Angle
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Obis;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_040 + seconds).unwrap() // begins a minute
    }

    fn record(section: &str, seconds: i64, kwh: &str, watts: &str) -> Record {
        let number = |name: &str, text: &str, unit: &str| {
            Reading::number(name, Decimal::parse(text.as_bytes()).unwrap()).unit(unit)
        };
        let readings = vec![number("POWER_IMPORT", kwh, "kWh"), number("POWER", watts, "W")];
        Record { section: section.into(), batch: Batch { taken_at: at(seconds), readings } }
    }

    fn place(offset: u64) -> Mark {
        Mark::made_up(offset)
    }

    /// Returns section, seconds, readings as text, and place.
    fn drained(out: &mut Waiting) -> Vec<(String, i64, String, Option<u64>)> {
        let one = |(record, done): (Record, Option<Mark>)| {
            let value = |reading: &Reading| match &reading.value {
                Value::Number(number) => number.to_string(),
                Value::Text(text) => text.to_string(),
            };
            let values: Vec<_> = record.batch.readings.iter().map(value).collect();
            let seconds = record.batch.taken_at.as_second() - at(0).as_second();
            (record.section.to_string(), seconds, values.join(" "), done.map(Mark::number))
        };
        let next = || Some((out.as_slice().first()?.clone(), out.remove(1)));
        std::iter::from_fn(next).map(one).collect()
    }

    #[test]
    fn a_window_has_the_last_of_a_counter_and_the_mean_of_a_power() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        window.take(record("a", 1, "10.1", "100"), place(1), at(0), &mut out);
        window.take(record("b", 2, "7.0", "5"), place(2), at(0), &mut out);
        window.take(record("a", 59, "10.4", "101.5"), place(3), at(0), &mut out);
        window.skip(place(4));
        assert!(drained(&mut out).is_empty());
        window.take(record("a", 61, "10.5", "7"), place(5), at(0), &mut out);
        let a = ("a".to_owned(), 59, "10.4 100.75".to_owned(), None);
        let b = ("b".to_owned(), 2, "7.0 5".to_owned(), Some(4));
        assert_eq!(drained(&mut out), [a, b]);
        window.finish(&mut out);
        assert_eq!(drained(&mut out), [("a".to_owned(), 61, "10.5 7".to_owned(), Some(5))]);
        assert!(!window.is_open());
    }

    #[test]
    fn a_window_has_the_last_state_of_a_switch_and_not_its_mean() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        for (seconds, is_on) in [(1, true), (2, true), (3, false)] {
            let batch = Batch { taken_at: at(seconds), readings: vec![Reading::flag("pump", is_on)] };
            window.take(Record { section: "a".into(), batch }, place(1), at(0), &mut out);
        }
        window.finish(&mut out);
        assert_eq!(drained(&mut out), [("a".to_owned(), 3, "0".to_owned(), Some(1))]);
    }

    #[test]
    fn an_old_record_passes_unchanged_and_completes_no_window() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        window.take(record("a", 70, "1.0", "1"), place(1), at(0), &mut out);
        window.take(record("gas", -3000, "2.0", "1"), place(2), at(0), &mut out);
        assert_eq!(drained(&mut out), [("gas".to_owned(), -3000, "2.0 1".to_owned(), None)]);
        window.finish(&mut out);
        assert_eq!(drained(&mut out), [("a".to_owned(), 70, "1.0 1".to_owned(), Some(2))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_ends_in_time_even_if_the_clock_was_ahead() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        window.take(record("a", 3600, "1.0", "1"), place(1), at(0), &mut out);
        tokio::time::advance(MINUTE).await;
        window.finish_if_over(&mut out);
        assert!(window.is_open() && window.due() == Some(Instant::now() + GRACE));
        tokio::time::advance(GRACE).await;
        window.finish_if_over(&mut out);
        assert_eq!(drained(&mut out), [("a".to_owned(), 3600, "1.0 1".to_owned(), Some(1))]);
    }

    #[test]
    fn a_record_that_is_a_little_late_counts_for_the_next_window() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        window.take(record("a", 30, "1.0", "1"), place(1), at(0), &mut out);
        window.take(record("b", 61, "9.0", "5"), place(2), at(0), &mut out);
        window.take(record("a", 59, "1.1", "3"), place(3), at(0), &mut out);
        window.take(record("a", 62, "1.2", "4"), place(4), at(0), &mut out);
        window.finish(&mut out);
        let shown: Vec<_> =
            drained(&mut out).into_iter().map(|(section, at, values, _)| (section, at, values)).collect();
        let row = |section: &str, at, values: &str| (section.to_owned(), at, values.to_owned());
        assert_eq!(shown, [row("a", 30, "1.0 1"), row("b", 61, "9.0 5"), row("a", 62, "1.2 3.5")]);
    }

    #[test]
    fn only_gauges_have_a_mean() {
        let with_code = |reading: Reading, code: &str| reading.obis(Obis::parse(code.as_bytes()).unwrap());
        let number = |value: i64| Reading::number("R", value);
        for (reading, expected) in [
            (&(|n| number(n).unit("KW")) as &dyn Fn(i64) -> Reading, "6.00"),
            (&|n| number(n).unit(" m^3/h"), "6.00"),
            (&|n| Reading::gauge("R", n), "6.00"),
            (&|n| number(n).unit("furlong"), "6.00"),
            (&|n| number(n).unit("°"), "7"),
            (&|n| number(n).unit("kwh"), "7"),
            (&|n| number(n).unit("h"), "7"),
            (&|n| number(n), "7"),
            (&|n| Reading::counter("R", n).unit("W"), "7"),
            (&|n| with_code(number(n).unit("kW"), "1-0:1.6.0*255"), "7"),
            (&|n| with_code(number(n).unit("kWh"), "1-0:36.8.0*255"), "7"),
        ] {
            let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
            for (seconds, value) in [(1, 5), (2, 7)] {
                let batch = Batch { taken_at: at(seconds), readings: vec![reading(value)] };
                window.take(Record { section: "a".into(), batch }, place(1), at(0), &mut out);
            }
            window.finish(&mut out);
            let mean = Decimal::parse(expected.as_bytes()).unwrap().to_string();
            assert_eq!(drained(&mut out)[0].2, mean, "{:?}", reading(7));
        }
    }
}

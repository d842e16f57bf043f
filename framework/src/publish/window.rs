//! One record for each source in each turn of `every`: the last number of a counter, the mean of a power.

use std::{mem, time::Duration};

use tokio::time::Instant;

use super::feed::Waiting;
use crate::{
    Batch, Decimal, Reading, Record, Text, Timestamp, Value,
    journal::{Mark, Micros},
};

/// Units of what has a mean. Everything else is known by its last number: counters, peaks, states.
const AVERAGED: [&str; 14] =
    ["W", "kW", "MW", "var", "kvar", "VA", "kVA", "V", "mV", "kV", "A", "mA", "Hz", "°C"];
/// A mean has so many decimals more than its numbers, so that little is lost by rounding.
const MORE_DECIMALS: u8 = 2;
/// What was taken in a turn may be recorded so much after its end: with nothing of the next turn there it is waited for,
/// else it counts for the next turn.
const GRACE: Duration = Duration::from_millis(500);
/// What is recorded later than this has a time of its own. In microseconds.
const LATE: Micros = 2_000_000;

/// Gathers the records of one turn after the other. Turns begin at multiples of the period since 1970 UTC.
#[derive(Debug)]
pub(super) struct Window {
    period: Micros,
    /// The end of the turn that is being gathered.
    end: Micros,
    /// When that is over, whatever the clock says then.
    due: Instant,
    sections: Vec<Gathered>,
    /// Behind the last record that was gathered.
    read_to: Option<Mark>,
}

#[derive(Debug)]
struct Gathered {
    section: Text,
    time: Timestamp,
    readings: Vec<(Reading, Mean)>,
}

/// The numbers of a turn.
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
        Self { period, end: Micros::MIN, due: Instant::now(), sections: Vec::new(), read_to: None }
    }

    /// Takes a record that was read up to `end`. What is finished by it goes to `out`.
    pub(super) fn take(&mut self, record: Record, end: Mark, now: Timestamp, out: &mut Waiting) {
        let time = record.batch.taken_at.as_microsecond();
        if self.sections.is_empty() {
            self.begin(time, now);
        } else if time >= self.end {
            self.finish(out);
            self.begin(time, now);
        } else if time < self.end.saturating_sub(self.period).saturating_sub(LATE) {
            // It belongs to no turn that is open.
            out.push(record, None);
            self.read_to = Some(end);
            return;
        }
        self.read_to = Some(end);
        let known = self.sections.iter().position(|gathered| gathered.section == record.section);
        let at = known.unwrap_or_else(|| {
            let (section, time) = (record.section.clone(), record.batch.taken_at);
            self.sections.push(Gathered { section, time, readings: Vec::new() });
            self.sections.len() - 1
        });
        self.sections[at].take(record.batch);
    }

    fn begin(&mut self, time: Micros, now: Timestamp) {
        self.end = (time.div_euclid(self.period) + 1).saturating_mul(self.period);
        let left = self.end.saturating_sub(now.as_microsecond()).clamp(0, self.period);
        self.due = Instant::now() + Duration::from_micros(left.unsigned_abs()) + GRACE;
    }

    /// Whether something is gathered.
    pub(super) fn is_open(&self) -> bool {
        !self.sections.is_empty()
    }

    /// When the turn is over, with nothing more coming; `None` where nothing is gathered.
    pub(super) fn due(&self) -> Option<Instant> {
        self.is_open().then_some(self.due)
    }

    /// Ends the turn if it is over.
    pub(super) fn finish_if_over(&mut self, out: &mut Waiting) {
        if self.due().is_some_and(|due| due <= Instant::now()) {
            self.finish(out);
        }
    }

    /// What was passed over while the turn was open.
    pub(super) fn passed(&mut self, end: Mark) {
        self.read_to = Some(end);
    }

    /// Ends the turn.
    pub(super) fn finish(&mut self, out: &mut Waiting) {
        let done = self.read_to;
        let mut sections = mem::take(&mut self.sections).into_iter().peekable();
        while let Some(gathered) = sections.next() {
            // A place in the queue is done when the whole turn is: it is gathered again otherwise.
            let done = if sections.peek().is_some() { None } else { done };
            out.push(gathered.into_record(), done);
        }
    }
}

impl Gathered {
    fn take(&mut self, batch: Batch) {
        self.time = self.time.max(batch.taken_at);
        for reading in batch.readings {
            let Value::Number(value) = reading.value else { continue };
            let known = self.readings.iter_mut().find(|(known, _)| known.name == reading.name);
            match known {
                // Another unit is another series: what was summed is of no use.
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
            if let Some(mean) = mean.get().filter(|_| mean.count > 1 && is_averaged(&reading)) {
                reading.value = Value::Number(mean);
            }
            reading
        });
        Record { section: self.section, batch: Batch { taken_at: self.time, readings: readings.collect() } }
    }
}

/// Value group D = 6 is a maximum, which no mean makes better (IEC 62056-61).
fn is_averaged(reading: &Reading) -> bool {
    let unit = reading.unit.as_deref().unwrap_or_default();
    let peak = reading.obis.is_some_and(|obis| obis.cde().1 == 6);
    AVERAGED.contains(&unit) && !peak
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

    /// Section, seconds, readings as text, place.
    fn drained(out: &mut Waiting) -> Vec<(String, i64, String, Option<u64>)> {
        let (records, done) = out.take();
        let one = |(record, done): (Record, Option<Mark>)| {
            let value = |reading: &Reading| match &reading.value {
                Value::Number(number) => number.to_string(),
                Value::Text(text) => text.to_string(),
            };
            let values: Vec<_> = record.batch.readings.iter().map(value).collect();
            let seconds = record.batch.taken_at.as_second() - at(0).as_second();
            (record.section.to_string(), seconds, values.join(" "), done.map(Mark::number))
        };
        records.into_iter().zip(done).map(one).collect()
    }

    #[test]
    fn a_turn_has_the_last_of_a_counter_and_the_mean_of_a_power() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        window.take(record("a", 1, "10.1", "100"), place(1), at(0), &mut out);
        window.take(record("b", 2, "7.0", "5"), place(2), at(0), &mut out);
        window.take(record("a", 59, "10.4", "101.5"), place(3), at(0), &mut out);
        window.passed(place(4));
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
    fn a_reading_of_an_earlier_time_goes_out_as_it_is_and_ends_no_turn() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        window.take(record("a", 70, "1.0", "1"), place(1), at(0), &mut out);
        window.take(record("gas", -3000, "2.0", "1"), place(2), at(0), &mut out);
        assert_eq!(drained(&mut out), [("gas".to_owned(), -3000, "2.0 1".to_owned(), None)]);
        window.finish(&mut out);
        assert_eq!(drained(&mut out), [("a".to_owned(), 70, "1.0 1".to_owned(), Some(2))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_ends_with_time_also_where_the_clock_was_ahead() {
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
    fn what_is_recorded_a_little_late_counts_for_the_next_turn() {
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
    fn a_peak_has_no_mean() {
        let (mut window, mut out) = (Window::new(MINUTE), Waiting::default());
        for (seconds, kilowatts) in [(1, 5), (2, 7)] {
            let obis = Obis::parse(b"1-0:1.6.0*255").unwrap();
            let peak = Reading::number("MAX_POWER_IMPORT", Decimal::from(kilowatts)).unit("kW").obis(obis);
            let batch = Batch { taken_at: at(seconds), readings: vec![peak] };
            window.take(Record { section: "a".into(), batch }, place(1), at(0), &mut out);
        }
        window.finish(&mut out);
        assert_eq!(drained(&mut out)[0].2, "7");
    }
}

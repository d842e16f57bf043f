//! Rules of a batch that its source must keep, and what happens to one that breaks them.

use std::collections::HashSet;

use tracing::warn;

use crate::{Batch, Reading, Text, Timestamp, Value, store::Health};

/// Members of a source's object in `/data` that are no readings.
const RESERVED: [&str; 2] = ["timestampUTC", "stale"];
/// Most readings of a batch.
const MOST_READINGS: usize = 1000;
/// Longest name of a reading, in bytes.
const LONGEST_NAME: usize = 128;
/// Longest unit, in bytes.
const LONGEST_UNIT: usize = 32;
/// Longest text of a reading, in bytes.
const LONGEST_TEXT: usize = 1024;
/// A batch that was taken earlier or later than this has the time of a clock that is wrong.
const OLDEST_SECONDS: i64 = 24 * 3600;
const NEWEST_SECONDS: i64 = 60;

/// Keeper of the rules that [`Batch`] names, for one source. Each breach is counted, and the first of its kind is logged.
#[derive(Debug, Default)]
pub(super) struct Tidy {
    /// Names and units of the last batch that kept all rules: most batches have the same.
    known: Vec<(Text, Option<Text>)>,
    /// Time of the last batch.
    last: Option<Timestamp>,
    logged: HashSet<Breach>,
}

/// Kind of breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Breach {
    Name,
    Duplicate,
    Reserved,
    TooMany,
    Unit,
    Text,
    Time,
}

impl Tidy {
    /// Mends a batch that arrived `now`.
    pub(super) fn mend(&mut self, batch: &mut Batch, now: Timestamp, health: &Health) {
        self.mend_time(batch, now, health);
        let is_known = |(reading, (name, unit)): (&Reading, &(Text, Option<Text>))| {
            reading.name == *name && reading.unit == *unit && !is_too_long(&reading.value)
        };
        let readings = &batch.readings;
        if readings.len() != self.known.len() || !readings.iter().zip(&self.known).all(is_known) {
            self.mend_readings(batch, health);
        }
    }

    fn mend_readings(&mut self, batch: &mut Batch, health: &Health) {
        let before: Vec<_> =
            batch.readings.iter().map(|reading| (reading.name.clone(), reading.unit.clone())).collect();
        let mut names = HashSet::new();
        batch.readings.retain_mut(|reading| {
            if let Some(unit) = &reading.unit
                && !is_plain(unit, LONGEST_UNIT)
            {
                if !unit.is_empty() {
                    let (name, unit) = (&reading.name, excerpt(unit));
                    self.log(Breach::Unit, || {
                        format!("the unit `{unit}` of `{name}` is not a text of at most {LONGEST_UNIT} bytes without control characters, and is left out")
                    });
                }
                reading.unit = None;
            }
            let name = &reading.name;
            let (breach, what) = match () {
                () if !is_plain(name, LONGEST_NAME) => (Breach::Name, "has a name that is not a text of 1 to 128 bytes without control characters"),
                () if RESERVED.contains(&name.as_str()) => (Breach::Reserved, "has a name that is reserved in `/data`"),
                () if names.len() == MOST_READINGS => (Breach::TooMany, "is one of more than 1000 in a batch"),
                () if is_too_long(&reading.value) => (Breach::Text, "has a text of more than 1024 bytes"),
                () if !names.insert(name.clone()) => (Breach::Duplicate, "is in the batch twice"),
                () => return true,
            };
            health.left_out.increment();
            self.log(breach, || format!("the reading `{}` is left out: it {what}", excerpt(name)));
            false
        });
        let after = batch.readings.iter().map(|reading| (&reading.name, &reading.unit));
        if before.iter().map(|(name, unit)| (name, unit)).eq(after) {
            self.known = before;
        }
    }

    fn mend_time(&mut self, batch: &mut Batch, now: Timestamp, health: &Health) {
        let age = now.as_second() - batch.taken_at.as_second();
        // A clock that was set back is not the source's fault.
        let is_backwards = self.last.is_some_and(|last| batch.taken_at < last && last <= now);
        if is_backwards || !(-NEWEST_SECONDS..=OLDEST_SECONDS).contains(&age) {
            let taken_at = std::mem::replace(&mut batch.taken_at, now);
            health.redated.increment();
            self.log(Breach::Time, || match is_backwards {
                true => format!("a batch has the time {taken_at}, before that of the last one: it gets the time of its arrival"),
                false => format!("a batch has the time {taken_at}, which is far off: it gets the time of its arrival"),
            });
        }
        self.last = Some(batch.taken_at);
    }

    fn log(&mut self, breach: Breach, message: impl FnOnce() -> String) {
        if self.logged.insert(breach) {
            warn!("{}; /health counts such", message());
        }
    }
}

fn is_plain(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.len() <= longest && !text.contains(char::is_control)
}

fn is_too_long(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.len() > LONGEST_TEXT)
}

fn excerpt(text: &str) -> String {
    text.chars().take(LONGEST_UNIT).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-28T12:00:00Z".parse().unwrap()
    }

    fn mended(tidy: &mut Tidy, readings: Vec<Reading>) -> (Vec<String>, u64) {
        let health = Health::default();
        let mut batch = Batch { taken_at: now(), readings };
        tidy.mend(&mut batch, now(), &health);
        let shown = batch.readings.iter().map(|reading| {
            let value = serde_json::to_string(&reading.value).unwrap();
            format!("{}={value}{}", reading.name, reading.unit.as_deref().unwrap_or_default())
        });
        (shown.collect(), health.left_out.get())
    }

    #[test]
    fn duplicate_empty_and_reserved_names_are_left_out_and_counted() {
        let reading = |name: &str, n: i64| Reading::number(name, n);
        let mut tidy = Tidy::default();
        for _ in 0..2 {
            let odd = ["a", "b", "a", "", " ", "stale", "timestampUTC", "a\n", "c"];
            let readings = odd.iter().zip(1..).map(|(name, n)| reading(name, n)).collect();
            assert_eq!(mended(&mut tidy, readings), (vec!["a=1".into(), "b=2".into(), "c=9".into()], 6));
        }
        assert_eq!(tidy.logged.len(), 3, "each kind is said once: {tidy:?}");
        let long = "x".repeat(LONGEST_NAME + 1);
        assert_eq!(mended(&mut tidy, vec![reading(&long, 1)]), (vec![], 1));
        let good = || vec![reading("a", 1), reading("b", 2)];
        for _ in 0..2 {
            assert_eq!(mended(&mut tidy, good()), (vec!["a=1".into(), "b=2".into()], 0));
        }
        assert_eq!(mended(&mut tidy, vec![reading("a", 1), reading("a", 2)]).1, 1);
    }

    #[test]
    fn a_batch_has_a_thousand_readings_at_most() {
        let mut tidy = Tidy::default();
        let many = (0..10_000).map(|n| Reading::number(format!("r{n}"), n)).collect();
        let (shown, left_out) = mended(&mut tidy, many);
        assert_eq!((shown.len(), left_out), (1000, 9000));
        assert_eq!(shown[999], "r999=999");
    }

    #[test]
    fn a_long_text_is_left_out_also_after_short_ones_and_said_once() {
        let mut tidy = Tidy::default();
        let readings = |length: usize| vec![Reading::text("id", "x".repeat(length)), Reading::number("a", 1)];
        for (length, left_out) in [(1024, 0), (1025, 1), (20_000_000, 1), (3, 0), (1025, 1)] {
            let (shown, count) = mended(&mut tidy, readings(length));
            assert_eq!((shown.len(), count), (2 - left_out as usize, left_out), "{length} bytes");
            assert_eq!(shown.last().unwrap(), "a=1");
        }
        assert_eq!(tidy.logged.len(), 1);
    }

    #[test]
    fn a_unit_that_is_no_short_text_is_left_out_and_its_reading_is_not() {
        let long = "k".repeat(LONGEST_UNIT + 1);
        for (unit, shown) in
            [("kWh", "kWh"), ("°C", "°C"), ("µg/m³", "µg/m³"), ("", ""), ("k\nW", ""), (&long, "")]
        {
            let readings = vec![Reading::number("a", 1).unit(unit)];
            assert_eq!(mended(&mut Tidy::default(), readings), (vec![format!("a=1{shown}")], 0), "{unit:?}");
        }
    }

    #[test]
    fn a_time_that_is_far_off_or_runs_backwards_is_that_of_the_arrival() {
        let health = Health::default();
        let mut tidy = Tidy::default();
        for (taken_at, arrived, dated, redated) in [
            ("2026-11-28T11:00:00Z", "2026-11-28T12:00:00Z", "2026-11-28T11:00:00Z", 0),
            ("2026-11-28T12:00:30Z", "2026-11-28T12:00:01Z", "2026-11-28T12:00:30Z", 0),
            ("1970-01-01T00:00:00Z", "2026-11-28T12:01:00Z", "2026-11-28T12:01:00Z", 1),
            ("2099-01-01T00:00:00Z", "2026-11-28T12:02:00Z", "2026-11-28T12:02:00Z", 2),
            ("2026-11-28T12:00:00Z", "2026-11-28T12:03:00Z", "2026-11-28T12:03:00Z", 3),
            ("2026-11-28T12:03:00Z", "2026-11-28T12:03:00Z", "2026-11-28T12:03:00Z", 3),
            // The clock was set back by an hour.
            ("2026-11-28T11:03:00Z", "2026-11-28T11:03:00Z", "2026-11-28T11:03:00Z", 3),
        ] {
            let mut batch = Batch { taken_at: taken_at.parse().unwrap(), readings: Vec::new() };
            tidy.mend(&mut batch, arrived.parse().unwrap(), &health);
            assert_eq!(batch.taken_at.to_string(), dated, "{taken_at}");
            assert_eq!(health.redated.get(), redated, "{taken_at}");
        }
        assert_eq!(tidy.logged.len(), 1);
    }
}

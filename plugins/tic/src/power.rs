//! Active power, which the meter does not send: from the steps of its index.

use std::{collections::VecDeque, time::Duration};

use framework::{Batch, Obis, Reading, Value};

/// Time over which the power is a mean, where the index steps at least twice in it.
const WINDOW: Duration = Duration::from_secs(60);
/// Least time of a mean: within a shorter one, the time of a step is too inexact.
const LEAST: Duration = Duration::from_secs(10);
/// Most steps that are kept.
const MOST: usize = 256;
/// Seconds of an hour.
const HOUR: f64 = 3600.0;

/// Power in both directions.
#[derive(Debug, Default)]
pub(crate) struct Powers {
    import: Steps,
    export: Steps,
}

impl Powers {
    /// Adds the power to a batch that arrived at `now`, a time since any fixed moment.
    pub(crate) fn complete(&mut self, batch: &mut Batch, now: Duration) {
        for (steps, index, name, code) in [
            (&mut self.import, "POWER_IMPORT", "CURRENT_POWER_IMPORT", "1-0:1.7.0*255"),
            (&mut self.export, "POWER_EXPORT", "CURRENT_POWER_EXPORT", "1-0:2.7.0*255"),
        ] {
            let Some(Value::Number(wh)) = batch.get(index).map(|reading| &reading.value) else { continue };
            let Some(wh) = wh.to_integer() else { continue };
            let (Some(watts), Some(code)) = (steps.read(now, wh), Obis::parse(code.as_bytes())) else {
                continue;
            };
            let mut reading = Reading::gauge(name, watts).unit("W").obis(code);
            reading.more = vec![format!("mean of the steps of {index}").into()];
            batch.readings.push(reading);
        }
    }
}

/// Steps of an index.
#[derive(Debug, Default)]
struct Steps {
    /// Last index, in Wh.
    last: Option<i64>,
    /// Times at which the index showed a new number, and the number.
    steps: VecDeque<(Duration, i64)>,
}

impl Steps {
    /// Takes an index in Wh. Returns the power in W, as soon as it is known.
    fn read(&mut self, now: Duration, wh: i64) -> Option<i64> {
        match self.last.replace(wh) {
            Some(last) if wh == last => {}
            // Another meter, or another contract.
            Some(last) if wh < last || wh > last + 1000 => self.steps.clear(),
            // When the first number was reached is not known.
            Some(_) => self.steps.push_back((now, wh)),
            None => {}
        }
        let &(end, latest) = self.steps.back()?;
        let is_enough = |&(time, _): &(Duration, i64)| now - time >= WINDOW && end - time >= LEAST;
        while self.steps.len() > MOST || self.steps.get(1).is_some_and(is_enough) {
            self.steps.pop_front();
        }
        let &(begin, first) = self.steps.front()?;
        let mean = |wh: i64, time: Duration| wh as f64 * HOUR / time.as_secs_f64();
        if end.saturating_sub(begin) < LEAST {
            return None;
        }
        let power = mean(latest - first, end - begin);
        // Since the last step, less than 1 Wh was used.
        let since = now.saturating_sub(end);
        Some(if since.is_zero() { power } else { power.min(mean(1, since)) } as i64)
    }
}

#[cfg(test)]
mod tests {
    use framework::{Decimal, Quantity};

    use super::*;

    /// Power that is shown in each second of a load in W, of a meter that sends each second.
    fn shown(steps: &mut Steps, from: u64, seconds: u64, wh: &mut f64, watts: f64) -> Vec<Option<i64>> {
        let each = |second| {
            *wh += watts / HOUR;
            steps.read(Duration::from_secs(from + second), *wh as i64)
        };
        (0..seconds).map(each).collect()
    }

    #[test]
    fn the_power_is_the_mean_of_the_last_minute() {
        for watts in [20.0, 100.0, 230.0, 1000.0, 2300.0, 9000.0, 36_000.0] {
            let (mut steps, mut wh) = (Steps::default(), 1234.5);
            let all = shown(&mut steps, 0, 1200, &mut wh, watts);
            for power in all.iter().flatten() {
                let off = (*power as f64 - watts).abs();
                // A step is seen within a second, and is 1 Wh.
                assert!(off <= (watts * 0.15).max(65.0), "{watts} W: {power}");
            }
            let known = all.iter().position(Option::is_some).unwrap() as f64;
            assert!(known <= (2.2 * HOUR / watts).max(13.0), "{watts} W: {known}");
        }
    }

    #[test]
    fn a_load_that_ends_is_seen_though_no_step_comes() {
        let (mut steps, mut wh) = (Steps::default(), 0.0);
        shown(&mut steps, 0, 300, &mut wh, 2000.0);
        let after = shown(&mut steps, 300, 600, &mut wh, 0.0);
        assert!(after[60].unwrap() <= 60 && after[599].unwrap() <= 6, "{after:?}");
        let again = shown(&mut steps, 900, 120, &mut wh, 2000.0);
        assert!((1900..=2100).contains(&again[119].unwrap()), "{again:?}");
    }

    #[test]
    fn a_batch_gets_it_in_both_directions_and_says_where_it_comes_from() {
        let mut powers = Powers::default();
        let mut last = Batch::now(Vec::new());
        for second in 0..120 {
            let index = |name: &str, wh: i64| Reading::counter(name, Decimal::new(wh, 0).unwrap()).unit("Wh");
            last = Batch::now(vec![
                index("POWER_IMPORT", 7_000 + second),
                index("POWER_EXPORT", 9_000 + second / 2),
            ]);
            powers.complete(&mut last, Duration::from_secs(second as u64));
        }
        for (name, watts) in [("CURRENT_POWER_IMPORT", 3600), ("CURRENT_POWER_EXPORT", 1800)] {
            let reading = last.get(name).unwrap();
            assert_eq!(reading.value, Value::Number(Decimal::from(watts)));
            assert_eq!((reading.unit.as_deref(), reading.more.len()), (Some("W"), 1));
            let meaning = reading.meaning();
            assert!(meaning.live && meaning.quantity == Quantity::Power, "{meaning:?}");
        }
        let mut without = Batch::now(Vec::new());
        powers.complete(&mut without, Duration::from_secs(121));
        assert!(without.readings.is_empty());
    }

    #[test]
    fn another_meter_makes_no_power() {
        let (mut steps, mut wh) = (Steps::default(), 0.0);
        shown(&mut steps, 0, 300, &mut wh, 2000.0);
        for other in [90_000_000, 12] {
            assert_eq!(steps.read(Duration::from_secs(300), other), None);
        }
    }
}

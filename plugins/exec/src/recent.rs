//! Readings of earlier lines: a program that hears several devices writes a line for each, and `/data` shows them all.

use std::{collections::HashSet, time::Duration};

use framework::{DeviceTime, Reading, Timestamp};
use tokio::time::Instant;

/// Newest reading of each name, for a while.
#[derive(Debug)]
pub(crate) struct Recent {
    expire_after: Duration,
    readings: Vec<(Reading, Instant)>,
}

impl Recent {
    pub(crate) fn new(expire_after: Duration) -> Self {
        Self { expire_after, readings: Vec::new() }
    }

    /// Returns the readings of a line that was taken at `time`, and those of earlier lines. Each has a time of its own, so
    /// that the journal records it once.
    pub(crate) fn with(&mut self, line: Vec<Reading>, time: Timestamp, now: Instant) -> Vec<Reading> {
        let (mut names, mut repeated) = (HashSet::new(), Vec::new());
        for mut reading in line {
            if !names.insert(reading.name.clone()) {
                repeated.push(reading);
                continue;
            }
            let earlier = self.readings.iter_mut().find(|(earlier, _)| earlier.name == reading.name);
            let own = earlier.as_ref().and_then(|(earlier, _)| Some((earlier, earlier.time.as_ref()?.utc?)));
            // Times of whole seconds repeat: another value is another reading all the same.
            let own = match own {
                Some((earlier, before)) if before == time && earlier.value != reading.value => {
                    Timestamp::from_microsecond(before.as_microsecond() + 1).unwrap_or(time)
                }
                _ => time,
            };
            reading.time = Some(DeviceTime { sent: own.to_string().into(), utc: Some(own) });
            match earlier {
                Some(earlier) => *earlier = (reading, now),
                None => self.readings.push((reading, now)),
            }
        }
        self.readings.retain(|(_, heard)| now.duration_since(*heard) < self.expire_after);
        // The scheduler counts those whose name is in the line twice.
        self.readings.iter().map(|(reading, _)| reading.clone()).chain(repeated).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reading_stays_for_its_time_and_has_a_time_of_its_own() {
        let mut recent = Recent::new(Duration::from_secs(60));
        let start = Instant::now();
        let mut shown = |name: &str, value: i32, seconds: u32| {
            let time = Timestamp::from_second(1_769_860_800 + i64::from(seconds)).unwrap();
            let now = start + Duration::from_secs(seconds.into());
            let readings = recent.with(vec![Reading::number(name.to_owned(), value)], time, now);
            let own = |reading: &Reading| {
                let micros = reading.time.as_ref().unwrap().utc.unwrap().as_microsecond();
                let value = serde_json::to_string(&reading.value).unwrap();
                format!("{}={value}@{}", reading.name, micros - 1_769_860_800_000_000)
            };
            readings.iter().map(own).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("a", 1, 0), "a=1@0");
        assert_eq!(shown("a", 1, 0), "a=1@0", "the same again");
        assert_eq!(shown("a", 2, 0), "a=2@1", "another value in the same second");
        assert_eq!(shown("b", 5, 30), "a=2@1 b=5@30000000");
        let twice = [("d", 1), ("d", 2)].map(|(name, value)| Reading::number(name.to_owned(), value)).into();
        let time = Timestamp::from_second(1_769_860_800).unwrap();
        let found = Recent::new(Duration::from_secs(60)).with(twice, time, start);
        assert_eq!(found.len(), 2, "the scheduler counts the second");
        assert_eq!(shown("c", 7, 60), "b=5@30000000 c=7@60000000", "a has not been heard for a minute");
    }
}

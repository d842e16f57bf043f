//! Log lines about commands that set the count.

use std::time::Instant;

use framework::{Decimal, Timestamp};

use super::TURN;

/// Commands in a minute that have a line each; a client may repeat them without end.
const LINES: u32 = 3;

/// Commands that were logged, and those that are still to be summed up.
#[derive(Debug, Default)]
pub(super) struct SetLog {
    /// Begin of the minute, and lines in it.
    minute: Option<(Instant, u32)>,
    unlogged: Option<Unlogged>,
}

/// Commands without a line.
#[derive(Debug)]
struct Unlogged {
    times: u64,
    first: Timestamp,
    last: Timestamp,
    kwh: Decimal,
}

impl SetLog {
    /// Notes a command. Returns its line, unless it is one of many.
    pub(super) fn note(&mut self, kwh: Decimal) -> Option<String> {
        let (begin, lines) =
            self.minute.filter(|(begin, _)| begin.elapsed() < TURN).unwrap_or((Instant::now(), 0));
        self.minute = Some((begin, lines + 1));
        if lines < LINES {
            return Some(format!("count set to {kwh} kWh"));
        }
        let now = Timestamp::now();
        let (times, first) = self.unlogged.as_ref().map_or((0, now), |before| (before.times, before.first));
        self.unlogged = Some(Unlogged { times: times + 1, first, last: now, kwh });
        None
    }

    /// Returns the line about the commands that have none, once their minute is over. It says when they came.
    pub(super) fn rest(&mut self) -> Option<String> {
        self.minute
            .is_none_or(|(begin, _)| begin.elapsed() >= TURN)
            .then(|| self.unlogged.take())
            .flatten()
            .map(|Unlogged { times, first, last, kwh }| match times {
                1 => format!("count set once more, at {last:.0}, to {kwh} kWh"),
                _ => format!(
                    "count set {times} times more, from {first:.0} to {last:.0}, at last to {kwh} kWh"
                ),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute_ago(log: &mut SetLog) {
        log.minute = log.minute.map(|(begin, lines)| (begin.checked_sub(TURN).unwrap(), lines));
    }

    #[test]
    fn a_second_command_within_a_minute_is_logged_at_once_and_many_are_summed_up_with_their_times() {
        let mut log = SetLog::default();
        let kwh = |number: i64| Decimal::from(number);
        let lines: Vec<_> = (1..=3).map(|n| log.note(kwh(n)).unwrap()).collect();
        assert_eq!(lines, ["count set to 1 kWh", "count set to 2 kWh", "count set to 3 kWh"]);
        let before = Timestamp::now();
        assert_eq!(log.note(kwh(4)), None);
        assert_eq!(log.rest(), None, "the minute is not over");
        minute_ago(&mut log);
        let line = log.rest().unwrap();
        let at = line.strip_prefix("count set once more, at ").unwrap().strip_suffix(", to 4 kWh").unwrap();
        let at: Timestamp = at.parse().unwrap();
        assert!(at.duration_since(before).as_secs().abs() <= 5, "{line}");
        assert_eq!(log.rest(), None);

        assert_eq!(log.note(kwh(5)).unwrap(), "count set to 5 kWh");
        (6..=300).for_each(|n| drop(log.note(kwh(n))));
        minute_ago(&mut log);
        let line = log.rest().unwrap();
        assert!(line.starts_with("count set 293 times more, from 20"), "{line}");
        assert!(line.ends_with(", at last to 300 kWh"), "{line}");
    }
}

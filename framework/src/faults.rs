//! Log of faults that repeat: each kind once a minute at most.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

use crate::one_line::one_line;

/// Shortest time between two log lines of one kind.
const PERIOD: Duration = Duration::from_secs(60);

/// Filter of repeating faults: each kind is logged at once, then once a minute with its number, so that the log cannot
/// fill a memory card.
///
/// The framework filters the errors of sources and publishers; a plugin needs a filter for faults that it logs itself.
/// Each kind is remembered, so use few.
///
/// ```
/// let mut faults = framework::Faults::default();
/// for _ in 0..1000 {
///     if let Some(text) = faults.note("write", "the disk is full") {
///         println!("{text}"); // once
///     }
/// }
/// assert!(faults.over());
/// ```
#[derive(Debug)]
pub struct Faults<K> {
    kinds: HashMap<K, (Instant, u64)>,
    logged: bool,
}

impl<K> Default for Faults<K> {
    fn default() -> Self {
        Self { kinds: HashMap::new(), logged: false }
    }
}

impl<K: Eq + Hash> Faults<K> {
    /// Returns the line to log; `None` if this kind was logged within the last minute. Control characters of the message
    /// are escaped, and it is cut to 1000 characters.
    pub fn note(&mut self, kind: K, message: &str) -> Option<String> {
        let now = Instant::now();
        let Some((last, unlogged)) = self.kinds.get_mut(&kind) else {
            self.kinds.insert(kind, (now, 0));
            self.logged = true;
            return Some(one_line(message).into_owned());
        };
        if now.duration_since(*last) < PERIOD {
            *unlogged += 1;
            return None;
        }
        let message = one_line(message);
        let text = match *unlogged {
            0 => message.into_owned(),
            n => format!("{message} (and {n} more like this in the last minute)"),
        };
        (*last, *unlogged) = (now, 0);
        self.logged = true;
        Some(text)
    }

    /// Notes that all is well again. Returns whether a fault was logged, so that its end should be, too.
    pub fn over(&mut self) -> bool {
        std::mem::take(&mut self.logged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_repeating_fault_is_logged_once_a_minute() {
        let mut faults = Faults::default();
        let mut logged = Vec::new();
        for _ in 0..180 {
            logged.extend(faults.note(1, "noise"));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let more = "noise (and 59 more like this in the last minute)";
        assert_eq!(logged, ["noise", more, more]);
        assert!(faults.note(2, "another").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_fault_is_logged_as_often_as_the_fault() {
        let mut faults = Faults::default();
        let mut ends = 0;
        for _ in 0..180 {
            let _ = faults.note("loose cable", "no device");
            ends += usize::from(faults.over());
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(ends, 3);
    }
}

//! Faults that repeat: counted always, said once a minute.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

/// A repeating fault is logged this often at most.
const PERIOD: Duration = Duration::from_secs(60);

/// Says each kind of fault once, then once a minute with how often it came: a log that fills a card helps nobody.
///
/// The framework does so with the errors of sources and publishers; a plugin needs one for what it logs itself. The kinds
/// are few: each is remembered.
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
    said: bool,
}

impl<K> Default for Faults<K> {
    fn default() -> Self {
        Self { kinds: HashMap::new(), said: false }
    }
}

impl<K: Eq + Hash> Faults<K> {
    /// What is to be logged of this fault; `None` where it was said within the last minute.
    pub fn note(&mut self, kind: K, message: &str) -> Option<String> {
        let now = Instant::now();
        let Some((last, unsaid)) = self.kinds.get_mut(&kind) else {
            self.kinds.insert(kind, (now, 0));
            self.said = true;
            return Some(message.to_owned());
        };
        if now.duration_since(*last) < PERIOD {
            *unsaid += 1;
            return None;
        }
        let text = match *unsaid {
            0 => message.to_owned(),
            n => format!("{message} (and {n} more like this in the last minute)"),
        };
        (*last, *unsaid) = (now, 0);
        self.said = true;
        Some(text)
    }

    /// It works again: whether a fault was said, so that its end is to be said too.
    pub fn over(&mut self) -> bool {
        std::mem::take(&mut self.said)
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
    async fn the_end_of_a_fault_is_said_as_often_as_the_fault() {
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

//! Faults that repeat: counted always, said once a minute.

use std::{collections::HashMap, hash::Hash, time::Duration};

use tokio::time::Instant;

/// A repeating fault is logged this often at most.
const PERIOD: Duration = Duration::from_secs(60);

/// Says each kind of fault once, then once a minute with how often it came.
#[derive(Debug)]
pub(crate) struct Faults<K> {
    kinds: HashMap<K, (Instant, u64)>,
    /// Something was wrong since this was last taken back.
    pub(crate) any: bool,
}

impl<K> Default for Faults<K> {
    fn default() -> Self {
        Self { kinds: HashMap::new(), any: false }
    }
}

impl<K: Eq + Hash> Faults<K> {
    /// What is to be logged of this fault; `None` where it was said within the last minute.
    pub(crate) fn note(&mut self, kind: K, message: &str) -> Option<String> {
        self.any = true;
        let now = Instant::now();
        let Some((last, unsaid)) = self.kinds.get_mut(&kind) else {
            self.kinds.insert(kind, (now, 0));
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
        Some(text)
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
}

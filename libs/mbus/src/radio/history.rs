//! Telegrams that were received before: repetitions over several receivers, and old ones that somebody sends again.

use std::collections::VecDeque;

use super::{
    reject::Reason,
    telegram::{LinkAddress, Outline},
};

/// Meters that are remembered. The one that was heard last is at the end.
const MAX_METERS: usize = 256;

/// Telegrams that are remembered of each meter. Access numbers begin again after 256.
const MAX_RECENT: usize = 64;

/// Newest telegrams of each meter.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    meters: Vec<Newest>,
}

#[derive(Clone, Debug)]
struct Newest {
    meter: LinkAddress,
    access: Option<u8>,
    content: u64,
    counter: Option<u32>,
    /// Access number and content of the telegrams before, the oldest first.
    before: VecDeque<(Option<u8>, u64)>,
}

impl History {
    /// Records a telegram that may be trusted, with a hash of its content.
    ///
    /// # Errors
    /// Fails if it was received before, or is older than one that was.
    pub(super) fn record(&mut self, outline: &Outline, content: u64) -> Result<(), Reason> {
        let Outline { meter, access, counter, .. } = *outline;
        let Some(at) = self.meters.iter().rposition(|known| known.meter == meter) else {
            if self.meters.len() == MAX_METERS {
                self.meters.remove(0);
            }
            self.meters.push(Newest { meter, access, content, counter, before: VecDeque::new() });
            return Ok(());
        };
        self.meters[at..].rotate_left(1);
        let Some(known) = self.meters.last_mut() else { return Ok(()) };
        if (known.access, known.content, known.counter) == (access, content, counter) {
            return Err(Reason::Repeated);
        }
        if let (Some(counter), Some(before)) = (counter, known.counter)
            && counter <= before
        {
            return Err(Reason::Replayed { counter, before });
        }
        // Where the access number does not change, equal telegrams only tell that the readings are as they were.
        if known.access != access && known.before.contains(&(access, content)) {
            return Err(Reason::SentBefore);
        }
        if known.before.len() == MAX_RECENT {
            known.before.pop_front();
        }
        known.before.push_back((known.access, known.content));
        (known.access, known.content) = (access, content);
        // A meter may send plain telegrams in between: its counter still must not fall.
        known.counter = counter.or(known.counter);
        Ok(())
    }
}

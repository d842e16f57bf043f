//! Log in memory, and its losses in a power cut.
#![allow(clippy::unwrap_used)]

use std::{fs, sync::mpsc};

use crate::{
    Settings, lock,
    wal::{Closed, EARLY, Log, Wal, segment_path},
};
use reading::{Batch, Decimal, Reading, Timestamp};

impl Log {
    /// Takes from the files what a power cut would.
    pub(crate) fn cut_power(&self) {
        let state = lock(&self.state);
        let closed = state.closed.iter().map(|closed| (closed.number, closed.on_disk.synced));
        for (number, synced) in closed.chain([(state.open.number, state.open.on_disk.synced)]) {
            let file = fs::File::options().write(true).open(segment_path(&self.path, number)).unwrap();
            file.set_len(synced as u64).unwrap();
        }
    }
}

#[test]
fn a_journal_that_never_opens_takes_no_more_than_its_share_of_memory() {
    let settings = Settings { checkpoint_size: 1000, ..Settings::new("/nonexistent/journal.db") };
    let wal = Wal::new(&settings, mpsc::sync_channel(1).0);
    for n in 0..10_000 {
        let taken_at = Timestamp::from_second(1_795_000_000 + n).unwrap();
        let readings = vec![Reading::number("energy", Decimal::from(n)); 30];
        wal.record(&"meter".into(), &Batch { taken_at, readings });
    }
    let state = lock(&wal.log().state);
    let closed = state.closed.iter().map(Closed::memory).sum::<usize>();
    assert!(closed > 1000 && closed + state.open.bytes.len() < 3 * 4 * 1000, "{closed}");
    let early = lock(&wal.early);
    assert!((EARLY - 30..=EARLY).contains(&early.readings) && early.waiting.len() == early.readings / 30);
}

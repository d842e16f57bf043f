//! Readings of one series that are in the log only.

use crate::{
    series::{Sample, Stated},
    time::Micros,
    wal::{CounterSet, Entry, frame},
};
use reading::{Decimal, Text};

/// Readings of a series that are not checkpointed yet.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Recent {
    /// In order of time, no time twice, and none that the database has.
    pub(crate) samples: Vec<Sample>,
    /// In order of time.
    pub(crate) sets: Vec<CounterSet>,
}

impl Recent {
    /// Reads all series of a name from segments, each with its unit.
    pub(crate) fn read(segments: &[&[u8]], section: &str, name: &str) -> Vec<(Text, Stated, Self)> {
        // A name has one unit, or two where its device was changed.
        let mut found = Vec::<(Text, Stated, Self)>::new();
        entries(segments, |entry| match entry {
            Entry::Batch { layout, time, mantissas } if layout.section == section => {
                for (column, &mantissa) in layout.columns.iter().zip(mantissas) {
                    if column.name == name
                        && let Some(value) = Decimal::new(mantissa, column.scale)
                    {
                        let (_, stated, recent) = of_unit(&mut found, &column.unit);
                        stated.update(&column.obis, column.kind, column.medium);
                        recent.samples.push(Sample { time, value });
                    }
                }
            }
            Entry::CounterSet(set) if set.series.section == section && set.series.name == name => {
                of_unit(&mut found, &set.series.unit).2.sets.push(set);
            }
            Entry::TimeCorrection(correction) => {
                for (.., recent) in &mut found {
                    let times = recent.samples.iter_mut().map(|sample| &mut sample.time);
                    for time in times.chain(recent.sets.iter_mut().map(|set| &mut set.time)) {
                        *time = correction.apply(*time);
                    }
                }
            }
            _ => {}
        });
        for (.., recent) in &mut found {
            // Stable: of two with one time the one that came first stays.
            recent.samples.sort_by_key(|sample| sample.time);
            recent.samples.dedup_by_key(|sample| sample.time);
            recent.sets.sort_by_key(|set| set.time);
        }
        found
    }

    /// Returns the samples from one moment to before another.
    pub(crate) fn within(&self, from: Micros, to: Micros) -> &[Sample] {
        let start = self.samples.partition_point(|sample| sample.time < from);
        let end = self.samples.partition_point(|sample| sample.time < to);
        self.samples.get(start..end).unwrap_or_default()
    }

    /// Returns the times of the first sample and the last.
    pub(crate) fn extent(&self) -> Option<(Micros, Micros)> {
        Some((self.samples.first()?.time, self.samples.last()?.time))
    }

    /// Returns whether a command set the counter between two moments.
    pub(crate) fn was_set(&self, from: Micros, to: Micros) -> bool {
        let at = self.sets.partition_point(|set| set.time < from);
        self.sets.get(at).is_some_and(|set| set.time <= to)
    }
}

/// Returns the series of a unit, which may be new.
fn of_unit<'f>(found: &'f mut Vec<(Text, Stated, Recent)>, unit: &Text) -> &'f mut (Text, Stated, Recent) {
    let at = found.iter().position(|(of, ..)| of == unit).unwrap_or_else(|| {
        found.push((unit.clone(), Stated::default(), Recent::default()));
        found.len() - 1
    });
    &mut found[at]
}

/// Visits the entries of all segments, in the order of recording.
pub(crate) fn entries(segments: &[&[u8]], mut visit: impl FnMut(Entry<'_>)) {
    for segment in segments {
        frame::entries(segment, &mut visit);
    }
}

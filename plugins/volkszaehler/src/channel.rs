//! Channel of the middleware: the values that it gets, and those that it has already.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use framework::{Decimal, Faults, PublishError, Record, Text, Value};

use crate::middleware::{Middleware, Tuple};

/// Maximum number of values in a request. The middleware inserts them one by one, which takes long on a small machine.
const MAX_TUPLES: usize = 64;

/// Reading, and the channel that it goes to.
#[derive(Debug)]
pub(crate) struct Channel {
    section: String,
    name: String,
    uuid: String,
    factor: Decimal,
    /// Milliseconds in which an unchanged value is not sent again.
    duplicates_ms: i64,
    /// Last tuple that was sent.
    last: Option<Tuple>,
    /// Times of the newest records that it has. They are passed again if another channel failed.
    has_ms: BTreeSet<i64>,
    /// The middleware's last response, if it does not know the channel.
    unknown: Option<String>,
    /// Number of values of the newest records that were not sent for that reason.
    left: usize,
    faults: Faults<()>,
}

impl Channel {
    pub(crate) fn new(
        section: &str,
        name: &str,
        uuid: String,
        factor: Decimal,
        duplicates: Duration,
    ) -> Self {
        let duplicates_ms = i64::try_from(duplicates.as_millis()).unwrap_or(i64::MAX);
        let (section, name) = (section.to_owned(), name.to_owned());
        let (last, has_ms, unknown, left, faults) = (None, BTreeSet::new(), None, 0, Faults::default());
        Self { section, name, uuid, factor, duplicates_ms, last, has_ms, unknown, left, faults }
    }

    pub(crate) fn uuid(&self) -> &str {
        &self.uuid
    }

    /// Returns `source/NAME`, as in the configuration.
    pub(crate) fn series(&self) -> String {
        format!("{}/{}", self.section, self.name)
    }

    /// Returns source and name of the reading.
    pub(crate) fn reading(&self) -> (Text, Text) {
        ((&*self.section).into(), (&*self.name).into())
    }

    /// Sends the values of these records that the channel lacks. A channel that the middleware does not know is not an
    /// error, as it must not block the others.
    pub(crate) async fn deliver(
        &mut self,
        records: &[Record],
        middleware: &Middleware,
    ) -> Result<(), PublishError> {
        let values = self.values(records);
        self.has_ms.retain(|ms| values.contains_key(ms));
        self.left = 0;
        let all = self.tuples(&values);
        for (i, tuples) in all.chunks(MAX_TUPLES).enumerate() {
            self.unknown = middleware.add(&self.uuid, &self.series(), tuples).await?;
            if self.unknown.is_some() {
                self.left = all.len() - i * MAX_TUPLES;
                break;
            }
            self.last = tuples.last().copied();
            // Including the unchanged ones between them, which were not sent.
            let until = self.last.map_or(i64::MIN, |last| last.ms);
            self.has_ms.extend(values.range(..=until).map(|(ms, _)| *ms));
        }
        Ok(())
    }

    /// Returns the reason for which the newest values were not sent.
    pub(crate) fn refuses(&self) -> Option<&str> {
        self.unknown.as_deref().filter(|_| self.left > 0)
    }

    /// Returns the reason for which the channel is unknown.
    pub(crate) fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// Skips the values of the newest records that were not sent. Returns their number, and a message for the log.
    pub(crate) fn skip(&mut self) -> (usize, Option<String>) {
        let left = std::mem::take(&mut self.left);
        let Some(reason) = self.unknown.as_ref().filter(|_| left > 0) else { return (left, None) };
        let message = format!(
            "{reason}; its values are skipped (the journal still has them), the other channels go on"
        );
        (left, self.faults.note((), &message))
    }

    /// Returns its values by time. Of two in one millisecond the newer one counts.
    fn values(&self, records: &[Record]) -> BTreeMap<i64, Decimal> {
        let own = records.iter().filter(|record| *record.section == *self.section);
        let value = |record: &Record| {
            let Value::Number(value) = record.batch.get(&self.name)?.value else { return None };
            Some((record.batch.taken_at.as_millisecond(), times(value, self.factor)?))
        };
        own.filter_map(value).collect()
    }

    /// Returns the values that it lacks, without unchanged ones.
    fn tuples(&self, values: &BTreeMap<i64, Decimal>) -> Vec<Tuple> {
        let mut last = self.last;
        let mut tuples = Vec::new();
        for (&ms, &value) in values.iter().filter(|(ms, _)| !self.has_ms.contains(ms)) {
            let soon = |last: Tuple| value == last.value && (0..self.duplicates_ms).contains(&(ms - last.ms));
            if !last.is_some_and(soon) {
                last = Some(Tuple { ms, value });
                tuples.extend(last);
            }
        }
        tuples
    }
}

/// Multiplies, with every digit if the product can hold them. Returns `None` on overflow.
fn times(value: Decimal, factor: Decimal) -> Option<Decimal> {
    let mantissa = value.mantissa().checked_mul(factor.mantissa());
    let exact = mantissa.and_then(|mantissa| Decimal::new(mantissa, value.scale() + factor.scale()));
    let nearest = || Decimal::from_f64(value.to_f64() * factor.to_f64());
    exact.or_else(nearest)
}

#[cfg(test)]
mod tests {
    use framework::{Batch, Reading, Timestamp};

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap()
    }

    fn record(section: &str, ms: i64, value: &str) -> Record {
        let batch = Batch {
            taken_at: Timestamp::from_microsecond(ms * 1000 + 7).unwrap(),
            readings: vec![Reading::number("A", decimal(value))],
        };
        Record { section: section.into(), batch }
    }

    fn channel(factor: &str, duplicates: u64) -> Channel {
        Channel::new("grid", "A", "uuid".into(), decimal(factor), Duration::from_secs(duplicates))
    }

    fn shown(channel: &Channel, records: &[Record]) -> Vec<(i64, String)> {
        channel
            .tuples(&channel.values(records))
            .iter()
            .map(|tuple| (tuple.ms, tuple.value.to_string()))
            .collect()
    }

    #[test]
    fn a_millisecond_has_one_value_the_newer_one() {
        let records = [
            record("grid", 2000, "1"),
            record("grid", 1000, "2"),
            record("grid", 2000, "3"),
            record("heat", 3000, "4"),
        ];
        assert_eq!(shown(&channel("1", 0), &records), [(1000, "2".into()), (2000, "3".into())]);
    }

    #[test]
    fn a_factor_keeps_the_digits() {
        for (value, factor, product) in [
            ("4457.1530", "1000", Some("4457153.0")),
            ("312.5", "-0.001", Some("-0.3125")),
            ("9223372036854775807", "0.5", Some("4611686018427387904")),
            ("9223372036854775807", "1000000000000", None),
            ("0.000000000000000001", "0.1", None),
        ] {
            let product = product.map(decimal);
            assert_eq!(
                times(decimal(value), decimal(factor)).map(|d| d.to_f64()),
                product.map(|d| d.to_f64())
            );
        }
        assert_eq!(times(decimal("4457.1530"), decimal("1000")).unwrap().to_string(), "4457153.0");
    }

    #[test]
    fn an_unchanged_value_is_sent_once_in_a_while() {
        let records: Vec<_> =
            (0..7).map(|i| record("grid", i * 10_000, if i == 3 { "2" } else { "1" })).collect();
        let times = |duplicates| {
            shown(&channel("1", duplicates), &records).iter().map(|(ms, _)| ms / 1000).collect::<Vec<_>>()
        };
        let expected: [Vec<i64>; 3] =
            [(0..7).map(|i| i * 10).collect(), vec![0, 20, 30, 40, 60], vec![0, 30, 40]];
        assert_eq!([times(0), times(20), times(60)], expected);
        // The time counts from the last one that was sent, not from an earlier one in the same records.
        let mut channel = channel("1", 20);
        channel.last = Some(Tuple { ms: -5000, value: decimal("1") });
        assert_eq!(channel.tuples(&channel.values(&records)).first().unwrap().ms, 20_000);
    }
}

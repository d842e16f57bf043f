//! One channel: which tuples of the records it gets, and which of them it has.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use framework::{Decimal, Faults, PublishError, Record, Text, Value};

use crate::middleware::{Added, Middleware, Tuple};

/// The middleware's database takes them one by one: a request with more of them takes too long on a small machine.
const MAX_TUPLES: usize = 64;

/// A reading, and the channel that it goes to.
#[derive(Debug)]
pub(crate) struct Channel {
    section: String,
    name: String,
    uuid: String,
    factor: Decimal,
    /// An unchanged value is sent at most so often, in milliseconds.
    duplicates_ms: i64,
    /// The last tuple that was sent.
    last: Option<Tuple>,
    /// Times of what it has of the newest records: they come again where another channel failed.
    has_ms: BTreeSet<i64>,
    /// Why it takes nothing: the middleware does not know it, as it said last.
    unknown: Option<String>,
    /// How many values of the newest records it did not take for that.
    left: usize,
    /// What the log says of that.
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

    /// `section/NAME`, as it is written.
    pub(crate) fn series(&self) -> String {
        format!("{}/{}", self.section, self.name)
    }

    /// Section and name.
    pub(crate) fn reading(&self) -> (Text, Text) {
        ((&*self.section).into(), (&*self.name).into())
    }

    /// Sends what the channel lacks of these records. One that the middleware does not know is no error: it must not
    /// hold up the others.
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
            self.unknown = match middleware.add(&self.uuid, &self.series(), tuples).await? {
                Added::All => None,
                Added::NoChannel(reason) => Some(reason),
            };
            if self.unknown.is_some() {
                self.left = all.len() - i * MAX_TUPLES;
                break;
            }
            self.last = tuples.last().copied();
            // With those between them that were not worth sending.
            let until = self.last.map_or(i64::MIN, |last| last.ms);
            self.has_ms.extend(values.range(..=until).map(|(ms, _)| *ms));
        }
        Ok(())
    }

    /// Why the middleware does not take the values of the newest records.
    pub(crate) fn refuses(&self) -> Option<&str> {
        self.unknown.as_deref().filter(|_| self.left > 0)
    }

    /// Why it takes nothing.
    pub(crate) fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// Goes on without what it did not take of the newest records: how many values, and what is to be logged.
    pub(crate) fn set_aside(&mut self) -> (usize, Option<String>) {
        let left = std::mem::take(&mut self.left);
        let Some(reason) = self.unknown.as_ref().filter(|_| left > 0) else { return (left, None) };
        let message =
            format!("{reason}; its values are set aside (the journal has them), the other channels go on");
        (left, self.faults.note((), &message))
    }

    /// Its values by time: of two in one millisecond the newer one.
    fn values(&self, records: &[Record]) -> BTreeMap<i64, Decimal> {
        let own = records.iter().filter(|record| *record.section == *self.section);
        let value = |record: &Record| {
            let Value::Number(value) = record.batch.get(&self.name)?.value else { return None };
            Some((record.batch.taken_at.as_millisecond(), times(value, self.factor)?))
        };
        own.filter_map(value).collect()
    }

    /// Those that it lacks, but for the ones that say nothing new.
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

/// With every digit, where that many can be kept; `None` where the product is beyond all numbers.
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
    fn a_millisecond_has_one_tuple_the_newer_one() {
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
    fn an_unchanged_value_is_sent_now_and_then() {
        let records: Vec<_> =
            (0..7).map(|i| record("grid", i * 10_000, if i == 3 { "2" } else { "1" })).collect();
        let times = |duplicates| {
            shown(&channel("1", duplicates), &records).iter().map(|(ms, _)| ms / 1000).collect::<Vec<_>>()
        };
        let expected: [Vec<i64>; 3] =
            [(0..7).map(|i| i * 10).collect(), vec![0, 20, 30, 40, 60], vec![0, 30, 40]];
        assert_eq!([times(0), times(20), times(60)], expected);
        // It is measured from the last one that arrived, not from one before in the same records.
        let mut channel = channel("1", 20);
        channel.last = Some(Tuple { ms: -5000, value: decimal("1") });
        assert_eq!(channel.tuples(&channel.values(&records)).first().unwrap().ms, 20_000);
    }
}

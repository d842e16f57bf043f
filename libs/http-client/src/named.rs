//! Readings that a configuration names. Whether a meter has them is known only once it was read.

use std::time::Instant;

use framework::{PublisherContext, Text, Value};

/// Readings that a plugin's key names, by section and name. Of each that nobody reads, or that is left out, one warning
/// is logged.
#[derive(Debug, Default)]
pub struct Named {
    key: &'static str,
    publisher: Text,
    /// Those of which it is not yet known whether they are read; an empty section is any.
    unknown: Vec<(Text, Text)>,
    house: Option<PublisherContext>,
}

impl Named {
    /// Readings that `key` of the instance `publisher` names. An empty section stands for all of them.
    pub fn new(key: &'static str, publisher: &str, readings: impl IntoIterator<Item = (Text, Text)>) -> Self {
        Self { key, publisher: publisher.into(), unknown: readings.into_iter().collect(), house: None }
    }

    /// To be said when the publisher is opened.
    pub fn open(&mut self, house: &PublisherContext) {
        self.house = Some(house.clone());
        self.look();
    }

    /// To be said now and then: a section is judged once it has a batch. Costs nothing once all are.
    pub fn look(&mut self) {
        for absent in self.absent() {
            tracing::warn!(publisher = %self.publisher, "{absent}");
        }
    }

    /// What is to be said of those that are absent, once for each.
    fn absent(&mut self) -> Vec<String> {
        let Some(house) = self.house.as_ref().filter(|_| !self.unknown.is_empty()) else { return Vec::new() };
        let key = self.key;
        let mut said = Vec::new();
        self.unknown.retain(|(section, name)| match judge(house, section, name) {
            Judgement::Unknown => true,
            Judgement::There => false,
            Judgement::Absent(why) => {
                let sign = if section.is_empty() { "" } else { "/" };
                said.push(format!("`{key}` names `{section}{sign}{name}`, but {why}"));
                false
            }
        });
        said
    }
}

enum Judgement {
    Unknown,
    There,
    Absent(String),
}

fn judge(house: &PublisherContext, section: &str, name: &str) -> Judgement {
    let sections = house.store.sections();
    if !section.is_empty() && house.store.section(section).is_none() {
        let there: Vec<_> = sections.iter().map(|section| format!("`{}`", section.name)).collect();
        return Judgement::Absent(format!("no source is called `{section}`, there are {}", there.join(", ")));
    }
    if !section.is_empty() && !house.route.has_source(section) {
        return Judgement::Absent(format!("`sources` leaves `{section}` out"));
    }
    if !house.route.has_series(name) {
        return Judgement::Absent(format!("`series` leaves `{name}` out"));
    }
    let mut all_read = true;
    for own in sections.iter().filter(|own| section.is_empty() || own.name == section) {
        let Some(view) = own.view(Instant::now()) else {
            all_read = false;
            continue;
        };
        let reading = view.snapshot.batch.get(name);
        if reading.is_some_and(|reading| matches!(reading.value, Value::Number(_))) {
            return Judgement::There;
        }
    }
    match all_read {
        true => Judgement::Absent("no such number was read: `/data` shows those that there are".to_owned()),
        false => Judgement::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use framework::{Batch, Decimal, Reading, Stats, Store, store::Section, testing};
    use wildmatch::WildMatch;

    use super::*;

    fn named(readings: &[&str]) -> Named {
        let readings = readings.iter().map(|reading| reading.split_once('/').unwrap_or(("", reading)));
        Named::new("fields", "test", readings.map(|(section, name)| (section.into(), name.into())))
    }

    fn batch() -> Batch {
        Batch::now(vec![Reading::number("A", Decimal::from(1)), Reading::text("T", "x")])
    }

    #[tokio::test]
    async fn what_nobody_reads_is_said_once() {
        let mut named = named(&["grid/A", "gird/A", "grid/B", "A", "B", "grid/T"]);
        assert_eq!(named.absent(), [""; 0], "the house is not known");
        named.house = Some(testing::publisher_context(&[("grid", batch())]));
        assert_eq!(
            named.absent(),
            [
                "`fields` names `gird/A`, but no source is called `gird`, there are `grid`",
                "`fields` names `grid/B`, but no such number was read: `/data` shows those that there are",
                "`fields` names `B`, but no such number was read: `/data` shows those that there are",
                "`fields` names `grid/T`, but no such number was read: `/data` shows those that there are",
            ]
        );
        assert_eq!(named.absent(), [""; 0]);
        assert!(named.unknown.is_empty());
    }

    #[tokio::test]
    async fn a_section_is_judged_once_it_was_read() {
        let mut named = named(&["heat/A", "heat/B", "B"]);
        let mut house = testing::publisher_context(&[]);
        let unread = |name: &str| Section::new(name, "test", Duration::from_secs(30), Stats::default());
        house.store = Store::new(["grid", "heat"].map(unread));
        named.house = Some(house.clone());
        assert_eq!(named.absent(), [""; 0]);
        testing::update_source(&house, "grid", batch());
        assert_eq!(named.absent(), [""; 0], "`heat` may have a `B`");
        testing::update_source(&house, "heat", batch());
        let absent = named.absent();
        assert!(
            absent.len() == 2 && absent[0].contains("`heat/B`") && absent[1].contains("`B`"),
            "{absent:?}"
        );
    }

    #[tokio::test]
    async fn what_is_left_out_is_said() {
        let mut named = named(&["grid/A"]);
        let mut house = testing::publisher_context(&[("grid", batch())]);
        let mut route = (*house.route).clone();
        route.series = vec![WildMatch::new("B*")];
        house.route = Arc::new(route);
        named.house = Some(house);
        assert_eq!(named.absent(), ["`fields` names `grid/A`, but `series` leaves `A` out"]);
    }
}

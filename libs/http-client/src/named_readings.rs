//! Readings that a configuration names. Only the first batch of a source shows whether it has them.

use std::time::Instant;

use framework::{PublisherContext, Text, Value};

/// Readings that a key of the configuration names, by source and name.
///
/// Logs one warning for each that no source has, and for each that the user's selection excludes.
#[derive(Debug, Default)]
pub struct NamedReadings {
    key: &'static str,
    /// Readings that are not judged yet; an empty source means any.
    unknown: Vec<(Text, Text)>,
    cx: Option<PublisherContext>,
}

impl NamedReadings {
    /// Collects the readings that `key` names. An empty source stands for all of them.
    pub fn new(key: &'static str, readings: impl IntoIterator<Item = (Text, Text)>) -> Self {
        Self { key, unknown: readings.into_iter().collect(), cx: None }
    }

    /// Begins to check. Call it when the publisher is opened.
    pub fn open(&mut self, cx: &PublisherContext) {
        self.cx = Some(cx.clone());
        self.check();
    }

    /// Checks the sources that have a batch by now. Call it regularly; it costs nothing once all are checked.
    pub fn check(&mut self) {
        for absent in self.absent() {
            tracing::warn!("{absent}");
        }
    }

    /// Returns a warning for each absent reading, once.
    fn absent(&mut self) -> Vec<String> {
        let Some(cx) = self.cx.as_ref().filter(|_| !self.unknown.is_empty()) else { return Vec::new() };
        let key = self.key;
        let mut warnings = Vec::new();
        self.unknown.retain(|(section, name)| {
            let checked = is_present(cx, section, name);
            if let Err(reason) = &checked {
                let sign = if section.is_empty() { "" } else { "/" };
                warnings.push(format!("`{key}` names `{section}{sign}{name}`, but {reason}"));
            }
            checked == Ok(false)
        });
        warnings
    }
}

/// Returns whether a reading is present; `false` as long as a source without a batch may have it.
///
/// # Errors
/// Returns the reason for which it is absent.
fn is_present(cx: &PublisherContext, section: &str, name: &str) -> Result<bool, String> {
    let sections = cx.store.sections();
    if !section.is_empty() && cx.store.section(section).is_none() {
        let there: Vec<_> = sections.iter().map(|section| format!("`{}`", section.name)).collect();
        return Err(format!("there is no source `{section}`, only {}", there.join(", ")));
    }
    if !section.is_empty() && !cx.route.has_source(section) {
        return Err(format!("`sources` excludes `{section}`"));
    }
    if !cx.route.has_series(name) {
        return Err(format!("`series` excludes `{name}`"));
    }
    let mut all_read = true;
    for own in sections.iter().filter(|own| section.is_empty() || own.name == section) {
        let Some(view) = own.view(Instant::now()) else {
            all_read = false;
            continue;
        };
        let reading = view.snapshot.batch.get(name);
        if reading.is_some_and(|reading| matches!(reading.value, Value::Number(_))) {
            return Ok(true);
        }
    }
    if all_read { Err("no source has such a number; see /data for the names".to_owned()) } else { Ok(false) }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use framework::{Batch, Decimal, Reading, Section, Stats, Store, testing};
    use wildmatch::WildMatch;

    use super::*;

    fn named(readings: &[&str]) -> NamedReadings {
        let readings = readings.iter().map(|reading| reading.split_once('/').unwrap_or(("", reading)));
        NamedReadings::new("fields", readings.map(|(section, name)| (section.into(), name.into())))
    }

    fn batch() -> Batch {
        Batch::now(vec![Reading::number("A", Decimal::from(1)), Reading::text("T", "x")])
    }

    #[tokio::test]
    async fn an_absent_reading_is_warned_of_once() {
        let mut named = named(&["grid/A", "gird/A", "grid/B", "A", "B", "grid/T"]);
        assert_eq!(named.absent(), [""; 0], "it was not opened yet");
        named.cx = Some(testing::publisher_context(&[("grid", batch())]));
        assert_eq!(
            named.absent(),
            [
                "`fields` names `gird/A`, but there is no source `gird`, only `grid`",
                "`fields` names `grid/B`, but no source has such a number; see /data for the names",
                "`fields` names `B`, but no source has such a number; see /data for the names",
                "`fields` names `grid/T`, but no source has such a number; see /data for the names",
            ]
        );
        assert_eq!(named.absent(), [""; 0]);
        assert!(named.unknown.is_empty());
    }

    #[tokio::test]
    async fn a_source_is_judged_once_it_has_a_batch() {
        let mut named = named(&["heat/A", "heat/B", "B"]);
        let mut cx = testing::publisher_context(&[]);
        let unread = |name: &str| Section::new(name, "test", Duration::from_secs(30), Stats::default());
        cx.store = Store::new(["grid", "heat"].map(unread));
        named.cx = Some(cx.clone());
        assert_eq!(named.absent(), [""; 0]);
        testing::update_source(&cx, "grid", batch());
        assert_eq!(named.absent(), [""; 0], "`heat` may have a `B`");
        testing::update_source(&cx, "heat", batch());
        let absent = named.absent();
        assert!(
            absent.len() == 2 && absent[0].contains("`heat/B`") && absent[1].contains("`B`"),
            "{absent:?}"
        );
    }

    #[tokio::test]
    async fn an_excluded_reading_is_warned_of() {
        let mut named = named(&["grid/A"]);
        let mut cx = testing::publisher_context(&[("grid", batch())]);
        let mut route = (*cx.route).clone();
        route.series = vec![WildMatch::new("B*")];
        cx.route = Arc::new(route);
        named.cx = Some(cx);
        assert_eq!(named.absent(), ["`fields` names `grid/A`, but `series` excludes `A`"]);
    }
}

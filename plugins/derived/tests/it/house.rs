//! A program with inputs whose batches a test publishes, and one derived source.

use std::{path::Path, time::Duration};

use framework::{
    AcquireError, Batch, Config, ConfigError, ConfiguredSource, DataAcquisition, Decimal, PublisherContext,
    Reading, Setting, Source, SourceContext, SourcePlugin, Timestamp, Value, async_trait, testing,
};
use serde::Deserialize;

/// Source that a test speaks for.
struct Meter;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MeterConfig {
    /// Unit of its reading `S`, stated before any batch.
    states: Option<String>,
}

impl SourcePlugin for Meter {
    const KIND: &'static str = "meter";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = MeterConfig;

    fn build(config: MeterConfig, cx: &SourceContext) -> Result<Source, ConfigError> {
        if let Some(unit) = config.states {
            cx.state_unit("S", unit);
        }
        Ok(Source::new(Silent))
    }
}

framework::register_source!(Meter);

struct Silent;

#[async_trait]
impl DataAcquisition for Silent {
    async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        std::future::pending().await
    }
}

/// Time after which the inputs are stale.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(30);

/// A configuration: the inputs `grid`, `pv` and `heat-pump`, and the source `house` with these values.
pub(crate) fn config(values: &str) -> String {
    let meters = ["grid", "pv", "heat-pump"].map(|name| format!("[sources.{name}]\nplugin = \"meter\"\n"));
    format!("{}[sources.house]\nplugin = \"derived\"\n{values}", meters.concat())
}

/// The mistakes of a configuration with these values. The first value is in line 9.
pub(crate) fn mistakes(values: &str) -> String {
    match Config::parse("config.toml", &config(values), &[]) {
        Ok(_) => panic!("accepted: {values}"),
        Err(mistakes) => mistakes.to_string(),
    }
}

/// A running house.
pub(crate) struct House {
    pub(crate) context: PublisherContext,
    pub(crate) source: ConfiguredSource,
    /// The sources that a test speaks for.
    pub(crate) meters: Vec<ConfiguredSource>,
    /// Seconds since 1970 of the next batch.
    pub(crate) now: i64,
}

impl House {
    pub(crate) fn new(values: &str, state_dir: &Path) -> Self {
        let state_dir = Setting::set("state_dir", &["server", "state_dir"], state_dir.display().to_string());
        let mut config = Config::parse("config.toml", &config(values), &[state_dir])
            .map_err(|mistakes| mistakes.to_string())
            .unwrap();
        let names: Vec<_> = config.sources.iter().map(|source| source.name.clone()).collect();
        let context = testing::program_of(&names, STALE_AFTER);
        testing::connect_inputs(&config.sources, &context);
        let source = config.sources.pop().unwrap();
        Self { context, source, meters: config.sources, now: 1_700_000_000 }
    }

    /// Context of a source that a test speaks for.
    pub(crate) fn meter(&self, name: &str) -> &SourceContext {
        &self.meters.iter().find(|meter| meter.name == name).unwrap().context
    }

    /// Publishes a batch of an input, taken now.
    pub(crate) fn publish(&self, source: &str, readings: Vec<Reading>) {
        let taken_at = Timestamp::from_second(self.now).unwrap();
        testing::update_source(&self.context, source, Batch { taken_at, readings });
    }

    /// Returns what the source acquires next.
    pub(crate) async fn acquire(&mut self) -> Result<Option<Batch>, AcquireError> {
        self.source.acquisition.acquire().await
    }

    /// Returns the readings of its next batch: `HOUSE 1.5 W`.
    pub(crate) async fn next(&mut self) -> Vec<String> {
        shown(&self.acquire().await.unwrap().expect("nothing new"))
    }
}

pub(crate) fn shown(batch: &Batch) -> Vec<String> {
    let shown = |reading: &Reading| {
        let Value::Number(number) = &reading.value else { panic!("{reading:?}") };
        let unit = reading.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
        format!("{} {number}{unit}", reading.name)
    };
    batch.readings.iter().map(shown).collect()
}

pub(crate) fn decimal(text: &str) -> Decimal {
    Decimal::parse(text.as_bytes()).unwrap()
}

pub(crate) fn gauge(name: &str, number: &str, unit: &str) -> Reading {
    Reading::gauge(name, decimal(number)).unit(unit)
}

pub(crate) fn counter(name: &str, number: &str, unit: &str) -> Reading {
    Reading::counter(name, decimal(number)).unit(unit)
}

//! Tests of the plugin `balance`.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use framework::{
    AcquireError, Batch, Config, ConfiguredSource, DataAcquisition, Decimal, NoConfig, Obis,
    PublisherContext, Reading, Source, SourceContext, SourcePlugin, Value, async_trait, testing,
};
use plugin_balance::Balance;

/// Source that a test speaks for.
struct Meter;

impl SourcePlugin for Meter {
    const KIND: &'static str = "meter";
    const ABOUT: &'static str = "for these tests";
    const SAMPLE: &'static str = "";
    type Config = NoConfig;

    fn build(_: NoConfig, _: &SourceContext) -> Result<Source, framework::ConfigError> {
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

const STALE_AFTER: Duration = Duration::from_secs(30);

/// A program with a source `balance` and meters with these roles.
struct Program {
    context: PublisherContext,
    balance: ConfiguredSource,
    _meters: Vec<ConfiguredSource>,
}

fn config(roles: &[&str]) -> String {
    let meter = |role: &&str| format!("[sources.{role}_meter]\nplugin = \"meter\"\nrole = \"{role}\"\n");
    roles.iter().map(meter).collect::<String>() + "[sources.balance]\nplugin = \"balance\"\n"
}

impl Program {
    fn new(roles: &[&str]) -> Self {
        let mut config = Config::parse("config.toml", &config(roles), &[])
            .map_err(|mistakes| mistakes.to_string())
            .unwrap();
        let names: Vec<_> = config.sources.iter().map(|source| source.name.clone()).collect();
        let context = testing::program_of(&names, STALE_AFTER);
        testing::connect_inputs(&config.sources, &context);
        let balance = config.sources.pop().unwrap();
        Self { context, balance, _meters: config.sources }
    }

    fn publish(&self, source: &str, power: &str, code: &str) {
        let reading = Reading::gauge("P", Decimal::parse(power.as_bytes()).unwrap()).unit("kW");
        let reading = match Obis::parse(code.as_bytes()) {
            Some(code) => reading.obis(code),
            None => reading,
        };
        testing::update_source(&self.context, source, Batch::now(vec![reading]));
    }

    async fn next(&mut self) -> Result<Vec<(String, String)>, AcquireError> {
        let batch = self.balance.acquisition.acquire().await?.expect("a batch");
        let shown = |reading: &Reading| (reading.name.to_string(), number(reading));
        Ok(batch.readings.iter().map(shown).collect())
    }
}

fn number(reading: &Reading) -> String {
    let Value::Number(number) = &reading.value else { panic!("{reading:?}") };
    number.to_string()
}

#[test]
fn the_plugin_keeps_the_contract_of_all() {
    testing::check::<Balance>();
}

#[tokio::test(start_paused = true)]
async fn the_household_consumes_what_it_draws_and_makes_and_does_not_store() {
    let mut program = Program::new(&["grid", "production", "storage", "consumer"]);
    program.publish("grid_meter", "-2.5", "16.7.0");
    program.publish("production_meter", "4.125", "2.7.0");
    program.publish("storage_meter", "0.625", "16.7.0");
    let shown = program.next().await.unwrap();
    let number = |name: &str| shown.iter().find(|(of, _)| of == name).unwrap().1.parse::<f64>().unwrap();
    assert_eq!((number("CONSUMPTION"), number("STORAGE")), (1000.0, 625.0));
    assert_eq!(shown.len(), 2, "without a journal nobody knows the shares of today");
}

#[tokio::test(start_paused = true)]
async fn a_stale_meter_leaves_no_number_and_is_named() {
    let mut program = Program::new(&["grid", "production"]);
    tokio::time::advance(STALE_AFTER).await;
    program.publish("grid_meter", "0.5", "16.7.0");
    let missing = program.next().await.unwrap_err().to_string();
    assert!(missing.contains("production_meter"), "{missing}");
    program.publish("production_meter", "0.25", "");
    assert_eq!(program.next().await.unwrap()[0].1.parse::<f64>().unwrap(), 750.0);
    tokio::time::advance(STALE_AFTER).await;
    program.publish("production_meter", "0.25", "");
    let stale = program.next().await.unwrap_err().to_string();
    assert!(stale.contains("grid_meter"), "{stale}");
}

#[tokio::test(start_paused = true)]
async fn a_meter_that_has_sent_nothing_yet_is_no_fault_until_its_time_has_passed_since_the_start() {
    let mut program = Program::new(&["grid"]);
    assert!(program.balance.acquisition.acquire().await.unwrap().is_none());
    tokio::time::advance(STALE_AFTER - Duration::from_millis(1)).await;
    assert!(program.balance.acquisition.acquire().await.unwrap().is_none());
    tokio::time::advance(Duration::from_millis(1)).await;
    let missing = program.next().await.unwrap_err().to_string();
    assert!(missing.contains("grid_meter"), "{missing}");
}

#[tokio::test(start_paused = true)]
async fn a_balance_without_the_meter_of_the_grid_says_what_to_write() {
    let mut program = Program::new(&["production"]);
    program.publish("production_meter", "0.25", "");
    let mistake = program.next().await.unwrap_err();
    assert!(
        matches!(&mistake, AcquireError::Misconfigured { reason } if reason.contains("role = \"grid\"")),
        "{mistake}"
    );
}

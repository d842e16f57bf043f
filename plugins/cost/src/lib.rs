//! Costs of energy as readings: today, this month, the income of what was fed into the grid, and the price now.

use std::{io, time::Duration};

use framework::{
    AcquireError, Batch, ConfigError, CostsToday, Decimal, Kind, Mode, Reading, Source, SourceContext,
    SourcePlugin, Text, Timestamp, journal::ReadError,
};
use serde::Deserialize;

/// The plugin.
pub struct Cost;

/// Its keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The source whose costs are meant.
    source: Option<String>,
}

impl SourcePlugin for Cost {
    const KIND: &'static str = "cost";
    const ABOUT: &'static str = "costs by the tariffs: today, this month, the price now";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = Config;

    fn mode(_: &Config) -> Mode {
        Mode::Poll(Duration::from_secs(60))
    }

    fn build(Config { source }: Config, cx: &SourceContext) -> Result<Source, ConfigError> {
        let names = cx.sources();
        if let Some(source) = &source
            && !names.iter().any(|name| name == source)
        {
            return Err(ConfigError::unknown("source", "source", source, names.iter().map(Text::as_str)));
        }
        let cx = cx.clone();
        let (unpriced, mut is_said) = (cx.fact("unpriced"), false);
        Ok(Source::blocking(move || {
            let Some(costs) = cx.costs() else { return Ok(None) };
            match costs.today(source.as_deref(), Timestamp::now()) {
                Ok(today) => {
                    if is_said || !today.unpriced.is_empty() {
                        unpriced.set(today.unpriced.join(", "));
                        is_said = true;
                    }
                    Ok(Some(Batch::now(readings(today))))
                }
                Err(ReadError::BadRequest(reason) | ReadError::NotFound(reason)) => {
                    Err(AcquireError::misconfigured(reason))
                }
                Err(error) => Err(AcquireError::from(io::Error::other(error))),
            }
        }))
    }
}

framework::register_source!(Cost);

/// Returns the readings of what is known.
fn readings(today: CostsToday) -> Vec<Reading> {
    let CostsToday { currency, cost_today, cost_month, income_today, price, unpriced: _ } = today;
    let reading = |name: &str, number: Option<Decimal>, kind, unit: &str| {
        let number = number?;
        // Only the last sum counts: each begins anew, and may fall where prices are negative.
        Some(Reading { kind: Some(kind), ..Reading::number(name, number).unit(unit) })
    };
    let all = [
        reading("cost_today", cost_today, Kind::State, &currency),
        reading("cost_month", cost_month, Kind::State, &currency),
        reading("income_today", income_today, Kind::State, &currency),
        reading("price", price, Kind::Gauge, &format!("{currency}/kWh")),
    ];
    all.into_iter().flatten().collect()
}

//! Costs of energy as readings: today, this month, the income of what was fed into the grid, and the price now.

use std::{io, time::Duration};

use framework::{
    AcquireError, Batch, ConfigError, CostsToday, Decimal, Kind, KnownCost, Mode, Reading, Source,
    SourceContext, SourcePlugin, Text, Timestamp, journal::ReadError,
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
                    let partial = partial(&today);
                    if is_said || !partial.is_empty() {
                        unpriced.set(partial.join(", "));
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

/// Returns the names of the sums that lack energy without a price.
fn partial(today: &CostsToday) -> Vec<&'static str> {
    let has_gap = |(_, sum): &(_, Option<KnownCost>)| sum.is_some_and(|sum| sum.gap_minutes > 0);
    sums(today).into_iter().filter(has_gap).map(|(name, _)| name).collect()
}

fn sums(today: &CostsToday) -> [(&'static str, Option<KnownCost>); 3] {
    let CostsToday { cost_today, cost_month, income_today, .. } = *today;
    [("cost_today", cost_today), ("cost_month", cost_month), ("income_today", income_today)]
}

/// Returns the readings of what is known, and beside each sum the minutes whose energy is not in it.
fn readings(today: CostsToday) -> Vec<Reading> {
    let mut readings = Vec::new();
    for (name, sum) in sums(&today) {
        let Some(KnownCost { money, gap_minutes }) = sum else { continue };
        // Only the last sum counts: each begins anew, and may fall where prices are negative.
        let money = Reading::number(name, money).unit(&*today.currency);
        readings.push(Reading { kind: Some(Kind::State), ..money });
        let gap = Reading::number(format!("{name}_gap"), Decimal::from(gap_minutes)).unit("min");
        readings.push(Reading { kind: Some(Kind::State), ..gap });
    }
    if let Some(price) = today.price {
        let price = Reading::number("price", price).unit(format!("{}/kWh", today.currency));
        readings.push(Reading { kind: Some(Kind::Gauge), ..price });
    }
    readings
}

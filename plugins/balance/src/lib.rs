//! The household's balance as readings: what it consumes now, and how independent it was today.

use std::time::Duration;

use framework::{
    AcquireError, Batch, ConfigError, Decimal, Household, NoConfig, Reading, SharesToday, Source,
    SourceContext, SourcePlugin, Timestamp,
};
use tokio::time::Instant;

/// Time for which the shares of today hold: they change slowly, and the journal must be read for them.
const SHARES: Duration = Duration::from_secs(60);

/// The plugin.
pub struct Balance;

impl SourcePlugin for Balance {
    const KIND: &'static str = "balance";
    const ABOUT: &'static str =
        "consumption of the household, and its self-sufficiency today, from the roles of the sources";
    const SAMPLE: &'static str = include_str!("../sample.toml");
    type Config = NoConfig;

    fn build(_: NoConfig, cx: &SourceContext) -> Result<Source, ConfigError> {
        let household = Household::new(cx)?;
        let mut shares = None::<(Instant, SharesToday)>;
        let (begun, stale_after) = (Instant::now(), cx.stale_after());
        Ok(Source::blocking(move || {
            let powers = match household.powers() {
                // The other sources have only just begun.
                Err(AcquireError::Silent { .. }) if begun.elapsed() < stale_after => return Ok(None),
                powers => powers?,
            };
            let (_, today) = match shares.filter(|(at, _)| at.elapsed() < SHARES) {
                Some(known) => known,
                // Without a journal there are powers only.
                None => (Instant::now(), household.shares(Timestamp::now()).unwrap_or_default()),
            };
            shares = shares.filter(|(at, _)| at.elapsed() < SHARES).or(Some((Instant::now(), today)));
            let watts =
                |name, power: Option<Decimal>| power.map(|power| Reading::gauge(name, power).unit("W"));
            let percent = |name, share: Option<f64>| {
                let percent = Decimal::rounded(share? * 100.0, 1)?;
                Some(Reading::gauge(name, percent).unit("%"))
            };
            let readings = [
                watts("CONSUMPTION", powers.consumption),
                watts("STORAGE", powers.storage),
                percent("SELF_CONSUMPTION_TODAY", today.self_consumption),
                percent("SELF_SUFFICIENCY_TODAY", today.self_sufficiency),
            ];
            let readings: Vec<_> = readings.into_iter().flatten().collect();
            if readings.is_empty() {
                return Err(AcquireError::misconfigured(
                    "no source with a role has a power, and the journal has no counter of theirs: remove this source",
                ));
            }
            Ok(Some(Batch::now(readings)))
        }))
    }
}

framework::register_source!(Balance);

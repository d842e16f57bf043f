//! Prices of a market, which a source reads.

use std::collections::HashMap;

use tariff::{Number, Resolution, SpotPrice, number};

use crate::{
    Decimal, Factor, Quantity, Unit,
    journal::{ReadError, SECOND, Step, View},
};

/// Spot prices of a part of the time.
#[derive(Default)]
pub(super) struct Spots(Vec<Read>);

/// Prices of one series, by the second at which each begins.
struct Read {
    source: String,
    reading: String,
    length: i64,
    prices: HashMap<i64, Number>,
}

impl Read {
    fn is_of(&self, spot: &SpotPrice) -> bool {
        self.source == spot.source && self.reading == spot.reading && self.length == spot.resolution.seconds()
    }
}

impl Spots {
    /// Reads the prices of a range of seconds.
    pub(super) fn read(
        &mut self,
        view: &View<'_>,
        spot: &SpotPrice,
        from: i64,
        to: i64,
    ) -> Result<(), ReadError> {
        if self.0.iter().any(|read| read.is_of(spot)) {
            return Ok(());
        }
        let length = spot.resolution.seconds();
        let prices = Self::prices(view, spot, from - from.rem_euclid(length), to)?;
        self.0.push(Read { source: spot.source.clone(), reading: spot.reading.clone(), length, prices });
        Ok(())
    }

    fn prices(
        view: &View<'_>,
        spot: &SpotPrice,
        from: i64,
        to: i64,
    ) -> Result<HashMap<i64, Number>, ReadError> {
        let mut prices = HashMap::new();
        let series = match view.find(&spot.source, &spot.reading, None) {
            Ok(series) => series,
            // Nothing was read yet.
            Err(ReadError::NotFound(_)) => return Ok(prices),
            Err(error) => return Err(error),
        };
        let meaning = series.meaning();
        // Its currency stays: an exchange rate is a factor of the tariff.
        let per_kwh = meaning.unit.filter(|unit| unit.quantity() == Quantity::EnergyPrice).and_then(|unit| {
            let whole = Unit::parse(&format!("{}/kWh", unit.currency()?))?;
            unit.factor_to(whole)
        });
        let per_kwh = per_kwh.unwrap_or(Factor::ONE);
        let scaled = |value: f64| {
            let value = Decimal::from_f64(value)?;
            per_kwh.apply(value).decimal().map(number)
        };
        let step = match spot.resolution {
            Resolution::QuarterHour => "15m",
            Resolution::Hour => "1h",
        };
        let history =
            series.history(from.saturating_mul(SECOND), to.saturating_mul(SECOND), Step::named(step))?;
        history.spans(|(start, rollup)| {
            if let Some(price) = rollup.as_ref().and_then(|rollup| scaled(rollup.last)) {
                prices.insert(*start, price);
            }
            true
        })?;
        Ok(prices)
    }

    /// Returns the price at a second.
    pub(super) fn at(&self, spot: &SpotPrice, second: i64) -> Option<Number> {
        let read = self.0.iter().find(|read| read.is_of(spot))?;
        read.prices.get(&(second - second.rem_euclid(read.length))).copied()
    }
}

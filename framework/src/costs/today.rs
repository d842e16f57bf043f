//! Cost until now, for the source with the costs.

use jiff::{Timestamp, civil::Date};
use tariff::{Number, QUARTER_HOUR, decimal, local};

use super::{
    Costs, MONEY_DECIMALS,
    bill::tariffs_of,
    counters::{billed, counts},
    walk::Walk,
};
use crate::{Decimal, journal::ReadError};

/// Costs until now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CostsToday {
    /// Currency.
    pub currency: String,
    /// Cost of the energy that was drawn today.
    pub cost_today: Option<Decimal>,
    /// Cost of the energy that was drawn this month.
    pub cost_month: Option<Decimal>,
    /// What is paid for the energy that was fed into the grid today.
    pub income_today: Option<Decimal>,
    /// What one more kWh costs now.
    pub price: Option<Decimal>,
}

/// Sums of a stretch of time.
#[derive(Default)]
struct Sums {
    drawn: Option<Number>,
    fed_in: Option<Number>,
}

impl Costs {
    /// Returns the costs of a source until now, or of the first one with tariffs. It may block.
    ///
    /// # Errors
    /// Returns an error if there are no tariffs, or the journal cannot be read.
    pub fn today(&self, source: Option<&str>, now: Timestamp) -> Result<CostsToday, ReadError> {
        self.read(|view, tariffs| {
            let (source, of_source) = tariffs_of(tariffs, source)?;
            let counters = billed(view, &source, &of_source)?;
            let second = now.as_second();
            let day = local(second, view.zone).date();
            let start = |day: Date| {
                day.to_zoned(view.zone.clone()).map_or(second, |start| start.timestamp().as_second())
            };
            let (month, today) = (start(day.first_of_month()), start(day));
            // The whole quarter-hour that has begun: its amount is that until now.
            let end = second - second.rem_euclid(QUARTER_HOUR) + QUARTER_HOUR;
            let mut sums = [Sums::default(), Sums::default()];
            let mut price = None;
            for counter in &counters {
                let walk = Walk { view, counter, tariffs: &of_source, earlier: 0 };
                walk.visit(&[(month, today), (today, end)], |piece| {
                    let Some(tariff) = piece.tariff.filter(|_| counts(&counters, counter, piece.tariff))
                    else {
                        return Ok(());
                    };
                    let sums = &mut sums[piece.period];
                    let (sum, per_kwh) = match counter.is_export {
                        true => (&mut sums.fed_in, tariff.feed_in),
                        false => {
                            let per_kwh = tariff.price_per_kwh(piece.time, counter.register, piece.spot);
                            // Nobody says which register counts now.
                            if piece.to >= end && counter.register.is_none() {
                                price = per_kwh;
                            }
                            (&mut sums.drawn, per_kwh)
                        }
                    };
                    if let Some(cost) =
                        per_kwh.zip(piece.energy).and_then(|(price, energy)| energy.checked_mul(price))
                    {
                        *sum = Some(sum.unwrap_or_default().saturating_add(cost));
                    }
                    Ok(())
                })?;
            }
            let [before, today] = sums;
            let shown = |number: Number| decimal(number, MONEY_DECIMALS);
            let month = match (before.drawn, today.drawn) {
                (Some(before), Some(today)) => Some(before.saturating_add(today)),
                (before, today) => before.or(today),
            };
            Ok(CostsToday {
                currency: tariffs.currency().to_owned(),
                cost_today: today.drawn.and_then(shown),
                cost_month: month.and_then(shown),
                income_today: today.fed_in.and_then(shown),
                price: price.and_then(shown),
            })
        })
    }
}

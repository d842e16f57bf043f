//! Cost until now, for the source with the costs.

use jiff::Timestamp;
use tariff::{Number, decimal, local};

use super::{
    Costs, MONEY_DECIMALS,
    bill::tariffs_of,
    counters::{billed, counts},
    periods::price as price_of,
    walk::Walk,
};
use crate::{
    Decimal,
    journal::{QUARTER_HOUR, ReadError, quarter_start},
};

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
    /// Names of the sums that are not known, as a part of their energy has no price.
    pub unpriced: Vec<&'static str>,
}

/// Sum of money.
#[derive(Default, Clone, Copy)]
struct Sum {
    money: Option<Number>,
    /// A part of the energy has no price.
    is_partial: bool,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.money = match (self.money, other.money) {
            (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
            (sum, more) => sum.or(more),
        };
        self.is_partial |= other.is_partial;
    }
}

/// Sums of a stretch of time.
#[derive(Default)]
struct Sums {
    drawn: Sum,
    fed_in: Sum,
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
            let (month, today) = (view.day_start(day.first_of_month()), view.day_start(day));
            // The whole quarter-hour that has begun: its amount is that until now.
            let begun = quarter_start(second);
            let end = begun + QUARTER_HOUR;
            let mut sums = [Sums::default(), Sums::default()];
            let mut price = None;
            for counter in &counters {
                let walk = Walk { view, counter, tariffs: &of_source, earlier: 0 };
                walk.visit(&[(month, today), (today, begun), (begun, end)], |piece| {
                    let is_unpaid =
                        counter.is_export && piece.tariff.is_some_and(|tariff| tariff.feed_in.is_none());
                    if is_unpaid || !counts(&counters, counter, piece.tariff) {
                        return Ok(());
                    }
                    let per_kwh = price_of(&piece, counter);
                    let sums = &mut sums[usize::from(piece.from >= today)];
                    // Nobody says which register counts now.
                    if piece.from >= begun && !counter.is_export && counter.register.is_none() {
                        price = per_kwh;
                    }
                    let money =
                        per_kwh.zip(piece.energy).and_then(|(price, energy)| energy.checked_mul(price));
                    let is_something = piece.amount.is_some_and(|amount| amount.mantissa() != 0);
                    let sum = if counter.is_export { &mut sums.fed_in } else { &mut sums.drawn };
                    sum.add(Sum { money, is_partial: money.is_none() && is_something });
                    Ok(())
                })?;
            }
            let [before, today] = sums;
            let shown = |number: Number| decimal(number, MONEY_DECIMALS);
            let mut month = before.drawn;
            month.add(today.drawn);
            let mut unpriced = Vec::new();
            let mut known = |name: &'static str, sum: Sum| {
                if sum.is_partial {
                    unpriced.push(name);
                    return None;
                }
                sum.money.and_then(shown)
            };
            let (cost_today, cost_month) = (known("cost_today", today.drawn), known("cost_month", month));
            let income_today = known("income_today", today.fed_in);
            Ok(CostsToday {
                currency: tariffs.currency().to_owned(),
                cost_today,
                cost_month,
                income_today,
                price: price.and_then(shown),
                unpriced,
            })
        })
    }
}

//! Cost until now, for the source with the costs.

use jiff::Timestamp;
use tariff::{Number, decimal, local};

use super::{
    Costs, MONEY_DECIMALS,
    asked::tariffs_of,
    counters::{billed, counts},
    periods::price as price_of,
    walk::Walk,
};
use crate::{
    Decimal,
    journal::{QUARTER_HOUR, ReadError, quarter_start},
};

/// Costs until now. A sum is that of the energy whose price is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CostsToday {
    /// Currency.
    pub currency: String,
    /// Cost of the energy that was drawn today.
    pub cost_today: Option<KnownCost>,
    /// Cost of the energy that was drawn this month.
    pub cost_month: Option<KnownCost>,
    /// What is paid for the energy that was fed into the grid today.
    pub income_today: Option<KnownCost>,
    /// What one more kWh costs now.
    pub price: Option<Decimal>,
}

/// Sum of money of the energy whose price is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownCost {
    /// The sum.
    pub money: Decimal,
    /// Minutes whose energy has no price, and is not in the sum.
    pub gap_minutes: i64,
}

/// Sum of a stretch of time.
#[derive(Default)]
struct Sum {
    money: Option<Number>,
    /// Seconds between which energy has no price. Those of several registers may overlap.
    gaps: Vec<(i64, i64)>,
}

impl Sum {
    fn add(&mut self, money: Option<Number>) {
        self.money = match (self.money, money) {
            (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
            (sum, more) => sum.or(more),
        };
    }

    /// Returns the sum for readers; `None` where nothing has a price.
    fn known(mut self) -> Option<KnownCost> {
        self.gaps.sort_unstable();
        let (mut seconds, mut end) = (0, i64::MIN);
        for (from, to) in self.gaps {
            seconds += (to - from.max(end)).max(0);
            end = end.max(to);
        }
        Some(KnownCost { money: decimal(self.money?, MONEY_DECIMALS)?, gap_minutes: seconds / 60 })
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
            let (source, of_source) = tariffs_of(tariffs, source, "")?;
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
                    let sum = if counter.is_export { &mut sums.fed_in } else { &mut sums.drawn };
                    sum.add(money);
                    // Nothing costs nothing, whatever its price would have been.
                    if money.is_none() && piece.amount.is_some_and(|amount| amount.mantissa() != 0) {
                        sum.gaps.push((piece.from, piece.to));
                    }
                    Ok(())
                })?;
            }
            let [before, today] = sums;
            let mut month = before.drawn;
            month.add(today.drawn.money);
            month.gaps.extend(&today.drawn.gaps);
            Ok(CostsToday {
                currency: tariffs.currency().to_owned(),
                cost_today: today.drawn.known(),
                cost_month: month.known(),
                income_today: today.fed_in.known(),
                price: price.and_then(|price| decimal(price, MONEY_DECIMALS)),
            })
        })
    }
}

//! Cost of each period of a series.

use tariff::{Number, Tariff, decimal};

use super::{
    MONEY_DECIMALS, Tariffs,
    counters::{Billed, is_by_register, registers_of},
    walk::{Piece, Walk},
};
use crate::{
    Decimal,
    journal::{Amount, ReadError, Series, View},
};

/// Cost of the energy in a period: work price and levies per kWh, with value-added tax; of what was fed into the grid
/// the income.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    /// Exact; `None` where no price applies.
    pub(crate) cost: Option<Number>,
    /// A part of the energy has no price, or was spread evenly over a gap of the readings.
    pub(crate) gap: bool,
}

impl Cost {
    /// Returns the cost for readers.
    pub(crate) fn shown(&self) -> Option<Decimal> {
        decimal(self.cost?, MONEY_DECIMALS)
    }
}

/// Sum over a period.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    cost: Option<Number>,
    gap: bool,
    /// Nobody pays for what was fed into the grid.
    is_unpaid: bool,
}

impl Sum {
    fn add(&mut self, piece: &Piece<'_>, counter: &Billed<'_>) {
        let Some(amount) = piece.amount else { return };
        let is_nothing = amount.mantissa() == 0;
        if counter.is_export && piece.tariff.is_some_and(|tariff| tariff.feed_in.is_none()) {
            self.is_unpaid = true;
            return;
        }
        let price = price(piece, counter);
        let cost = price.zip(piece.energy).and_then(|(price, energy)| energy.checked_mul(price));
        match cost {
            Some(cost) => self.cost = Some(self.cost.unwrap_or_default().saturating_add(cost)),
            // Nothing costs nothing, whatever its price would have been.
            None => self.gap |= !is_nothing,
        }
        self.gap |= piece.gap && !is_nothing;
    }
}

/// Returns what is paid for one more kWh in a piece, or what the household is paid.
pub(super) fn price(piece: &Piece<'_>, counter: &Billed<'_>) -> Option<Number> {
    let tariff = piece.tariff?;
    match counter.is_export {
        true => tariff.feed_in_price(piece.time, counter.register, piece.spot),
        false => tariff.price_per_kwh(piece.time, counter.register, piece.spot),
    }
}

/// Returns the cost of each amount of a series.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn costs(
    view: &View<'_>,
    tariffs: &Tariffs,
    series: &Series<'_>,
    amounts: &[Amount],
) -> Result<Vec<Cost>, ReadError> {
    let of_source = tariffs.of(&series.name.section);
    let periods: Vec<_> = amounts.iter().map(|amount| (amount.start, amount.end)).collect();
    let mut sums = vec![Sum::default(); periods.len()];
    let name = &series.name;
    let meaning = series.meaning();
    let counter = view.find(&name.section, &name.name, Some(&name.unit))?;
    if let Some(counter) = Billed::new(counter, &meaning).filter(|_| meaning.live && meaning.phase.is_none())
    {
        let wants_registers = !counter.fits_all(&of_source);
        let registers = if wants_registers { registers_of(view, &counter.series)? } else { Vec::new() };
        let has_registers = !registers.is_empty();
        let mut add = |counter: &Billed<'_>, is_part: bool| {
            let walk = Walk { view, counter, tariffs: &of_source, earlier: 0 };
            walk.visit(&periods, |piece| {
                let by_register = piece.tariff.is_some_and(|of| is_by_register(of, counter.is_export));
                // Where the price is one by register, the registers stand for the total.
                if !has_registers || is_part == by_register {
                    sums[piece.period].add(&piece, counter);
                }
                Ok(())
            })
        };
        add(&counter, false)?;
        for register in &registers {
            add(register, true)?;
        }
    }
    let cost = |(sum, amount): (&Sum, &Amount)| Cost {
        cost: sum.cost,
        gap: amount.exact.is_some_and(|amount| amount.mantissa() != 0)
            && (sum.gap || (sum.cost.is_none() && !sum.is_unpaid) || (amount.gap && sum.cost.is_some())),
    };
    Ok(sums.iter().zip(amounts).map(cost).collect())
}

impl Billed<'_> {
    /// Returns whether all tariffs have a price for this counter as it is.
    fn fits_all(&self, tariffs: &[&Tariff]) -> bool {
        tariffs.iter().all(|tariff| self.fits(tariff))
    }
}

//! Quarter-hours of a day at which the price of a tariff changes, so that a day of one price need not be cut.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::{Tariff, TimedPrice, timed::day_of};

/// Quarter-hours of a day.
const OF_DAY: u8 = 96;

/// Changes of what is paid per kWh under one tariff.
#[derive(Debug)]
pub struct Changes<'t> {
    tariff: &'t Tariff,
    prices: Vec<&'t TimedPrice>,
    /// By the index of the day of the week, or of a holiday, and the month.
    known: HashMap<(u8, u8), Vec<u8>>,
}

impl<'t> Changes<'t> {
    /// Changes of the price of what is drawn from the grid, or of what is fed into it. A market's price, which changes
    /// when the market says so, is not among them.
    pub fn new(tariff: &'t Tariff, is_export: bool) -> Self {
        Self { tariff, prices: tariff.timed_prices(is_export).collect(), known: HashMap::new() }
    }

    /// Returns the quarter-hours of a day at which a price begins, by the clock on the wall: the first one, and those in
    /// which another price holds than in the one before.
    pub fn of_day(&mut self, date: Date) -> &[u8] {
        let day = day_of(date, &self.tariff.holidays);
        let month = u8::try_from(date.month() - 1).unwrap_or(0);
        let prices = &self.prices;
        self.known.entry((day, month)).or_insert_with(|| {
            let is_change = |quarter: &u8| {
                let window = |price: &TimedPrice, quarter| price.window_at(day, quarter, month);
                *quarter == 0
                    || prices.iter().any(|price| window(price, *quarter) != window(price, *quarter - 1))
            };
            (0..OF_DAY).filter(is_change).collect()
        })
    }
}

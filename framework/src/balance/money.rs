//! Money of a balance: what the grid's energy cost and brought, and what the energy of one's own saved.

use std::ops::Range;

use tariff::{Number, decimal, number};

use super::{Part, Register, Row, balance, quarter};
use crate::{
    Decimal, SourceRole, Tariffs,
    costs::{MONEY_DECIMALS, costs, prices},
    journal::{QUARTER_HOUR, ReadError, View, quarters},
};

/// Digits of a computed energy.
const ENERGY_DECIMALS: u8 = 9;
/// Quarter-hours that are read at once.
const AT_ONCE: usize = 92 * 96;

/// Money of one row; `None` where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Money {
    /// Cost of what was drawn.
    pub(crate) cost: Option<Decimal>,
    /// Income for what was fed in.
    pub(crate) income: Option<Decimal>,
    /// What the self-used energy would have cost, as far as its price is known.
    pub(crate) saved: Option<Decimal>,
    /// Whether a part of the energy has no price, or was spread over a gap.
    pub(crate) gap: bool,
}

/// Returns the money of each row. It stops, and leaves the rest unknown, once `goes_on` returns false.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn money(
    view: &View<'_>,
    parts: &[Part],
    tariffs: &Tariffs,
    rows: &[Row],
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<Money>, ReadError> {
    let mut all = vec![Money::default(); rows.len()];
    // A range may begin or end centuries away from all readings: there is no energy, and no price is looked for.
    let read = read(parts);
    let first = rows.partition_point(|row| row.end <= read.start);
    let last = rows.partition_point(|row| row.start < read.end).max(first);
    let (rows, money) = (&rows[first..last], &mut all[first..last]);
    let grid: Vec<_> = parts.iter().filter(|part| part.role == SourceRole::Grid).collect();
    let edges = rows.iter().map(|row| row.start).chain(rows.last().map(|row| row.end));
    let edges: Vec<_> = edges.map(|edge| edge.max(read.start).min(read.end)).collect();
    let registers = |of: fn(&Part) -> &[Register]| grid.iter().flat_map(move |part| of(part));
    let cost = summed(view, tariffs, registers(|part| &part.import), &edges)?;
    if !goes_on() {
        return Ok(all);
    }
    let income = summed(view, tariffs, registers(|part| &part.export), &edges)?;
    for ((money, cost), income) in money.iter_mut().zip(cost).zip(income) {
        (money.cost, money.income, money.gap) = (shown(cost.0), shown(income.0), cost.1 || income.1);
    }
    let Some(source) = grid.first().map(|part| &part.source) else { return Ok(all) };
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_consumer()).cloned().collect();
    let saved = Saved { view, parts: &parts, tariffs, source, read };
    for (money, saved) in money.iter_mut().zip(saved.of(rows, goes_on)?) {
        money.saved = shown(saved.sum);
        money.gap |= saved.gap;
    }
    Ok(all)
}

/// Returns the quarter-hours from the first reading to the last one, in seconds since 1970.
fn read(parts: &[Part]) -> Range<i64> {
    let registers = || parts.iter().flat_map(|part| part.import.iter().chain(&part.export));
    let since = registers().map(Register::from).min().map_or(0, quarter);
    let until = registers().map(Register::to).max().map_or(since, |to| quarter(to) + QUARTER_HOUR);
    since..until
}

fn shown(number: Option<Number>) -> Option<Decimal> {
    decimal(number?, MONEY_DECIMALS)
}

/// Returns the cost of some counters in each period, and whether a part of it has no price.
fn summed<'r>(
    view: &View<'_>,
    tariffs: &Tariffs,
    registers: impl Iterator<Item = &'r Register>,
    edges: &[i64],
) -> Result<Vec<(Option<Number>, bool)>, ReadError> {
    let mut sums = vec![(None::<Number>, false); edges.len().saturating_sub(1)];
    for recorded in registers.flat_map(|register| &register.series) {
        let name = &recorded.name;
        let series = view.find(&name.section, &name.name, Some(&*name.unit))?;
        let amounts = series.consumption_between(edges, false)?;
        for ((sum, gap), cost) in sums.iter_mut().zip(costs(view, tariffs, &series, &amounts)?) {
            if let Some(cost) = cost.cost {
                *sum = Some(sum.unwrap_or_default().saturating_add(cost));
            }
            *gap |= cost.gap;
        }
    }
    Ok(sums)
}

/// Sum of money that was saved in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    /// That of the energy whose price is known.
    sum: Option<Number>,
    /// Other energy has no price.
    gap: bool,
}

impl Sum {
    fn add(&mut self, kwh: f64, price: Option<Number>) {
        match value(kwh, price) {
            Some(value) => self.sum = Some(self.sum.unwrap_or_default().saturating_add(value)),
            None => self.gap |= kwh != 0.0,
        }
    }
}

/// What the self-used energy would have cost: of each quarter-hour at its price, unless that is one.
struct Saved<'s, 'v> {
    view: &'s View<'v>,
    parts: &'s [Part],
    tariffs: &'s Tariffs,
    source: &'s str,
    /// Quarter-hours that were read.
    read: Range<i64>,
}

impl Saved<'_, '_> {
    /// Returns the money of each row, in one walk over all quarter-hours.
    fn of(&self, rows: &[Row], goes_on: &mut dyn FnMut() -> bool) -> Result<Vec<Sum>, ReadError> {
        let mut all = vec![Sum::default(); rows.len()];
        let mut done = 0;
        while let Some(first) = rows.get(done).filter(|_| goes_on()) {
            let begin = self.within(first).start;
            // Whole rows, of which one may be a year: only that tells whether a row has one price.
            let fits = |row: &&Row| self.within(row).end - begin <= AT_ONCE as i64 * QUARTER_HOUR;
            let next = done + rows[done..].iter().take_while(fits).count().max(1);
            self.read(&rows[done..next], &mut all[done..next], goes_on)?;
            done = next;
        }
        Ok(all)
    }

    fn within(&self, row: &Row) -> Range<i64> {
        row.start.max(self.read.start)..row.end.min(self.read.end)
    }

    fn read(
        &self,
        rows: &[Row],
        saved: &mut [Sum],
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<(), ReadError> {
        let quarters = rows.iter().flat_map(|row| quarters(self.within(row)));
        let quarters: Vec<_> = quarters.map(|quarter| quarter.start).collect();
        let prices = prices(self.view, self.tariffs, self.source, &quarters)?;
        let mut has_several = vec![false; rows.len()];
        for ((row, saved), has_several) in rows.iter().zip(&mut *saved).zip(&mut has_several) {
            let Some(used) = row.self_used else { continue };
            let from = quarters.partition_point(|start| *start < row.start);
            let to = quarters.partition_point(|start| *start < row.end);
            let price = prices.get(from).copied().flatten();
            *has_several = prices[from..to].iter().any(|other| *other != price);
            if !*has_several {
                saved.add(used, price);
            }
        }
        if !has_several.contains(&true) {
            return Ok(());
        }
        for (quarters, prices) in quarters.chunks(AT_ONCE).zip(prices.chunks(AT_ONCE)) {
            if !goes_on() {
                break;
            }
            let end = quarters.last().map(|last| last + QUARTER_HOUR);
            let edges: Vec<_> = quarters.iter().copied().chain(end).collect();
            for (of, price) in balance(self.view, self.parts, &edges)?.rows.iter().zip(prices) {
                let row = rows.partition_point(|row| row.end <= of.start);
                // What is not known of the row's own sum, such as the quarter-hour that runs, is not in it either. The rest
                // is, also where a quarter-hour is too short to tell what was consumed in it.
                if let Some((produced, fed)) = of.produced.zip(of.fed).filter(|_| has_several[row])
                    && produced != fed
                {
                    saved[row].add(produced - fed, *price);
                }
            }
        }
        // Nothing was used of one's own.
        for ((row, saved), has_several) in rows.iter().zip(saved).zip(has_several) {
            if has_several && row.self_used.is_some() && saved.sum.is_none() && !saved.gap {
                saved.sum = Some(Number::default());
            }
        }
        Ok(())
    }
}

fn value(kwh: f64, price: Option<Number>) -> Option<Number> {
    number(Decimal::rounded(kwh, ENERGY_DECIMALS)?).checked_mul(price?)
}

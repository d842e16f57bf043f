//! Money of a balance: what the grid's energy cost and brought, and what the energy of one's own saved.

use tariff::{Number, decimal, number};

use super::{Part, Register, Row, balance};
use crate::{
    Decimal, SourceRole, Tariffs,
    costs::{MONEY_DECIMALS, costs, prices},
    journal::{ReadError, SECOND, View, quarter_hours},
};

/// Digits of a computed energy.
const ENERGY_DECIMALS: u8 = 6;
/// Quarter-hours that are read at once.
const AT_ONCE: usize = 92 * 96;

/// Money of one row; `None` where it is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Money {
    /// Cost of what was drawn.
    pub(crate) cost: Option<Decimal>,
    /// Income for what was fed in.
    pub(crate) income: Option<Decimal>,
    /// What the self-used energy would have cost.
    pub(crate) saved: Option<Decimal>,
    /// Whether a part of the energy has no price, or was spread over a gap.
    pub(crate) gap: bool,
}

/// Returns the money of each row.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn money(
    view: &View<'_>,
    parts: &[Part],
    tariffs: &Tariffs,
    rows: &[Row],
) -> Result<Vec<Money>, ReadError> {
    let grid: Vec<_> = parts.iter().filter(|part| part.role == SourceRole::Grid).collect();
    let edges: Vec<_> = rows.iter().map(|row| row.start).chain(rows.last().map(|row| row.end)).collect();
    let mut money = vec![Money::default(); rows.len()];
    let registers = |of: fn(&Part) -> &[Register]| grid.iter().flat_map(move |part| of(part));
    let cost = summed(view, tariffs, registers(|part| &part.import), &edges)?;
    let income = summed(view, tariffs, registers(|part| &part.export), &edges)?;
    for ((money, cost), income) in money.iter_mut().zip(cost).zip(income) {
        (money.cost, money.income, money.gap) = (shown(cost.0), shown(income.0), cost.1 || income.1);
    }
    let Some(source) = grid.first().map(|part| &part.source) else { return Ok(money) };
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_consumer()).cloned().collect();
    for (money, row) in money.iter_mut().zip(rows) {
        money.saved = shown(saved(view, &parts, tariffs, source, row)?);
    }
    Ok(money)
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
                *sum = Some(sum.unwrap_or_default().saturating_add(number(cost)));
            }
            *gap |= cost.gap;
        }
    }
    Ok(sums)
}

/// Returns what the self-used energy of a row would have cost: of each quarter-hour at its price, unless that is one.
fn saved(
    view: &View<'_>,
    parts: &[Part],
    tariffs: &Tariffs,
    source: &str,
    row: &Row,
) -> Result<Option<Number>, ReadError> {
    let Some(used) = row.self_used else { return Ok(None) };
    let (from, to) = (row.start.saturating_mul(SECOND), row.end.saturating_mul(SECOND));
    let edges = quarter_hours(from, to, view.zone);
    // Longer than all quarter-hours that an answer may have: a year and more.
    let edges = edges.unwrap_or_else(|_| (row.start..=row.end).step_by(900).collect());
    let mut sum = Some(Number::default());
    let mut single = None;
    let quarters = edges.get(..edges.len().saturating_sub(1)).unwrap_or_default();
    for part in quarters.chunks(AT_ONCE) {
        let prices = prices(view, tariffs, source, part)?;
        let first = prices.first().copied().flatten();
        if single.is_none_or(|known| known == first) && prices.iter().all(|price| *price == first) {
            single = Some(first);
            continue;
        }
        single = None;
        break;
    }
    let value =
        |kwh: f64, price: Option<Number>| number(Decimal::rounded(kwh, ENERGY_DECIMALS)?).checked_mul(price?);
    if let Some(price) = single {
        return Ok(value(used, price));
    }
    for part in quarters.chunks(AT_ONCE) {
        let prices = prices(view, tariffs, source, part)?;
        let edges: Vec<_> = part.iter().copied().chain(part.last().map(|last| last + 900)).collect();
        for (of, price) in balance(view, parts, &edges)?.rows.iter().zip(prices) {
            // What is not known of the row's own sum, such as the quarter-hour that runs, is not in it either.
            let Some(used) = of.self_used.filter(|used| *used > 0.0) else { continue };
            sum = sum.zip(value(used, price)).map(|(sum, value)| sum.saturating_add(value));
        }
    }
    Ok(sum)
}

//! Course of one counter over the cells of a balance.

use super::roles::Register;
use crate::journal::{Amount, Micros, ReadError, SECOND, View, quarter_start};

/// What a counter counted in one cell: a period, or a part of one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cell {
    /// In kWh; `None` where readings are missing.
    pub(super) kwh: Option<f64>,
    /// Whether the counter did not exist yet.
    pub(super) is_absent: bool,
    pub(super) gap: bool,
}

impl Cell {
    const ABSENT: Self = Self { kwh: Some(0.0), is_absent: true, gap: false };

    /// Returns the sum of several counters.
    pub(super) fn add(self, other: Self) -> Self {
        Self {
            kwh: self.kwh.zip(other.kwh).map(|(a, b)| a + b),
            is_absent: self.is_absent && other.is_absent,
            gap: self.gap || other.gap,
        }
    }
}

/// Returns what some counters counted together in each cell; absent ones if there are none.
pub(super) fn sum(
    view: &View<'_>,
    registers: &[Register],
    edges: &[i64],
    all: bool,
) -> Result<Vec<Cell>, ReadError> {
    let mut sum = vec![Cell::ABSENT; edges.len().saturating_sub(1)];
    if sum.is_empty() {
        return Ok(sum);
    }
    for register in registers {
        for (sum, cell) in sum.iter_mut().zip(course(view, register, edges, all)?) {
            *sum = sum.add(cell);
        }
    }
    Ok(sum)
}

/// Returns what one counter counted in each cell.
fn course(view: &View<'_>, register: &Register, edges: &[i64], all: bool) -> Result<Vec<Cell>, ReadError> {
    let first = quarter(register.from());
    let cells = edges.windows(2).map(|edges| match edges {
        [_, end] if *end <= first => Cell::ABSENT,
        _ => Cell::default(),
    });
    let mut cells: Vec<_> = cells.collect();
    for recorded in &register.series {
        let name = &recorded.name;
        let series = view.find(&name.section, &name.name, Some(&*name.unit))?;
        for (cell, Amount { amount, gap, .. }) in
            cells.iter_mut().zip(series.consumption_between(edges, all)?)
        {
            if let Some(amount) = amount {
                let kwh = cell.kwh.unwrap_or(0.0) + amount * recorded.factor;
                *cell = Cell { kwh: Some(kwh), is_absent: false, gap: cell.gap || gap };
            }
        }
    }
    for (cell, edges) in cells.iter_mut().zip(edges.windows(2)) {
        let is_over =
            register.is_given_up && edges.first().is_some_and(|start| *start >= quarter(register.to()));
        if is_over && cell.kwh.is_none() {
            *cell = Cell { kwh: Some(0.0), ..Cell::default() };
        }
    }
    Ok(cells)
}

/// Returns the start of the quarter-hour in which a moment lies, in seconds since 1970.
pub(super) fn quarter(time: Micros) -> i64 {
    quarter_start(time.div_euclid(SECOND))
}

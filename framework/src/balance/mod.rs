//! Energy balance of the household: what it consumed, and how much of that it made itself.
//!
//! ```text
//! consumption      = drawn + produced + discharged − fed in − charged
//! self-used        = produced − fed in
//! self-consumption = self-used / produced
//! self-sufficiency = 1 − drawn / consumption, from 0 to 1
//! ```
//!
//! Counters add energy up over time, so the first two are right for a period of any length, and those of its parts add
//! up: they are never raised to 0. The shares are those of the period's sums. `docs/balance.md` has the definitions for users.
//!
//! All counters of a row end at the same moment. Where one is read later than the others, the row ends with it and is
//! partial; rows after it have no sums. A source other than the grid takes part from its first reading on.

mod course;
mod extent;
mod household;
mod money;
pub(crate) mod roles;

pub use self::household::{Household, Powers, SharesToday};
pub(crate) use self::money::{Money, money};
pub(crate) use self::roles::{Part, Register, parts};
use self::{
    course::{Cell, quarter, sum},
    extent::{Extent, production_begin},
};
use crate::{
    SourceRole,
    journal::{ReadError, SECOND, View},
    unsure::Reason,
};

/// Energy that differs where meters are read at different moments, in kWh and as a share.
const NOISE: (f64, f64) = (0.05, 0.01);
/// Cells up to this length are read in one pass, in seconds.
const SHORT: i64 = 6 * 3600;

/// Row of a balance. Energies are in kWh.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Row {
    /// Start of the period in seconds since 1970.
    pub(crate) start: i64,
    /// End of the period.
    pub(crate) end: i64,
    /// What the household consumed.
    pub(crate) consumption: Option<f64>,
    /// From the grid.
    pub(crate) drawn: Option<f64>,
    /// To the grid.
    pub(crate) fed: Option<f64>,
    /// Made.
    pub(crate) produced: Option<f64>,
    /// Made and not fed in. Below 0 where a battery feeds in what was made before.
    pub(crate) self_used: Option<f64>,
    /// Into the battery.
    pub(crate) charged: Option<f64>,
    /// Out of the battery.
    pub(crate) discharged: Option<f64>,
    /// Of each consumer.
    pub(crate) consumers: Vec<Option<f64>>,
    /// What no consumer's meter counts.
    pub(crate) other: Option<f64>,
    /// Whether readings are missing in a good part of it.
    pub(crate) gap: bool,
    /// Whether readings begin or end in it.
    pub(crate) partial: bool,
}

impl Row {
    /// Returns the share of the production that was used in the household.
    pub(crate) fn self_consumption(&self) -> Option<f64> {
        share(self.self_used?, self.produced?)
    }

    /// Returns the share of the consumption that did not come from the grid.
    pub(crate) fn self_sufficiency(&self) -> Option<f64> {
        // Where nobody knows what was made, a share of 0 would be a guess.
        let (consumption, _) = self.consumption.zip(self.self_used)?;
        share(consumption - self.drawn?, consumption)
    }
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (part / whole).clamp(0.0, 1.0))
}

/// Balance of a household over some periods.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Balance {
    pub(crate) rows: Vec<Row>,
    /// Moment up to which all sources were read, if one is late, in seconds since 1970.
    pub(crate) until: Option<i64>,
    /// Moment from which on all production was read, if a row begins before, in seconds since 1970.
    pub(crate) since: Option<i64>,
    /// What makes it unsure.
    pub(crate) reason: Option<Reason>,
}

/// Flows of the household in one cell.
#[derive(Debug, Clone, Copy)]
struct Flows {
    /// What was drawn minus what was fed in, where nothing else is counted.
    net: Cell,
    drawn: Cell,
    fed: Cell,
    produced: Cell,
    charged: Cell,
    discharged: Cell,
}

/// Counters of the household, by what they count.
#[derive(Debug, Default)]
struct Counted {
    net: Vec<Register>,
    drawn: Vec<Register>,
    fed: Vec<Register>,
    produced: Vec<Register>,
    charged: Vec<Register>,
    discharged: Vec<Register>,
}

impl Counted {
    fn of(parts: &[Part]) -> Self {
        let mut counted = Self::default();
        for part in parts {
            let (import, export) = (part.import.iter().cloned(), part.export.iter().cloned());
            match part.role {
                SourceRole::Grid => {
                    counted.net.extend(part.net.iter().cloned());
                    counted.drawn.extend(import);
                    counted.fed.extend(export);
                }
                SourceRole::Production => counted.produced.extend(export),
                SourceRole::Storage => {
                    counted.charged.extend(import);
                    counted.discharged.extend(export);
                }
                _ => {}
            }
        }
        counted
    }

    fn all(&self) -> impl Iterator<Item = &Register> {
        let all = [&self.net, &self.drawn, &self.fed, &self.produced, &self.charged, &self.discharged];
        all.into_iter().flatten()
    }

    /// Returns the counters of what can be fed in or used.
    fn sources(&self) -> impl Iterator<Item = &Register> {
        self.produced.iter().chain(&self.discharged)
    }
}

/// Returns the consumers among the parts.
pub(crate) fn consumers(parts: &[Part]) -> impl Iterator<Item = &Part> {
    parts.iter().filter(|part| part.is_consumer())
}

/// Returns what some counters counted together between each two edges, in kWh; `None` where it is not known, or only by
/// spreading it over a gap.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn energies(
    view: &View<'_>,
    registers: &[Register],
    edges: &[i64],
) -> Result<Vec<Option<f64>>, ReadError> {
    let cells = sum(view, registers, edges, false)?;
    Ok(cells.into_iter().map(|cell| cell.kwh.filter(|_| !cell.gap && !cell.is_absent)).collect())
}

/// Returns what all consumers with a meter of their own consumed between each two edges, in kWh: those that were read
/// already; `None` where readings of one are missing. Submeters are parts of other meters.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn metered(view: &View<'_>, parts: &[Part], edges: &[i64]) -> Result<Vec<Option<f64>>, ReadError> {
    let consumers = parts.iter().filter(|part| part.role == SourceRole::Consumer);
    let registers: Vec<_> = consumers.flat_map(|part| part.import.iter().cloned()).collect();
    let cells = sum(view, &registers, edges, true)?;
    Ok(cells.into_iter().map(|cell| cell.kwh.filter(|_| !cell.gap)).collect())
}

/// Most numbers of one answer: rows by columns.
const MOST: usize = 200_000;

/// Returns the balance of each period between two adjoining edges, which are whole quarter-hours in seconds since 1970.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn balance(view: &View<'_>, parts: &[Part], edges: &[i64]) -> Result<Balance, ReadError> {
    // Other parts are added up, one after the other.
    if edges.len().saturating_mul(consumers(parts).count() + 8) > MOST {
        let message = "the range has too many periods for so many consumers: ask for a longer `per`, or a shorter range";
        return Err(ReadError::BadRequest(message.to_owned()));
    }
    let counted = Counted::of(parts);
    let extent = Extent::of(&counted, parts);
    let (first, last) = (edges.first().copied().unwrap_or(0), edges.last().copied().unwrap_or(0));
    let (low, high) = (first.max(extent.since), last.min(extent.until.unwrap_or(last)));
    // Production that began within a period must not be compared with what was fed in before.
    let begins = counted.all().map(|register| quarter(register.from()));
    let mut cells: Vec<_> = edges.iter().copied().chain(begins).chain([low, high]).collect();
    cells.retain(|edge| (low..=high).contains(edge));
    cells.sort_unstable();
    cells.dedup();
    let all = high.saturating_sub(low) / (cells.len().max(2) as i64 - 1) <= SHORT;
    let of = |registers: &[Register]| sum(view, registers, &cells, all);
    let (mut drawn, mut fed, produced) = (of(&counted.drawn)?, of(&counted.fed)?, of(&counted.produced)?);
    let net = of(&counted.net)?;
    if counted.drawn.is_empty() {
        drawn.fill(Cell::default());
    }
    let is_net = counted.drawn.is_empty() && !counted.net.is_empty();
    if is_net {
        fed.fill(Cell::default());
    }
    let begin = production_begin(parts).filter(|begin| *begin > low);
    let (charged, discharged) = (of(&counted.charged)?, of(&counted.discharged)?);
    let consumers: Vec<_> =
        consumers(parts).map(|part| Ok((part.role, of(&part.import)?))).collect::<Result<_, ReadError>>()?;
    let flows = |at: usize| Flows {
        net: net[at],
        drawn: drawn[at],
        fed: fed[at],
        produced: produced[at],
        charged: charged[at],
        discharged: discharged[at],
    };
    let mut reason = extent.reason.or(is_net.then_some(Reason::NetOnly));
    let mut since = None;
    let rows = edges.windows(2).map(|edges| {
        let (start, end) = (edges[0], edges[1]);
        let from = cells.partition_point(|edge| *edge < start);
        let to = cells.partition_point(|edge| *edge < end).min(cells.len().saturating_sub(1));
        let range = from..to.max(from);
        let is_unmade = |at: usize| {
            let is_there = |register: &Register| quarter(register.from()) <= cells[at];
            fed[at].kwh.is_some_and(|fed| fed > NOISE.0) && !counted.sources().any(is_there)
        };
        let consumed = consumers.iter().map(|(role, cells)| (*role, join(cells, range.clone())));
        let mut row = Row { start, end, ..Row::default() };
        if range.is_empty() {
            row.consumers = consumers.iter().map(|_| None).collect();
            row.partial = true;
            row.gap = extent.until.is_some_and(|until| start >= until) && start < quarter(extent.newest);
            return row;
        }
        let flows = range.clone().map(flows).reduce(Flows::add);
        let is_unmade = range.clone().any(is_unmade);
        if is_unmade {
            reason = reason.or(Some(Reason::NoProduction));
        }
        // Only a meter that feeds in nothing tells that nothing was made before.
        let has_unread = |at: usize| begin.is_some_and(|begin| cells[at] < begin);
        let is_unread = range.clone().any(has_unread);
        let may_be_made = |at: usize| {
            has_unread(at) && (counted.fed.is_empty() || fed[at].kwh.is_none_or(|fed| fed > NOISE.0))
        };
        let made = match (is_unread, range.clone().any(may_be_made)) {
            _ if is_unmade => Made::Unknown,
            (true, true) => Made::Unknown,
            (true, false) => Made::Nothing,
            (false, _) => Made::Known,
        };
        if is_unread {
            reason = reason.or(Some(Reason::ProductionBegins));
            since = begin;
        }
        let within = start.saturating_mul(SECOND)..end.saturating_mul(SECOND);
        let begins = counted.all().any(|register| within.contains(&register.from()));
        row.partial = start < extent.since || end > high || end > extent.end() || begins;
        flows.unwrap_or_else(Flows::default).fill(&mut row, made, is_net);
        if is_unread {
            (row.produced, row.self_used) = (None, None);
        }
        let consumed: Vec<_> = consumed.collect();
        row.other = other(row.consumption, &consumed);
        row.consumers = consumed.iter().map(|(_, cell)| cell.kwh.filter(|_| !cell.is_absent)).collect();
        row
    });
    let rows = rows.collect();
    Ok(Balance { rows, until: extent.until, since, reason })
}

/// What is known of the production in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It was read.
    Known,
    /// A part of it was not read, and nothing was fed in then: there was none, as far as anybody can tell.
    Nothing,
    /// A part of it was not read, or it has no source.
    Unknown,
}

fn join(cells: &[Cell], range: std::ops::Range<usize>) -> Cell {
    let cells = cells.get(range).unwrap_or_default().iter().copied();
    cells.reduce(Cell::add).unwrap_or_default()
}

/// Returns what is consumed beside the consumers. Submeters are parts of other meters.
fn other(consumption: Option<f64>, consumers: &[(SourceRole, Cell)]) -> Option<f64> {
    let mut other = consumption?;
    for (_, cell) in consumers.iter().filter(|(role, _)| *role == SourceRole::Consumer) {
        other -= cell.kwh?;
    }
    settled(other, consumption?)
}

/// Returns a number, unless it is lower than different moments of reading explain. A little below 0 stays what it is, so
/// that the numbers of a period's parts add up.
fn settled(number: f64, whole: f64) -> Option<f64> {
    (number >= -(NOISE.0 + NOISE.1 * whole)).then_some(number)
}

impl Default for Flows {
    fn default() -> Self {
        let cell = Cell::default();
        Self { net: cell, drawn: cell, fed: cell, produced: cell, charged: cell, discharged: cell }
    }
}

impl Flows {
    fn add(self, later: Self) -> Self {
        Self {
            net: self.net.add(later.net),
            drawn: self.drawn.add(later.drawn),
            fed: self.fed.add(later.fed),
            produced: self.produced.add(later.produced),
            charged: self.charged.add(later.charged),
            discharged: self.discharged.add(later.discharged),
        }
    }

    /// Writes the energies of a row. Without a source of what was fed in, nobody knows the consumption. With the difference
    /// of what was drawn and fed in, it is known, and what was used of the production is not.
    fn fill(self, row: &mut Row, made: Made, is_net: bool) {
        let Self { net, drawn, fed, produced, charged, discharged } = self;
        (row.drawn, row.fed, row.produced) = (drawn.kwh, fed.kwh, produced.kwh);
        (row.charged, row.discharged) = (charged.kwh, discharged.kwh);
        let all = [drawn, fed, produced, charged, discharged];
        let known = all.map(|cell| cell.kwh.filter(|_| made != Made::Unknown));
        if is_net {
            let all = [net, produced, charged, discharged];
            if let ([Some(net), Some(produced), Some(charged), Some(discharged)], true) =
                (all.map(|cell| cell.kwh), made == Made::Known)
            {
                row.consumption = settled(net + produced + discharged - charged, produced + discharged);
            }
            row.gap = all.iter().any(|cell| cell.gap) || row.consumption.is_none();
            return;
        }
        if let [Some(drawn), Some(fed), Some(produced), Some(charged), Some(discharged)] = known {
            let came = drawn + produced + discharged;
            row.consumption = settled(came - fed - charged, came);
            row.self_used = Some(produced - fed).filter(|_| row.consumption.is_some());
        }
        row.gap = all.iter().any(|cell| cell.gap) || row.consumption.is_none();
    }
}

#[cfg(test)]
mod tests;

//! Times of a household: between which its counters were read, and from when on its production.

use super::{Counted, Part, Reason, Register, consumers, course::quarter};
use crate::{
    SourceRole,
    journal::{Micros, QUARTER_HOUR, SECOND},
};

/// Distance of the last readings that is no delay.
const SAME: Micros = QUARTER_HOUR * SECOND;
/// Delay of a consumer for which the others wait: it is read once a day.
const LATE: Micros = 25 * 3600 * SECOND;

/// Times between which all counters of the household were read.
#[derive(Debug)]
pub(super) struct Extent {
    /// Start of the first quarter-hour, in seconds since 1970.
    pub(super) since: i64,
    /// End of the last one, if a source is late.
    pub(super) until: Option<i64>,
    /// Time of the newest reading.
    pub(super) newest: Micros,
    pub(super) reason: Option<Reason>,
}

impl Extent {
    pub(super) fn of(counted: &Counted, parts: &[Part]) -> Self {
        let begin = |registers: &mut dyn Iterator<Item = &Register>| registers.map(Register::from).min();
        let grid = begin(&mut counted.drawn.iter().chain(&counted.net));
        let last = |registers: &mut dyn Iterator<Item = &Register>| {
            registers.filter(|register| !register.is_given_up).map(Register::to).collect::<Vec<_>>()
        };
        let needed = last(&mut counted.all());
        let consumers = last(&mut consumers(parts).flat_map(|part| &part.import));
        let newest = needed.iter().max().copied().unwrap_or(Micros::MIN);
        let late = consumers.into_iter().filter(|to| to.saturating_add(LATE) >= newest);
        let oldest = needed.iter().copied().chain(late).min().unwrap_or(Micros::MIN);
        let is_late = oldest.saturating_add(SAME) < newest;
        let reason = match grid {
            None => Some(Reason::NoGrid),
            _ if oldest.saturating_add(LATE) < newest => Some(Reason::SourceSilent),
            _ => None,
        };
        let since = grid.or_else(|| begin(&mut counted.all())).map_or(i64::MAX, quarter);
        Self { since, until: is_late.then(|| quarter(oldest)), newest, reason }
    }

    /// Returns the end of the newest reading, in seconds since 1970.
    pub(super) fn end(&self) -> i64 {
        self.newest.div_euclid(SECOND)
    }
}

/// Returns the start of the first quarter-hour from which on all production is read, in seconds since 1970; `None` without
/// any.
pub(super) fn production_begin(parts: &[Part]) -> Option<i64> {
    let production = parts.iter().filter(|part| part.role == SourceRole::Production);
    let begins = production.filter_map(|part| part.export.iter().map(Register::from).min());
    begins.max().map(quarter)
}

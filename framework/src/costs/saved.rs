//! Price of what was not drawn.

use tariff::{Number, local};

use super::{
    Tariffs,
    counters::{Billed, billed, is_by_register},
    spots::Spots,
    tariffs::Timeline,
};
use crate::journal::{QUARTER_HOUR, ReadError, View};

/// Quarter-hours for which a register counts on while none moves: those of a week.
const WEEK: usize = 7 * 96;
/// Quarter-hours whose registers are read at once.
const AT_ONCE: usize = 92 * 96;

/// Returns what one more kWh from the grid would have cost in each quarter-hour, by its start in seconds since 1970, which
/// adjoin; `None` where there is no price. Where the price is one by register, it is that of the register that counted.
///
/// # Errors
/// Returns the error of the journal.
pub(crate) fn prices(
    view: &View<'_>,
    tariffs: &Tariffs,
    source: &str,
    quarters: &[i64],
) -> Result<Vec<Option<Number>>, ReadError> {
    let of_source = tariffs.of(source);
    let timeline = Timeline::new(&of_source, view);
    let mut spots = Spots::default();
    if let (Some(first), Some(last)) = (quarters.first(), quarters.last()) {
        for spot in of_source.iter().filter_map(|tariff| tariff.work.spot()) {
            spots.read(view, spot, *first, last + QUARTER_HOUR)?;
        }
    }
    let is_by_register = |second: &i64| timeline.at(*second).is_some_and(|of| is_by_register(of, false));
    let registers = match quarters.iter().any(is_by_register) {
        true => match billed(view, source, &of_source) {
            // Nothing says what counts what is drawn: there is no price.
            Err(ReadError::NotFound(_) | ReadError::BadRequest(_)) => Vec::new(),
            counters => registers(&counters?, quarters)?,
        },
        false => Vec::new(),
    };
    let price = |(at, second): (usize, &i64)| {
        let tariff = timeline.at(*second)?;
        let spot = tariff.work.spot().and_then(|spot| spots.at(spot, *second));
        tariff.price_per_kwh(local(*second, view.zone), registers.get(at).copied().flatten(), spot)
    };
    Ok(quarters.iter().enumerate().map(price).collect())
}

/// Returns the register that counted what was drawn in each quarter-hour: the one that moved most, else the last one that
/// moved in the week before. In a gap of the readings nobody knows which one moved.
fn registers(counters: &[Billed<'_>], quarters: &[i64]) -> Result<Vec<Option<u8>>, ReadError> {
    let mut found = Vec::with_capacity(quarters.len());
    let Some(first) = quarters.first() else { return Ok(found) };
    // The week before is read too, so that the answer does not depend on where the range begins.
    let before = (1..=WEEK as i64).rev().map(|n| first - n * QUARTER_HOUR);
    let all: Vec<_> = before.chain(quarters.iter().copied()).collect();
    // The last register that moved, and the quarter-hours since.
    let mut last = None::<(u8, usize)>;
    for quarters in all.chunks(AT_ONCE) {
        let end = quarters.last().map(|last| last + QUARTER_HOUR);
        let edges: Vec<_> = quarters.iter().copied().chain(end).collect();
        // The register that moved most, and by how much.
        let mut moved = vec![None::<(u8, f64)>; quarters.len()];
        for counter in counters.iter().filter(|counter| !counter.is_export) {
            let Some(register) = counter.register else { continue };
            let amounts = counter.series.consumption_between(&edges, true)?;
            for (moved, amount) in moved.iter_mut().zip(amounts) {
                let Some(kwh) = amount.amount.filter(|kwh| *kwh > 0.0 && !amount.gap) else { continue };
                if moved.is_none_or(|(_, most)| kwh > most) {
                    *moved = Some((register, kwh));
                }
            }
        }
        for moved in moved {
            last = match (moved, last) {
                (Some((register, _)), _) => Some((register, 0)),
                (None, Some((register, since))) if since < WEEK => Some((register, since + 1)),
                _ => None,
            };
            found.push(last.map(|(register, _)| register));
        }
    }
    found.drain(..WEEK.min(found.len()));
    Ok(found)
}

//! Price of what was not drawn.

use tariff::{Number, local};

use super::{Tariffs, spots::Spots, tariffs::Timeline};
use crate::journal::{QUARTER_HOUR, ReadError, View};

/// Returns what one more kWh from the grid would have cost in each quarter-hour, by its start in seconds since 1970;
/// `None` where there is no price, or one by register.
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
    let price = |second: &i64| {
        let tariff = timeline.at(*second)?;
        let spot = tariff.work.spot().and_then(|spot| spots.at(spot, *second));
        tariff.price_per_kwh(local(*second, view.zone), None, spot)
    };
    Ok(quarters.iter().map(price).collect())
}

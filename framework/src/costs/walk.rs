//! Amounts of a counter in stretches with one price: quarter-hours where the price changes with time, else as long as a
//! tariff holds. They are read in parts, so that ten years of quarter-hours need no memory.

use std::collections::HashMap;

use jiff::civil::DateTime;
use tariff::{Number, Resolution, SpotPrice, Tariff, local, number};

use super::{counters::Billed, tariffs::seconds};
use crate::{
    Decimal, Quantity, Unit,
    journal::{Amount, QUARTER_HOUR, ReadError, SECOND, Step, View, quarter_start, quarters},
};

/// Most quarter-hours that are read at once: a quarter of a year.
const AT_ONCE: usize = 92 * 96;

/// Longest distance of edges that are close to each other, in seconds.
const CLOSE: i64 = 3 * 3600;

/// Amount of a counter in a stretch with one price.
#[derive(Debug)]
pub(super) struct Piece<'t> {
    /// Place of the period in which it lies.
    pub(super) period: usize,
    /// Start and end in seconds since 1970.
    pub(super) from: i64,
    pub(super) to: i64,
    /// Local time of its start.
    pub(super) time: DateTime,
    /// Tariff that holds; `None` where there is none.
    pub(super) tariff: Option<&'t Tariff>,
    /// Energy in kWh; `None` where nothing was read, or the tariff has no factor.
    pub(super) energy: Option<Number>,
    /// Amount as it was counted.
    pub(super) amount: Option<Decimal>,
    /// Spot price of the time, per kWh.
    pub(super) spot: Option<Number>,
    /// Part of it lies in a gap of the readings, and was spread evenly.
    pub(super) gap: bool,
}

/// Walk along the amounts of one counter.
pub(super) struct Walk<'w, 'v, 't> {
    pub(super) view: &'w View<'v>,
    pub(super) counter: &'w Billed<'v>,
    /// Tariffs of the source, one after the other.
    pub(super) tariffs: &'w [&'t Tariff],
    /// Seconds between a time and the earlier one whose amounts and prices stand for it; 0 for the past itself.
    pub(super) earlier: i64,
}

/// Stretch of one tariff in one period.
#[derive(Debug, Clone, Copy)]
struct Stretch<'t> {
    period: usize,
    from: i64,
    to: i64,
    tariff: Option<&'t Tariff>,
}

impl Stretch<'_> {
    fn has_one_price(&self, is_export: bool) -> bool {
        is_export || self.tariff.is_none_or(Tariff::is_constant)
    }
}

impl<'t> Walk<'_, '_, 't> {
    /// Visits all pieces of periods, which are in order, by their start and end in seconds since 1970.
    pub(super) fn visit(
        &self,
        periods: &[(i64, i64)],
        mut visit: impl FnMut(Piece<'t>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let stretches = self.stretches(periods);
        let is_single = |stretch: &Stretch<'t>| stretch.has_one_price(self.counter.is_export);
        let (first_read, last_read) = self.extent()?;
        for run in stretches.chunk_by(|a, b| a.to == b.from && is_single(a) == is_single(b)) {
            let Some(first) = run.first() else { continue };
            if is_single(first) {
                self.read(run, &mut visit)?;
                continue;
            }
            let mut part = Vec::new();
            for stretch in run {
                let start = first_read.clamp(stretch.from, stretch.to);
                let end = last_read.clamp(start, stretch.to);
                for (from, end) in [(stretch.from, start), (start, end), (end, stretch.to)] {
                    // A range may end in thousands of years: what was not read is one piece.
                    if end - from > QUARTER_HOUR && (from >= last_read || end <= first_read) {
                        self.read(&part, &mut visit)?;
                        part.clear();
                        visit(self.unread(Stretch { from, to: end, ..*stretch }))?;
                        continue;
                    }
                    for quarter in quarters(from..end) {
                        part.push(Stretch { from: quarter.start, to: quarter.end, ..*stretch });
                        if part.len() == AT_ONCE {
                            self.read(&part, &mut visit)?;
                            part.clear();
                        }
                    }
                }
            }
            self.read(&part, &mut visit)?;
        }
        Ok(())
    }

    /// Returns the start of the first quarter-hour with a reading and the end of the last, in seconds since 1970.
    fn extent(&self) -> Result<(i64, i64), ReadError> {
        let start = |time: i64| quarter_start(time.div_euclid(SECOND)) + self.earlier;
        let extent = self.counter.series.extent()?;
        Ok(extent.map_or((i64::MAX, i64::MAX), |(first, last)| (start(first), start(last) + QUARTER_HOUR)))
    }

    /// Returns a stretch without readings as a piece.
    fn unread(&self, Stretch { period, from, to, tariff }: Stretch<'t>) -> Piece<'t> {
        let time = local(from, self.view.zone);
        Piece { period, from, to, time, tariff, energy: None, amount: None, spot: None, gap: false }
    }

    /// Cuts periods where a tariff ends.
    fn stretches(&self, periods: &[(i64, i64)]) -> Vec<Stretch<'t>> {
        let held: Vec<_> = self.tariffs.iter().map(|tariff| (seconds(tariff, self.view), *tariff)).collect();
        let mut stretches = Vec::new();
        for (period, &(start, end)) in periods.iter().enumerate() {
            let mut from = start;
            while from < end {
                let holding = held.iter().rev().find(|((begin, end), _)| *begin <= from && from < *end);
                let to = match holding {
                    Some(((_, to), _)) => *to,
                    None => held
                        .iter()
                        .map(|((begin, _), _)| *begin)
                        .filter(|begin| *begin > from)
                        .min()
                        .unwrap_or(end),
                };
                let to = to.min(end);
                stretches.push(Stretch { period, from, to, tariff: holding.map(|(_, tariff)| *tariff) });
                from = to;
            }
        }
        stretches
    }

    /// Reads adjoining stretches.
    fn read(
        &self,
        stretches: &[Stretch<'t>],
        visit: &mut impl FnMut(Piece<'t>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else { return Ok(()) };
        let start = first.from - self.earlier;
        let edges = std::iter::once(start).chain(stretches.iter().map(|stretch| stretch.to - self.earlier));
        let edges: Vec<_> = edges.collect();
        let is_fine = !first.has_one_price(self.counter.is_export);
        // Where the edges are close to each other, one pass is faster than a search for each.
        let length = (last.to - first.from) / i64::try_from(stretches.len()).unwrap_or(i64::MAX);
        let amounts = self.counter.series.consumption_between(&edges, length <= CLOSE)?;
        let mut spots = Spots::default();
        if is_fine {
            for tariff in self.tariffs {
                if let Some(spot) = tariff.spot() {
                    spots.read(self.view, spot, start, last.to - self.earlier)?;
                }
            }
        }
        for (stretch, amount) in stretches.iter().zip(amounts) {
            let Stretch { period, from, to, tariff } = *stretch;
            let Amount { exact, gap, .. } = amount;
            let spot = tariff.and_then(Tariff::spot).and_then(|spot| spots.at(spot, from - self.earlier));
            let energy = exact.zip(tariff).and_then(|(amount, tariff)| self.counter.energy(amount, tariff));
            let time = local(from, self.view.zone);
            visit(Piece { period, from, to, time, tariff, energy, amount: exact, spot, gap })?;
        }
        Ok(())
    }
}

/// Spot prices of a part of the time.
#[derive(Default)]
pub(super) struct Spots(HashMap<(String, String, i64), HashMap<i64, Number>>);

impl Spots {
    /// Reads the prices of a range of seconds.
    pub(super) fn read(
        &mut self,
        view: &View<'_>,
        spot: &SpotPrice,
        from: i64,
        to: i64,
    ) -> Result<(), ReadError> {
        let key = (spot.source.clone(), spot.reading.clone(), spot.resolution.seconds());
        if self.0.contains_key(&key) {
            return Ok(());
        }
        let prices = self.0.entry(key).or_default();
        let series = match view.find(&spot.source, &spot.reading, None) {
            Ok(series) => series,
            // Nothing was read yet.
            Err(ReadError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let meaning = series.meaning();
        let per_kwh = match (meaning.quantity, meaning.unit) {
            (Quantity::EnergyPrice, Some(unit)) => {
                unit.factor_to(Unit::EuroPerKilowattHour).or(Some(crate::Factor::ONE))
            }
            _ => Some(crate::Factor::ONE),
        };
        let scaled = |value: f64| {
            let value = Decimal::from_f64(value)?;
            per_kwh?.apply(value).decimal().map(number)
        };
        let step = match spot.resolution {
            Resolution::QuarterHour => "15m",
            Resolution::Hour => "1h",
        };
        let history =
            series.history(from.saturating_mul(SECOND), to.saturating_mul(SECOND), Step::named(step))?;
        history.spans(|(start, rollup)| {
            if let Some(price) = rollup.as_ref().and_then(|rollup| scaled(rollup.last)) {
                prices.insert(*start, price);
            }
            true
        })
    }

    /// Returns the price at a second.
    pub(super) fn at(&self, spot: &SpotPrice, second: i64) -> Option<Number> {
        let length = spot.resolution.seconds();
        let prices = self.0.get(&(spot.source.clone(), spot.reading.clone(), length))?;
        prices.get(&(second - second.rem_euclid(length))).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Config,
        costs::counters::billed,
        journal::testing::{Household, at, named, sample},
    };

    #[test]
    fn a_range_far_longer_than_the_journal_is_cut_where_it_was_read_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let mut household = Household::at(&path);
        let start = at("2026-11-01T00:00:00Z");
        let samples: Vec<_> = (0..8).map(|n| sample(start + n * 900 * SECOND, n * 250)).collect();
        household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
        let text = "[sources.grid]\nplugin = \"greedy\"\n[[tariffs]]\nsource = \"grid\"\nfrom = \"2020-01-01\"\n\
                    work_price = 0.25\nwindows = [{ price = 0.32, hours = \"06:00-22:00\" }]\n";
        let tariffs = Config::parse("config.toml", text, &[]).unwrap_or_else(|bad| panic!("{bad}")).tariffs;
        let tariffs = tariffs.of("grid");
        let (from, to) = (at("2021-01-01T00:00:00Z") / SECOND, at("2060-01-01T00:00:00Z") / SECOND);
        let pieces = household.open(&path).read(|view| {
            let counters = billed(view, "grid", &tariffs)?;
            let walk = Walk { view, counter: &counters[0], tariffs: &tariffs, earlier: 0 };
            let mut pieces = Vec::new();
            walk.visit(&[(from, to)], |piece| {
                pieces.push((piece.from, piece.to, piece.amount.is_some()));
                Ok(())
            })?;
            Ok(pieces)
        });
        let pieces = pieces.unwrap();
        assert_eq!(pieces.len(), 10, "eight quarter-hours, what is before, and what is after them");
        assert_eq!((pieces[0].0, pieces[9].1), (from, to));
        assert!(pieces.windows(2).all(|pair| pair[0].1 == pair[1].0), "without holes: {pieces:?}");
        assert!(!pieces[0].2 && pieces[1..9].iter().all(|piece| piece.2) && !pieces[9].2, "{pieces:?}");
    }
}

//! Amounts of a counter in pieces with one price: quarter-hours where a market sets it, the hours of a window where it
//! changes with time, else as long as a tariff holds. They are read in parts, so that ten years need no memory.

use jiff::civil::{Date, DateTime};
use tariff::{Changes, KwhPrice, Number, Tariff, local};

use super::{counters::Billed, spots::Spots, tariffs::Timeline};
use crate::{
    Decimal,
    journal::{Amount, QUARTER_HOUR, ReadError, SECOND, View, quarter_start, quarters},
};

/// Most pieces that are read at once: quarter-hours of a quarter of a year.
const AT_ONCE: usize = 92 * 96;

/// Longest distance of edges that are close to each other, in seconds.
const CLOSE: i64 = 3 * 3600;

const DAY: i64 = 86_400;

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

/// Where a price may change within a stretch.
enum Cuts<'t> {
    /// In each quarter-hour.
    Quarters,
    /// With the windows of the day.
    Windows { changes: Changes<'t>, day: (i64, i64), edges: Vec<i64> },
}

impl<'t> Cuts<'t> {
    fn of(tariff: &'t Tariff, is_export: bool) -> Self {
        match tariff.kwh_price(is_export).and_then(KwhPrice::spot) {
            Some(_) => Self::Quarters,
            None => Self::Windows {
                changes: Changes::new(tariff, is_export),
                day: (i64::MAX, i64::MIN),
                edges: Vec::new(),
            },
        }
    }

    /// Returns where the piece that begins at a second ends.
    fn next(&mut self, from: i64, view: &View<'_>) -> i64 {
        let Self::Windows { changes, day, edges } = self else { return quarter_start(from) + QUARTER_HOUR };
        if !(day.0..day.1).contains(&from) {
            let date = local(from, view.zone).date();
            *day = (view.day_start(date), view.day_start(date.tomorrow().unwrap_or(Date::MAX)));
            edges.clear();
            match day.1 - day.0 {
                DAY => {
                    let start = |quarter: &u8| day.0 + i64::from(*quarter) * QUARTER_HOUR;
                    edges.extend(changes.of_day(date).iter().map(start));
                }
                // The clocks change: its quarter-hours are not those of the clock on the wall.
                _ => edges.extend(quarters(day.0..day.1).map(|quarter| quarter.start)),
            }
        }
        let at = edges.partition_point(|edge| *edge <= from);
        edges.get(at).copied().unwrap_or(day.1).max(from + QUARTER_HOUR)
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
        let is_export = self.counter.is_export;
        let is_whole = |stretch: &Stretch<'t>| stretch.tariff.is_none_or(|of| of.is_constant(is_export));
        let (first_read, last_read) = self.extent()?;
        // Periods of one tariff share what is known of its days.
        let mut cuts: Option<(&Tariff, Cuts<'t>)> = None;
        for run in stretches.chunk_by(|a, b| a.to == b.from && is_whole(a) == is_whole(b)) {
            if run.first().is_none_or(is_whole) {
                self.read(run, &mut visit)?;
                continue;
            }
            let mut part = Vec::new();
            for stretch in run {
                let Some(tariff) = stretch.tariff else { continue };
                if cuts.as_ref().is_none_or(|(of, _)| !std::ptr::eq(*of, tariff)) {
                    cuts = Some((tariff, Cuts::of(tariff, is_export)));
                }
                let start = first_read.clamp(stretch.from, stretch.to);
                let end = last_read.clamp(start, stretch.to);
                for (mut from, end) in [(stretch.from, start), (start, end), (end, stretch.to)] {
                    // A range may end in thousands of years: what was not read is one piece.
                    if end - from > QUARTER_HOUR && (from >= last_read || end <= first_read) {
                        self.read(&part, &mut visit)?;
                        part.clear();
                        visit(self.unread(Stretch { from, to: end, ..*stretch }))?;
                        continue;
                    }
                    while from < end {
                        let next = cuts.as_mut().map_or(end, |(_, cuts)| cuts.next(from, self.view));
                        let to = next.min(end);
                        part.push(Stretch { from, to, ..*stretch });
                        from = to;
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
        let timeline = Timeline::new(self.tariffs, self.view);
        let mut stretches = Vec::new();
        for (period, &(start, end)) in periods.iter().enumerate() {
            let mut from = start;
            while from < end {
                let to = timeline.next(from).min(end);
                stretches.push(Stretch { period, from, to, tariff: timeline.at(from) });
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
        // Where the edges are close to each other, one pass is faster than a search for each.
        let length = (last.to - first.from) / i64::try_from(stretches.len()).unwrap_or(i64::MAX);
        let amounts = self.counter.series.consumption_between(&edges, length <= CLOSE)?;
        let mut spots = Spots::default();
        let price = |tariff: &'t Tariff| tariff.kwh_price(self.counter.is_export);
        let spot_of = |tariff| price(tariff).and_then(KwhPrice::spot);
        let mut known: Option<&Tariff> = None;
        for tariff in stretches.iter().filter_map(|stretch| stretch.tariff) {
            if known.is_none_or(|known| !std::ptr::eq(known, tariff))
                && let Some(spot) = spot_of(tariff)
            {
                spots.read(self.view, spot, start, last.to - self.earlier)?;
            }
            known = Some(tariff);
        }
        for (stretch, amount) in stretches.iter().zip(amounts) {
            let Stretch { period, from, to, tariff } = *stretch;
            let Amount { exact, gap, .. } = amount;
            let spot = tariff.and_then(spot_of).and_then(|spot| spots.at(spot, from - self.earlier));
            let energy = exact.zip(tariff).and_then(|(amount, tariff)| self.counter.energy(amount, tariff));
            let time = local(from, self.view.zone);
            visit(Piece { period, from, to, time, tariff, energy, amount: exact, spot, gap })?;
        }
        Ok(())
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
        let journal = household.open(&path);
        // A market's price may change in each of the quarter-hours; those of the windows have one.
        for (price, read) in [
            ("spot = { source = \"grid\", reading = \"price\" }", 8),
            ("work_price = 0.25\nwindows = [{ price = 0.32, hours = \"06:00-22:00\" }]", 1),
        ] {
            let text = format!(
                "[sources.grid]\nplugin = \"greedy\"\n[[tariffs]]\nsource = \"grid\"\nfrom = \"2020-01-01\"\n{price}\n"
            );
            let config = Config::parse("config.toml", &text, &[]).unwrap_or_else(|bad| panic!("{bad}"));
            let tariffs = config.tariffs.of("grid");
            let (from, to) = (at("2021-01-01T00:00:00Z") / SECOND, at("2060-01-01T00:00:00Z") / SECOND);
            let pieces = journal.read(|view| {
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
            assert_eq!(pieces.len(), read + 2, "what was read, what is before, and what is after: {price}");
            assert_eq!((pieces[0].0, pieces[read + 1].1), (from, to));
            assert!(pieces.windows(2).all(|pair| pair[0].1 == pair[1].0), "without holes: {pieces:?}");
            let unread = |piece: &(i64, i64, bool)| !piece.2;
            assert!(unread(&pieces[0]) && unread(&pieces[read + 1]), "{pieces:?}");
            assert!(!pieces[1..=read].iter().any(unread), "{pieces:?}");
        }
    }

    /// Counts another amount in each quarter-hour, and pays it by the price of that quarter-hour.
    #[test]
    fn what_is_read_from_one_change_of_the_price_to_the_next_costs_what_its_quarter_hours_cost() {
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let text = "[sources.grid]\nplugin = \"greedy\"\n[[tariffs]]\nsource = \"grid\"\nfrom = \"2020-01-01\"\n\
                    vat = 19\nprices = \"net\"\nholidays = \"DE\"\nwork_price = 0.25\nwindows = [\n\
                    { price = 0.32, hours = \"06:00-22:00\", days = \"Mon-Fri\" },\n\
                    { price = 0.11, hours = \"02:00-03:00\", months = \"Oct-Mar\" }]\n\
                    [[tariffs.levies]]\nname = \"fee\"\nper_kwh = 0.09\nwindows = [{ price = 0.15, hours = \"17:00-20:15\" }]\n";
        let tariffs = Config::parse("config.toml", text, &[]).unwrap_or_else(|bad| panic!("{bad}")).tariffs;
        let tariffs = tariffs.of("grid");
        // Each range has a change of the clocks, a holiday or the end of a window's months, and weekends.
        for (from, days) in [("2026-03-19T23:00:00Z", 17), ("2026-10-19T22:00:00Z", 16)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("journal.db");
            let mut household = Household::at(&path);
            let (start, quarters) = (at(from), days * 96);
            let amount = |quarter: i64| 5 + quarter % 7 * 10;
            let number = |quarter: i64| 1000 + (0..quarter).map(amount).sum::<i64>();
            let samples: Vec<_> =
                (0..=quarters).map(|n| sample(start + n * 900 * SECOND - SECOND, number(n))).collect();
            household.store(&named("grid", "IMPORT", "kWh"), "1.8.0", &samples, &[]);
            let (mut pieces, mut paid) = (0, Number::ZERO);
            let read = household.open_in(&path, zone.clone()).read(|view| {
                let counters = billed(view, "grid", &tariffs)?;
                let walk = Walk { view, counter: &counters[0], tariffs: &tariffs, earlier: 0 };
                let from = start / SECOND;
                walk.visit(&[(from, from + quarters * QUARTER_HOUR)], |piece| {
                    pieces += 1;
                    let price = tariffs[0].price_per_kwh(piece.time, None, None).unwrap();
                    paid += price * piece.energy.unwrap();
                    Ok(())
                })
            });
            read.unwrap();
            let cost = |quarter: i64| {
                let time = local(start / SECOND + quarter * QUARTER_HOUR, &zone);
                tariffs[0].price_per_kwh(time, None, None).unwrap() * Number::new(amount(quarter), 3)
            };
            assert_eq!(paid, (0..quarters).map(cost).sum::<Number>(), "{from}");
            assert!(pieces < 300, "{pieces} of {quarters} quarter-hours");
        }
    }
}

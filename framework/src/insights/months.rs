//! Months: their quarter-hours, hours, nights and days.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use super::{COVERAGE, Reason, ms, rounded, word};
use crate::{balance::Row, journal::QUARTER_HOUR};

/// Local hours of the night, in which a household has least to do.
const NIGHT: std::ops::Range<i8> = 0..5;
/// Share of the quarter-hours of the nights that are below the standby power.
const PERCENTILE: f64 = 0.1;
/// Fewest quarter-hours of nights: those of five.
const FEWEST: usize = 100;

/// Energy of a span: its start in seconds since 1970, and kWh.
pub(super) type Energy = (i64, f64);

/// What is known of a month.
#[derive(Debug, Clone)]
pub(super) struct Month {
    pub(super) first: Date,
    pub(super) start: i64,
    pub(super) end: i64,
    /// Quarter-hours of which what was drawn is known.
    pub(super) known: usize,
    /// Quarter-hours until its end or now.
    expected: usize,
    /// Quarter-hour in which most was drawn.
    pub(super) quarter: Option<Energy>,
    /// What was drawn in each whole hour, with the day in which it lies.
    pub(super) hours: Vec<(Date, Energy)>,
    /// Power of the consumption in the quarter-hours of the nights, without consumers that have a meter, in W.
    night: Vec<f64>,
    /// Consumption of each day, with the number of its known quarter-hours, and its end.
    days: Vec<(Date, Energy, i64)>,
    /// Reason for which the balance is unsure.
    pub(super) reason: Option<Reason>,
    /// Whether the meter is read less often than each quarter of an hour.
    pub(super) is_sparse: bool,
}

impl Month {
    pub(super) fn new(first: Date, (start, end): (i64, i64), now: i64) -> Self {
        let expected = usize::try_from((end.min(now) - start) / QUARTER_HOUR).unwrap_or(0);
        Self {
            first,
            start,
            end,
            known: 0,
            expected,
            quarter: None,
            hours: Vec::new(),
            night: Vec::new(),
            days: Vec::new(),
            reason: None,
            is_sparse: false,
        }
    }

    /// Takes the quarter-hours, which are in order, and what the consumers with a meter consumed in them.
    pub(super) fn take(&mut self, rows: &[Row], metered: &[Option<f64>], zone: &TimeZone) {
        let mut hour = None::<(Date, i64, f64, u8)>;
        for (row, metered) in rows.iter().zip(metered).filter(|(row, _)| !row.partial) {
            let Ok(local) = Timestamp::from_second(row.start).map(|start| start.to_zoned(zone.clone()))
            else {
                continue;
            };
            if let Some(consumption) = row.consumption.filter(|_| !row.gap) {
                if let Some(metered) = metered.filter(|_| NIGHT.contains(&local.hour())) {
                    // Meters are not read at the same moment.
                    self.night.push((consumption - metered).max(0.0) * 4000.0);
                }
                match self.days.last_mut().filter(|day| day.0 == local.date()) {
                    Some(day) => (day.1.1, day.2) = (day.1.1 + consumption, row.end),
                    None => self.days.push((local.date(), (row.start, consumption), row.end)),
                }
            }
            let Some(drawn) = row.drawn.filter(|_| !row.gap || row.consumption.is_none()) else { continue };
            self.known += 1;
            if self.quarter.is_none_or(|(_, most)| drawn > most) {
                self.quarter = Some((row.start, drawn));
            }
            let start = row.start - i64::from(local.minute()) * 60;
            let (sum, count) = match hour {
                Some((_, of, sum, count)) if of == start => (sum + drawn, count + 1),
                _ => (drawn, 1),
            };
            hour = Some((local.date(), start, sum, count));
            if count == 4 {
                self.hours.push((local.date(), (start, sum)));
            }
        }
    }

    /// Returns the reason for which its peaks are unsure.
    pub(super) fn doubt(&self) -> Option<Reason> {
        match self.reason {
            Some(Reason::NoGrid) => Some(Reason::NoGrid),
            _ if (self.known as f64) < self.expected as f64 * COVERAGE || self.known == 0 => {
                Some(Reason::FewReadings)
            }
            _ => self.is_sparse.then_some(Reason::SparseReadings),
        }
    }

    /// Returns the standby power in W: a tenth of the quarter-hours of the nights are below it.
    fn standby(&self) -> (Option<f64>, Option<Reason>) {
        let mut night = self.night.clone();
        night.sort_by(f64::total_cmp);
        let rank = (night.len() as f64 * PERCENTILE).ceil() as usize;
        let watts = night.get(rank.saturating_sub(1)).copied().map(rounded);
        let idle = night.iter().filter(|power| **power == 0.0).count();
        let reason = match self.reason {
            Some(Reason::NoGrid) => Some(Reason::NoGrid),
            Some(Reason::NoProduction) => Some(Reason::NoConsumption),
            _ if night.is_empty() && self.known > 0 => Some(Reason::NoConsumption),
            _ if night.len() < FEWEST => Some(Reason::FewReadings),
            _ if self.is_sparse => Some(Reason::SparseReadings),
            _ => (idle * 4 > night.len()).then_some(Reason::CoarseCounter),
        };
        (watts, reason)
    }
}

/// Power that the household takes while nobody does anything.
#[derive(Debug, Serialize)]
pub(super) struct Standby {
    watts: Option<f64>,
    /// Of each month, the oldest first.
    trend: Vec<Trend>,
    unsure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    from: i64,
    to: i64,
}

/// Standby power of a month.
#[derive(Debug, Serialize)]
struct Trend {
    month: String,
    watts: Option<f64>,
    unsure: bool,
}

impl Standby {
    pub(super) fn of(months: &[Month]) -> Self {
        let trend = months.iter().map(|month| {
            let (watts, reason) = month.standby();
            Trend { month: word(month.first), watts, unsure: reason.is_some() }
        });
        let (watts, reason) = months.last().map_or((None, None), Month::standby);
        let (from, to) = months.last().map_or((0, 0), |last| (ms(last.start), ms(last.end)));
        Self { watts, trend: trend.collect(), unsure: reason.is_some(), reason, from, to }
    }
}

/// Day with the greatest consumption.
#[derive(Debug, Serialize)]
pub(super) struct Day {
    day: String,
    kwh: f64,
    from: i64,
    to: i64,
    unsure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

impl Day {
    /// Returns the greatest day of all months.
    pub(super) fn greatest(months: &[Month]) -> Option<Self> {
        let all = months.iter().flat_map(|month| &month.days);
        let (date, (from, kwh), to) = all.max_by(|a, b| f64::total_cmp(&a.1.1, &b.1.1))?;
        let known: usize = months.iter().map(|month| month.known).sum();
        let expected: usize = months.iter().map(|month| month.expected).sum();
        let reason = ((known as f64) < expected as f64 * COVERAGE).then_some(Reason::FewReadings);
        Some(Self {
            day: date.to_string(),
            kwh: rounded(*kwh),
            from: ms(*from),
            to: ms(*to),
            unsure: reason.is_some(),
            reason,
        })
    }
}

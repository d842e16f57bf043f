//! A price by time: windows of days, hours and months, in local time.

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};

use crate::{
    Holidays, Number,
    words::{DaySet, HOLIDAY_INDEX, HourSet, MonthSet},
};

/// Price that holds at certain times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Name for people: `HT`, `low`.
    pub name: Option<String>,
    /// Price in the windows, per kWh.
    pub price: Number,
    /// Days of the week, and holidays. A holiday counts as such, and not as its day of the week.
    pub days: DaySet,
    /// Times of day.
    pub hours: HourSet,
    /// Months.
    pub months: MonthSet,
}

impl Window {
    /// Returns the name, or else the times in words without a language: `Mon-Fri 17:00-21:00 Oct-Mar`.
    pub fn text(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => {
                let words = [self.days.words(), self.hours.words(), self.months.words()];
                words
                    .iter()
                    .filter(|words| !words.is_empty())
                    .map(|words| words.join(","))
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }
}

/// Price that may change with time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimedPrice {
    /// Price outside of all windows; `None` where the windows cover all times.
    pub otherwise: Option<Number>,
    /// The windows.
    pub windows: Vec<Window>,
}

/// A time at which not exactly one price holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Index of the window, and of the one that overlaps it; `None` where no price holds.
    pub overlap: Option<(usize, usize)>,
    /// The time in words: `Sat 22:00-24:00 in Jan`.
    pub when: String,
}

impl TimedPrice {
    /// One price at all times.
    pub fn single(price: Number) -> Self {
        Self { otherwise: Some(price), windows: Vec::new() }
    }

    /// Returns whether it is the same at all times.
    pub fn is_single(&self) -> bool {
        self.windows.is_empty()
    }

    /// Returns the price at a local time, and the index of its level: that of the window, or their number for the price
    /// outside of them.
    pub fn at(&self, time: DateTime, holidays: &Holidays) -> Option<(usize, Number)> {
        let level = match self.windows.is_empty() {
            true => None,
            false => {
                let month = u8::try_from(time.month() - 1).unwrap_or(0);
                self.window_at(day_of(time.date(), holidays), quarter_of(time), month)
            }
        };
        match level {
            Some(level) => Some((level, self.windows[level].price)),
            None => self.otherwise.map(|price| (self.windows.len(), price)),
        }
    }

    /// Returns the index of the window that holds in a quarter-hour of a day, in a month counted from 0.
    pub(crate) fn window_at(&self, day: u8, quarter: u8, month: u8) -> Option<usize> {
        let holds =
            |window: &Window| window.days.has(day) && window.hours.has(quarter) && window.months.has(month);
        self.windows.iter().position(holds)
    }

    /// Returns the window of a level; `None` for the price outside of them.
    pub fn window(&self, level: usize) -> Option<&Window> {
        self.windows.get(level)
    }

    /// Checks that exactly one price holds at each time. Holidays count where there are any.
    ///
    /// # Errors
    /// Returns the first time at which none does, or more than one.
    pub fn check(&self, holidays: &Holidays) -> Result<(), Coverage> {
        let days = if holidays.is_empty() { 0..HOLIDAY_INDEX } else { 0..HOLIDAY_INDEX + 1 };
        for month in 0..12 {
            for day in days.clone() {
                let when = |hours: u128| {
                    let hours = HourSet::of_bits(hours).first();
                    format!("{} {hours} in {}", DaySet::word(day), MonthSet::word(month))
                };
                let mut covered = 0u128;
                let holding = self.windows.iter().enumerate();
                let holding = holding.filter(|(_, window)| window.days.has(day) && window.months.has(month));
                for (n, window) in holding.clone() {
                    let both = covered & window.hours.bits();
                    if both != 0 {
                        let earlier = holding.clone().find(|(_, other)| other.hours.bits() & both != 0);
                        let earlier = earlier.map_or(n, |(earlier, _)| earlier);
                        return Err(Coverage { overlap: Some((earlier, n)), when: when(both) });
                    }
                    covered |= window.hours.bits();
                }
                let open = HourSet::ALL.bits() & !covered;
                if open != 0 && self.otherwise.is_none() {
                    return Err(Coverage { overlap: None, when: when(open) });
                }
            }
        }
        Ok(())
    }
}

/// Returns the index of a day: Monday is 0, Sunday 6, a holiday 7.
pub(crate) fn day_of(day: Date, holidays: &Holidays) -> u8 {
    match holidays.contains(day) {
        true => HOLIDAY_INDEX,
        false => u8::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0),
    }
}

fn quarter_of(time: DateTime) -> u8 {
    u8::try_from(i32::from(time.hour()) * 4 + i32::from(time.minute()) / 15).unwrap_or(0)
}

/// Returns the local time of a second since 1970: a day on which the clocks change has 92 or 100 quarter-hours.
pub fn local(second: i64, zone: &TimeZone) -> DateTime {
    zone.to_datetime(Timestamp::from_second(second).unwrap_or_default())
}

//! Words of a window: `Mon-Fri`, `22:00-06:00`, `Jan-Mar`.

use std::ops::Range;

/// Days of the week, and holidays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaySet(u8);

/// Quarter-hours of a day, counted from midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourSet(u128);

/// Months of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthSet(u16);

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const HOLIDAY: &str = "holiday";
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Quarter-hours of a day.
const OF_DAY: u32 = 96;

/// Index of a holiday among the days.
pub(crate) const HOLIDAY_INDEX: u8 = 7;

/// Returns the index of a word, whatever its capitals.
fn index(words: &[&str], word: &str) -> Option<usize> {
    words.iter().position(|known| known.eq_ignore_ascii_case(word))
}

/// Returns the indices of a word, or of a range such as `Oct-Mar`, which may go over the end.
fn indices(words: &[&str], text: &str) -> Option<Vec<usize>> {
    let Some((first, last)) = text.split_once('-') else {
        return index(words, text.trim()).map(|one| vec![one]);
    };
    let (first, last) = (index(words, first.trim())?, index(words, last.trim())?);
    let count = (last + words.len() - first) % words.len() + 1;
    Some((0..count).map(|n| (first + n) % words.len()).collect())
}

impl DaySet {
    /// Every day of the week, and holidays.
    pub const ALL: Self = Self(u8::MAX);
    /// No day.
    pub const NONE: Self = Self(0);

    /// Parses a day or a range of days: `Sat`, `Mon-Fri`, `holiday`.
    ///
    /// # Errors
    /// Returns a message with the words that are understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().eq_ignore_ascii_case(HOLIDAY) {
            return Ok(Self(1 << HOLIDAY_INDEX));
        }
        let days = indices(&DAYS, text).ok_or_else(|| {
            format!("`{text}` is not a day: expected `Mon` to `Sun`, a range such as `Mon-Fri`, or `holiday`")
        })?;
        Ok(Self(days.into_iter().fold(0, |set, day| set | 1 << day)))
    }

    /// Returns the days of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether a day is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the words of the days, as they are parsed: `Mon-Fri`, `holiday`. None for all days.
    pub fn words(self) -> Vec<String> {
        if self == Self::ALL {
            return Vec::new();
        }
        let holiday = self.has_holidays().then(|| HOLIDAY.to_owned());
        let is_in = |day: usize| self.0 >> day & 1 == 1;
        runs(DAYS.len(), is_in).into_iter().map(|run| range(&DAYS, run)).chain(holiday).collect()
    }

    /// Returns whether holidays are among them.
    pub fn has_holidays(self) -> bool {
        self.has(HOLIDAY_INDEX)
    }

    pub(crate) fn has(self, day: u8) -> bool {
        self.0 >> day & 1 == 1
    }

    /// Returns the word of a day.
    pub(crate) fn word(day: u8) -> &'static str {
        DAYS.get(usize::from(day)).copied().unwrap_or(HOLIDAY)
    }
}

impl HourSet {
    /// The whole day.
    pub const ALL: Self = Self((1 << OF_DAY) - 1);
    /// No hour.
    pub const NONE: Self = Self(0);

    /// Parses a range of times in whole quarter-hours: `06:00-22:00`. One that goes over midnight, `22:00-06:00`, has the
    /// beginning and the end of each of its days.
    ///
    /// # Errors
    /// Returns a message with the form that is understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a range of times: expected whole quarter-hours such as `06:00-22:00` or `22:00-06:00`"
            )
        };
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (quarter(from).ok_or_else(wrong)?, quarter(to).ok_or_else(wrong)?);
        let bits = |range: Range<u32>| range.fold(0u128, |set, quarter| set | 1 << quarter);
        match from.cmp(&to) {
            std::cmp::Ordering::Less => Ok(Self(bits(from..to))),
            std::cmp::Ordering::Greater if from < OF_DAY => Ok(Self(bits(from..OF_DAY) | bits(0..to))),
            _ => Err(format!(
                "`{text}` has no length: expected two different times; leave `hours` out for the whole day"
            )),
        }
    }

    /// Returns the hours of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether a quarter-hour is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the ranges of the hours, as they are parsed: `06:00-22:00`. None for the whole day.
    pub fn words(self) -> Vec<String> {
        if self == Self::ALL {
            return Vec::new();
        }
        let is_in = |quarter: usize| self.0 >> quarter & 1 == 1;
        let runs = runs(OF_DAY as usize, is_in).into_iter();
        // The end of a day is 24:00, unless the range goes on at its beginning.
        let end = |(first, count): (usize, usize)| match first + count {
            end if end <= OF_DAY as usize => end,
            end => end - OF_DAY as usize,
        };
        runs.map(|run| format!("{}-{}", clock(run.0), clock(end(run)))).collect()
    }

    pub(crate) fn has(self, quarter: u8) -> bool {
        self.0 >> quarter & 1 == 1
    }

    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    pub(crate) fn of_bits(bits: u128) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Returns the first stretch of them, as it is parsed.
    pub(crate) fn first(self) -> String {
        let from = self.0.trailing_zeros().min(OF_DAY);
        let to = from + (self.0 >> from).trailing_ones();
        format!("{}-{}", clock(from as usize), clock(to as usize))
    }
}

/// Returns the time of day at which a quarter-hour begins.
fn clock(quarter: usize) -> String {
    format!("{:02}:{:02}", quarter / 4, quarter % 4 * 15)
}

/// Returns the stretches of a cycle, each as its first place and its length. One that goes over the end is the last.
fn runs(count: usize, is_in: impl Fn(usize) -> bool) -> Vec<(usize, usize)> {
    if (0..count).all(&is_in) {
        return vec![(0, count)];
    }
    let begins = (0..count).filter(|at| is_in(*at) && !is_in((at + count - 1) % count));
    let length = |from: usize| (0..count).take_while(|step| is_in((from + step) % count)).count();
    begins.map(|from| (from, length(from))).collect()
}

/// Returns the words of a stretch: `Sat`, `Mon-Fri`.
fn range(words: &[&str], (first, count): (usize, usize)) -> String {
    let word = |at: usize| words.get(at % words.len()).copied().unwrap_or_default();
    match count {
        1 => word(first).to_owned(),
        _ => format!("{}-{}", word(first), word(first + count - 1)),
    }
}

/// Returns the quarter-hour of a time of day such as `06:15`; 96 for `24:00`.
fn quarter(text: &str) -> Option<u32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two_digits = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse::<u32>().ok())?
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    (minute % 15 == 0 && minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 4 + minute / 15)
}

impl MonthSet {
    /// The whole year.
    pub const ALL: Self = Self((1 << 12) - 1);
    /// No month.
    pub const NONE: Self = Self(0);

    /// Parses a month or a range of months: `Jul`, `Oct-Mar`.
    ///
    /// # Errors
    /// Returns a message with the words that are understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let months = indices(&MONTHS, text).ok_or_else(|| {
            format!("`{text}` is not a month: expected `Jan` to `Dec`, or a range such as `Oct-Mar`")
        })?;
        Ok(Self(months.into_iter().fold(0, |set, month| set | 1 << month)))
    }

    /// Returns the months of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether a month is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the words of the months, as they are parsed: `Oct-Mar`. None for the whole year.
    pub fn words(self) -> Vec<String> {
        if self == Self::ALL {
            return Vec::new();
        }
        let is_in = |month: usize| self.0 >> month & 1 == 1;
        runs(MONTHS.len(), is_in).into_iter().map(|run| range(&MONTHS, run)).collect()
    }

    /// Returns whether the month, counted from 0, is among them.
    pub(crate) fn has(self, month: u8) -> bool {
        self.0 >> month & 1 == 1
    }

    /// Returns the word of a month, counted from 0.
    pub(crate) fn word(month: u8) -> &'static str {
        MONTHS.get(usize::from(month)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_hours_and_months_are_read_in_ranges_that_may_go_over_the_end() {
        let days = |text| (0..8).filter(|day| DaySet::parse(text).unwrap().has(*day)).collect::<Vec<_>>();
        assert_eq!(days("Mon-Fri"), [0, 1, 2, 3, 4]);
        assert_eq!(days("sat"), [5]);
        assert_eq!(days("Sat - Mon"), [0, 5, 6]);
        assert_eq!(days("holiday"), [7]);
        let months =
            |text| (0..12).filter(|month| MonthSet::parse(text).unwrap().has(*month)).collect::<Vec<_>>();
        assert_eq!(months("Oct-Mar"), [0, 1, 2, 9, 10, 11]);
        let hours = |text| HourSet::parse(text).map(|hours| hours.0.count_ones());
        assert_eq!(hours("06:00-22:00"), Ok(64));
        assert_eq!(hours("22:00-06:00"), Ok(32));
        assert_eq!(hours("00:00-24:00"), Ok(96));
        assert_eq!(HourSet::parse("22:00-06:00").unwrap().first(), "00:00-06:00");
    }

    #[test]
    fn a_set_is_written_in_the_words_that_it_is_parsed_from() {
        for text in ["Mon-Fri", "Sat-Sun", "Wed", "Sat-Mon", "holiday"] {
            assert_eq!(DaySet::parse(text).unwrap().words(), [text]);
        }
        assert_eq!(
            DaySet::parse("Mon").unwrap().union(DaySet::parse("Wed").unwrap()).words(),
            ["Mon", "Wed"]
        );
        for text in ["06:00-22:00", "22:00-06:00", "00:00-06:15", "22:00-24:00"] {
            assert_eq!(HourSet::parse(text).unwrap().words(), [text]);
        }
        for text in ["Jan", "Oct-Mar", "Jun-Aug"] {
            assert_eq!(MonthSet::parse(text).unwrap().words(), [text]);
        }
        // All seven days without holidays are a stretch of their own.
        let week = DaySet::parse("Mon-Sun").unwrap();
        assert_eq!(week.words(), ["Mon-Sun"]);
        let all = [DaySet::ALL.words(), HourSet::ALL.words(), MonthSet::ALL.words()];
        assert_eq!(all.concat(), Vec::<String>::new());
    }

    #[test]
    fn anything_else_says_what_was_expected() {
        for text in ["", "Mo", "Mon-", "Mon-Fri-Sat", "Feiertag"] {
            assert!(DaySet::parse(text).unwrap_err().contains("is not a day"), "{text}");
        }
        for text in ["", "6-22", "06:00", "06:10-22:00", "06:00-24:15", "-1:00-02:00", "06:00-22:00h"] {
            assert!(HourSet::parse(text).unwrap_err().contains("whole quarter-hours"), "{text}");
        }
        for text in ["06:00-06:00", "24:00-24:00"] {
            assert!(HourSet::parse(text).unwrap_err().contains("no length"), "{text}");
        }
        assert!(MonthSet::parse("Q1").unwrap_err().contains("is not a month"));
    }
}

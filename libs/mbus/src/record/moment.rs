//! Dates and times (EN 13757-3, annex A: types F, G, I and J). They are local, without a zone.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};

use super::value::Absent;
use crate::Order;

/// Date or time of a meter's clock, which is local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Day.
    Date(Date),
    /// Day and time. Only a type of 48 bits has seconds.
    DateTime {
        /// Day and time.
        at: DateTime,
        /// Whether it is summer time: it tells the two hours of the change in autumn apart.
        summer: bool,
        /// Whether the meter sent seconds.
        seconds: bool,
    },
    /// Time of any day.
    Time(Time),
}

impl Moment {
    /// Reads one of the four types, which their lengths tell apart; `None` for any other length.
    pub(super) fn read(bytes: &[u8], order: Order) -> Option<Result<Self, Absent>> {
        let mut low_first = [0; 6];
        let low_first = low_first.get_mut(..bytes.len())?;
        low_first.copy_from_slice(bytes);
        if order == Order::HighFirst {
            low_first.reverse();
        }
        Some(match *low_first {
            [a, b] => date([a, b], 0).map(Self::Date),
            [second, minute, hour] => time(second, minute, hour),
            [minute, hour, a, b] => {
                date_time(0, minute, hour, [a, b], hour >> 5 & 3, hour & 0x80 != 0, false)
            }
            [second, minute, hour, a, b, _] => {
                date_time(second & 0x3f, minute, hour, [a, b], 0, second & 0x40 != 0, true)
            }
            _ => return None,
        })
    }
}

/// Reads type G. All that stands for "every", for "never", or for no date at all, is no date.
fn date([a, b]: [u8; 2], hundreds: u8) -> Result<Date, Absent> {
    let (day, month) = (a & 0x1f, b & 15);
    let year = a >> 5 | (b & 0xf0) >> 1;
    match (day, month, year) {
        (0, 0, 0) => Err(Absent::ZeroMoment),
        _ if (a, b) == (255, 255) => Err(Absent::InvalidMoment),
        _ if day == 0 || month == 15 || year == 127 => Err(Absent::Periodic),
        _ if year > 99 => Err(Absent::ImpossibleMoment),
        _ => {
            let year = i16::from(year);
            let year = match hundreds {
                0 if year <= 80 => 2000 + year,
                _ => 1900 + 100 * i16::from(hundreds) + year,
            };
            // Month and day fit into seven bits.
            Date::new(year, month as i8, day as i8).map_err(|_| Absent::ImpossibleMoment)
        }
    }
}

fn date_time(
    second: u8,
    minute: u8,
    hour: u8,
    day: [u8; 2],
    hundreds: u8,
    summer: bool,
    seconds: bool,
) -> Result<Moment, Absent> {
    if minute & 0x80 != 0 {
        return Err(Absent::InvalidMoment);
    }
    // Type I says the day of the week above the hour.
    let (minute, hour) = (minute & 0x3f, hour & 0x1f);
    if [second, minute, hour, day[0], day[1]] == [0; 5] {
        return Err(Absent::ZeroMoment);
    }
    if hour == 31 || minute == 63 {
        return Err(Absent::Periodic);
    }
    let day = date(day, hundreds)?;
    let time = Time::new(hour as i8, minute as i8, second as i8, 0).map_err(|_| Absent::ImpossibleMoment)?;
    Ok(Moment::DateTime { at: day.to_datetime(time), summer, seconds })
}

/// Reads type J.
fn time(second: u8, minute: u8, hour: u8) -> Result<Moment, Absent> {
    if [second, minute, hour] == [255; 3] {
        return Err(Absent::InvalidMoment);
    }
    let (second, minute, hour) = (second & 0x3f, minute & 0x3f, hour & 0x1f);
    if hour == 31 || minute == 63 || second == 63 {
        return Err(Absent::Periodic);
    }
    let time = Time::new(hour as i8, minute as i8, second as i8, 0);
    time.map(Moment::Time).map_err(|_| Absent::ImpossibleMoment)
}

/// As ISO 8601: `2026-03-01`, `2026-03-01T06:00`, `2026-03-01T06:00:00`, `06:00:00`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Date(date) => date.fmt(f),
            Self::Time(time) => time.fmt(f),
            Self::DateTime { at, seconds: true, .. } => at.fmt(f),
            Self::DateTime { at, .. } => write!(f, "{}T{:02}:{:02}", at.date(), at.hour(), at.minute()),
        }
    }
}

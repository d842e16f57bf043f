//! Words and figures of a progress.

use std::time::Duration;

use super::{Unit, meter::Meter};

/// Columns of a bar without its brackets: the fewest that say something, and the most.
const BAR: (usize, usize) = (8, 40);
/// Columns of bytes, such as `99.9 MB`.
const LONGEST_BYTES: usize = 7;

/// Figures of a moment, as text.
pub(super) struct Figures {
    label: String,
    share: Option<f64>,
    /// Amount that is done.
    amount: String,
    /// The same with the whole amount, and the columns that it needs at most.
    amount_of: (String, usize),
    rate: String,
    overall: String,
    elapsed: String,
    /// Remaining time; empty before it is known.
    left: String,
}

impl Figures {
    pub(super) fn new(label: &str, unit: Unit, meter: &Meter) -> Self {
        let amounts = meter.amounts();
        let amount = match unit {
            Unit::Time => String::new(),
            Unit::Bytes => bytes(amounts.count as f64),
            Unit::Count(what) => format!("{} {what}", grouped(amounts.count)),
        };
        // Where the share is one of another amount, that one says nothing.
        let has_whole = amounts.of > 0 && amounts.count == amounts.done;
        let amount_of = match unit {
            Unit::Time => (String::new(), 0),
            Unit::Bytes if has_whole => {
                let of = format!(" of {}", bytes(amounts.of as f64));
                (amount.clone() + &of, LONGEST_BYTES + columns(&of))
            }
            Unit::Count(what) if has_whole => {
                let of = grouped(amounts.of);
                let text = format!("{} of {of} {what}", grouped(amounts.count));
                (text, 2 * columns(&of) + columns(" of  ") + columns(what))
            }
            Unit::Bytes => (amount.clone(), LONGEST_BYTES),
            Unit::Count(what) => (amount.clone(), columns("123,456,789 ") + columns(what)),
        };
        let rate = |rate: Option<f64>| match (unit, rate) {
            (Unit::Time, _) | (_, None) => String::new(),
            (Unit::Bytes, Some(rate)) => format!("{}/s", bytes(rate)),
            (Unit::Count(_), Some(rate)) => format!("{}/s", rounded(rate)),
        };
        Self {
            label: label.chars().filter(|char| !char.is_control()).collect(),
            share: meter.share(),
            amount,
            amount_of,
            rate: rate(meter.rate()),
            overall: rate(meter.overall_rate()),
            elapsed: time(meter.elapsed().as_secs_f64()),
            left: meter.left().map(time).unwrap_or_default(),
        }
    }

    fn percent(&self) -> String {
        // 100 % is not reached before the end.
        self.share.map_or_else(String::new, |share| format!("{:.0} %", (share * 100.0).floor()))
    }

    fn left(&self) -> String {
        if self.left.is_empty() { String::new() } else { format!("{} left", self.left) }
    }

    /// Returns a line of at most `width` columns, with a bar if there is room for one.
    pub(super) fn bar(&self, width: usize) -> String {
        let (label, percent) = (&*self.label, &*format!("{:>5}", self.percent()));
        if let Some(share) = self.share {
            // The longest of each, so that nothing moves while figures grow.
            let rate = format!("{:>10}", self.rate);
            let (amount, most) = &self.amount_of;
            let (amount, left) = (format!("{amount:>most$}"), format!("{:>16}", self.left()));
            for after in [&[&*amount, &*rate, &*left][..], &[&*rate, &*left], &[&*left]] {
                let after = joined(after);
                let room = width.saturating_sub(columns(label) + columns(percent) + columns(&after) + 8);
                if room >= BAR.0 {
                    let room = room.min(BAR.1);
                    // Truncates: the bar is full at the end.
                    let full = (share * room as f64) as usize;
                    let bar: String = (0..room).map(|column| if column < full { '#' } else { '-' }).collect();
                    return format!("{label}  {percent} [{bar}]  {after}").trim_end().to_owned();
                }
            }
            let percent = percent.trim_start();
            let variants = [
                joined(&[label, percent, &self.left()]),
                [label, percent, &self.left].join(" "),
                [percent, &self.left].join(" "),
                percent.to_owned(),
            ];
            return fitting(&variants, width);
        }
        let elapsed = &*self.elapsed;
        let variants = [
            joined(&[label, &self.amount, &self.rate, elapsed]),
            joined(&[label, &self.amount, elapsed]),
            joined(&[label, elapsed]),
            joined(&[&self.amount]),
            elapsed.to_owned(),
        ];
        fitting(&variants, width)
    }

    /// Returns a line for a file or a log.
    pub(super) fn line(&self) -> String {
        let elapsed = if self.share.is_none() { format!("{} so far", self.elapsed) } else { String::new() };
        self.line_of(&[&self.percent(), &self.amount_of.0, &self.rate, &elapsed, &self.left()])
    }

    /// Returns the last line, after success.
    pub(super) fn last_line(&self) -> String {
        self.line_of(&["done", &self.amount, &self.overall, &format!("in {}", self.elapsed)])
    }

    fn line_of(&self, parts: &[&str]) -> String {
        let parts: Vec<_> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
        format!("{}: {}", self.label, parts.join(", "))
    }
}

/// Returns the first text that fits; otherwise the begin of the last one.
fn fitting(texts: &[String], width: usize) -> String {
    let fits = texts.iter().map(|text| text.trim()).find(|text| columns(text) <= width);
    let begin = || texts.last().map_or("", String::as_str).chars().take(width).collect();
    fits.map_or_else(begin, str::to_owned)
}

/// Joins what is not empty.
fn joined(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

/// Returns the columns of a text. Labels are ASCII, but for the path of a port or a file.
fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Returns bytes with three digits: `410 MB`.
fn bytes(count: f64) -> String {
    let (mut count, mut units) = (count, ["B", "kB", "MB", "GB", "TB"].into_iter());
    let mut unit = units.next().unwrap_or_default();
    // Also what is rounded to the next unit.
    while count >= 999.5
        && let Some(next) = units.next()
    {
        (count, unit) = (count / 1000.0, next);
    }
    let decimals = match count {
        _ if unit == "B" => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{count:.decimals$} {unit}")
}

/// Returns a rate with three digits: `123,000`, `12.3`.
fn rounded(rate: f64) -> String {
    if rate < 9.995 {
        return format!("{rate:.2}");
    }
    if rate < 99.95 {
        return format!("{rate:.1}");
    }
    let unit = 10f64.powf((rate.log10().floor() - 2.0).max(0.0));
    grouped(((rate / unit).round() * unit) as u64)
}

/// Returns a number with a comma after each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a time as a person says it, the coarser the longer it is: `12 s`, `3 min 20 s`, `2 h 10 min`.
fn time(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds.round()).unwrap_or_default().as_secs();
    let parts = |number: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{number} {unit}"),
        rest => format!("{number} {unit} {rest} {small}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => parts(seconds / 60, "min", seconds % 60 / 5 * 5, "s"),
        600..3600 => format!("{} min", seconds / 60),
        _ => parts(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

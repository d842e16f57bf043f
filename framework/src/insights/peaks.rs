//! Peaks of the power that is drawn, by the rules of grid operators.

use jiff::civil::Date;
use reading::words;
use serde::Serialize;

use super::{
    MONTHS, Reason,
    months::{Energy, Month},
    ms, rounded, word,
};
use crate::journal::QUARTER_HOUR;

/// Least peak of a month by the Belgian rule, in kW.
const BELGIAN_FLOOR: f64 = 2.5;
/// Hours of the Norwegian rule, and of the Swedish one unless it says otherwise.
const HOURS: usize = 3;

words! {
    /// Rule of a peak.
    Rule {
        /// The quarter of an hour in which most was drawn.
        QuarterHour = "quarter_hour",
        /// The hour in which most was drawn.
        Hour = "hour",
        /// Belgium: the mean of the greatest quarter-hours of twelve months, each at least 2.5 kW.
        Be = "be",
        /// Norway: the mean of the three greatest hours on different days of the month.
        No = "no",
        /// Sweden: the mean of the greatest hours of the month; operators differ in how many, and whether on different
        /// days.
        Se = "se",
    }
}

/// Rules that are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Rules {
    /// The rules, in the order of the answer.
    pub(crate) rules: Vec<Rule>,
    /// Hours of the Swedish rule.
    pub(crate) hours: usize,
    /// Whether several hours of one day count by the Swedish rule.
    pub(crate) any_day: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { rules: Rule::ALL.to_vec(), hours: HOURS, any_day: false }
    }
}

/// Peak by a rule.
#[derive(Debug, Serialize)]
pub(super) struct Peak {
    rule: Rule,
    month: String,
    kw: Option<f64>,
    /// Start of the greatest span.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    /// Range of that span.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<i64>,
    /// What the mean is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Span>,
    unsure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
}

/// Span with a mean power.
#[derive(Debug, Clone, Copy, Serialize)]
struct Span {
    at: i64,
    kw: f64,
}

impl Rules {
    /// Returns the peaks of the last month.
    pub(super) fn peaks(&self, months: &[Month]) -> Vec<Peak> {
        let Some(last) = months.last() else { return Vec::new() };
        let hours = |count, any_day| greatest(&last.hours, count, any_day);
        let peak = |rule: &Rule| match rule {
            Rule::QuarterHour => Peak::of(*rule, last, &quarter(last), 1, QUARTER_HOUR),
            Rule::Hour => Peak::of(*rule, last, &hours(1, true), 1, 3600),
            Rule::No => Peak::of(*rule, last, &hours(HOURS, false), HOURS, 3600),
            Rule::Se => Peak::of(*rule, last, &hours(self.hours, self.any_day), self.hours, 3600),
            Rule::Be => belgian(last, months),
        };
        self.rules.iter().map(peak).collect()
    }
}

/// Returns the greatest quarter-hour of a month.
fn quarter(month: &Month) -> Vec<Span> {
    month.quarter.iter().map(|(at, kwh)| Span { at: *at, kw: kwh * 4.0 }).collect()
}

/// Returns the greatest hours, one of each day or any.
fn greatest(hours: &[(Date, Energy)], count: usize, any_day: bool) -> Vec<Span> {
    let mut hours = hours.to_vec();
    // Of two that are equal the first one counts.
    hours.sort_by(|a, b| f64::total_cmp(&b.1.1, &a.1.1).then(a.1.0.cmp(&b.1.0)));
    let mut found = Vec::<(Date, Span)>::new();
    for (day, (at, kw)) in hours {
        if found.len() < count && (any_day || found.iter().all(|(known, _)| *known != day)) {
            found.push((day, Span { at, kw }));
        }
    }
    found.into_iter().map(|(_, span)| span).collect()
}

fn belgian(last: &Month, months: &[Month]) -> Peak {
    let known: Vec<_> = months.iter().filter(|month| month.quarter.is_some()).collect();
    let spans: Vec<_> = known.iter().flat_map(|month| quarter(month)).collect();
    let floored: Vec<_> = spans.iter().map(|span| Span { kw: span.kw.max(BELGIAN_FLOOR), ..*span }).collect();
    let mut peak = Peak::of(Rule::Be, last, &floored, MONTHS, QUARTER_HOUR);
    // The greatest one as it was drawn is that of the month.
    if let Some(own) = quarter(last).first() {
        (peak.at, peak.from, peak.to) = (Some(ms(own.at)), Some(ms(own.at)), Some(ms(own.at + QUARTER_HOUR)));
    }
    let doubt = known.iter().find_map(|month| month.doubt());
    peak.reason = doubt.or((known.len() < MONTHS).then_some(Reason::FewMonths));
    peak.unsure = peak.reason.is_some();
    peak
}

impl Peak {
    /// Returns the mean of some spans.
    fn of(rule: Rule, month: &Month, spans: &[Span], wanted: usize, length: i64) -> Self {
        let kw =
            (!spans.is_empty()).then(|| spans.iter().map(|span| span.kw).sum::<f64>() / spans.len() as f64);
        let at = spans.first().map(|span| span.at);
        let reason = month.doubt().or((spans.len() < wanted).then_some(Reason::FewDays));
        let part = |span: &Span| Span { at: ms(span.at), kw: rounded(span.kw) };
        Self {
            rule,
            month: word(month.first),
            kw: kw.map(rounded),
            at: at.map(ms),
            from: at.map(ms),
            to: at.map(|at| ms(at + length)),
            parts: if wanted > 1 { spans.iter().map(part).collect() } else { Vec::new() },
            unsure: reason.is_some(),
            reason,
        }
    }
}

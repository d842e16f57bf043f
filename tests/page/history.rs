//! Charts of a recorded year, compared with `/history`.

use serde_json::Value as Json;

use super::{
    household::{CONSUMER, Household, METER, Plan, ZONE, reading},
    now::nothing_amiss,
};
use crate::{
    Test,
    browser::{Browser, RIGHT},
};

pub const TESTS: &[Test] = &[
    ("charts_show_the_recorded_readings", charts),
    ("days_are_those_of_the_household_s_time_zone", local_days),
    ("periods_follow_one_another_and_are_compared", periods),
    ("a_chart_shows_its_values_to_mouse_and_keys", values),
    ("without_a_journal_the_history_view_explains_it", no_journal),
    ("before_the_first_reading_the_history_view_explains_it", nothing_yet),
    ("a_history_of_a_few_readings_has_all_its_ranges", young),
];

pub const RANGES: [&str; 6] = ["hour", "day", "week", "month", "year", "all"];

/// Chooses a range and waits until its charts are drawn.
pub fn range(browser: &Browser, name: &str) {
    browser.click(&format!("range-{name}"));
    let is_chosen = || browser.attribute(&format!("range-{name}"), "aria-pressed").as_deref() == Some("true");
    browser.until("the range", is_chosen);
    drawn(browser);
}

pub fn drawn(browser: &Browser) {
    browser.settle();
    let ready = || browser.attribute("view-history", "data-ready").as_deref() == Some("true");
    browser.until("charts", ready);
}

/// Texts of the cells of a chart's table, row by row, without the head.
pub fn table(browser: &Browser, chart: &str) -> Vec<Vec<String>> {
    let body = "return Array.from(document.querySelectorAll(`[data-test=\"${arguments[0]}\"] tbody tr`), \
                (row) => Array.from(row.cells, (cell) => cell.textContent.trim()));";
    // The page creates the table when it is opened.
    if !browser.shows(&format!("{chart} table")) {
        browser.click(&format!("{chart} summary"));
        browser.await_shown(&format!("{chart} tbody tr"));
    }
    serde_json::from_value(browser.script(body, &[chart.into()])).unwrap()
}

/// Number in English notation, without the text after it.
pub fn number(text: &str) -> f64 {
    let kept: String =
        text.replace('−', "-").chars().filter(|c| c.is_ascii_digit() || matches!(c, '.' | '-')).collect();
    kept.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"))
}

fn charts() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("en-US");
    household.show(&browser, "#history");
    for name in RANGES {
        range(&browser, name);
        let wanted: &[&str] = match name {
            "hour" => &["chart-power"], // a single bar would show less than the tiles above it
            // A curve of more than a week would be noise.
            "month" | "year" | "all" => &["chart-energy"],
            _ => &["chart-power", "chart-energy"],
        };
        assert_eq!(browser.shows("chart-power"), wanted.contains(&"chart-power"), "{name}");
        for chart in wanted {
            assert!(browser.shows(&format!("{chart} svg[role=img]")), "{name}: no {chart}");
            let label = browser.attribute(&format!("{chart} svg[role=img]"), "aria-label").unwrap();
            assert!(label.len() > 20 && label.contains(|c: char| c.is_ascii_digit()), "{name}: {label}");
            assert!(!table(&browser, chart).is_empty(), "{name}: {chart} has no table");
        }
        assert!(!browser.shows("history-error"), "{name}");
        assert!(!browser.text("totals").is_empty() || name == "hour", "{name}");
    }
    // The bars of a year are the months of the journal.
    range(&browser, "year");
    let months = |section: &str, name: &str| {
        let now = jiff::Timestamp::now().in_tz(ZONE).unwrap();
        let from = format!("{}-01-01", now.year());
        household.program().get(&format!("/history/{section}/{name}?per=month&from={from}")).1
    };
    let rows = table(&browser, "chart-energy");
    for (section, name) in [(METER, "POWER_IMPORT"), (METER, "POWER_EXPORT"), (CONSUMER, "count")] {
        let amounts = months(section, name)["amount"].clone();
        let amounts: Vec<_> = amounts.as_array().unwrap().iter().filter_map(Json::as_f64).collect();
        let shown = |row: &Vec<String>, wanted: f64| {
            row[1..].iter().any(|cell| {
                let digits = cell.chars().any(|c| c.is_ascii_digit());
                digits && (number(cell) - wanted).abs() <= 0.051 + wanted.abs() * 0.006
            })
        };
        // The current month grows meanwhile.
        for (row, amount) in rows.iter().zip(&amounts[..amounts.len() - 1]) {
            assert!(shown(row, *amount), "{section} {name}: {amount} is not in {row:?}");
        }
    }
    nothing_amiss(&browser, &household.url());
}

fn local_days() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("de-DE");
    // This zone is far enough away for part of each day to be another day.
    browser.zone("Pacific/Auckland");
    household.show(&browser, "#history");
    range(&browser, "day");
    browser.click("prev");
    drawn(&browser);
    let yesterday = jiff::Timestamp::now().in_tz(ZONE).unwrap().yesterday().unwrap();
    let label = browser.text("period");
    let months = ["Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"];
    let day = format!("{}. {}", yesterday.day(), months[usize::try_from(yesterday.month()).unwrap() - 1]);
    assert!(label.contains(&day), "{label} is not {day}");
    let rows = table(&browser, "chart-energy");
    assert!((23..=25).contains(&rows.len()), "{rows:?}");
    assert!(rows[0][0].starts_with("00:00"), "{:?}", rows[0]);
}

fn periods() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("en-US");
    household.show(&browser, "#history");
    for name in ["hour", "day", "week", "month", "year"] {
        range(&browser, name);
        let label = || browser.text("period");
        let now = label();
        browser.click("prev");
        drawn(&browser);
        browser.until("the one before", || label() != now && !label().is_empty());
        browser.click("next");
        drawn(&browser);
        browser.until("the same again", || label() == now);
        browser.click("prev");
        browser.click("prev");
        drawn(&browser);
        if browser.shows("today") {
            browser.click("today");
            drawn(&browser);
            browser.until("today", || label() == now);
        }
    }
    range(&browser, "day");
    browser.click("prev");
    drawn(&browser);
    let shapes = "return document.querySelectorAll('[data-test^=chart-] svg *').length;";
    let columns = || table(&browser, "chart-energy")[0].len();
    let before = (browser.script(shapes, &[]).as_u64(), columns());
    browser.click("compare");
    drawn(&browser);
    browser.until("the period before", || browser.script(shapes, &[]).as_u64() > before.0);
    assert!(columns() > before.1, "the table has nothing to compare with");
}

fn values() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("en-US");
    household.show(&browser, "#history");
    range(&browser, "week");
    browser.click("prev"); // the current week may have a few hours only
    drawn(&browser);
    for chart in ["chart-power", "chart-energy"] {
        let tip = format!("{chart} .tooltip");
        assert!(!browser.shows(&tip));
        browser.hover(&format!("{chart} svg[role=img]"), -60, 0);
        browser.until("the value below the mouse", || browser.text(&tip).contains('W'));
        let first = browser.text(&tip);
        browser.hover(&format!("{chart} svg[role=img]"), -250, 0);
        browser.until("another one", || !browser.text(&tip).is_empty() && browser.text(&tip) != first);
        browser.hover("range-week", 0, 0);
        browser.until("none", || !browser.shows(&tip));
        // The arrow keys do the same.
        let focus = "const svg = document.querySelector(`[data-test=\"${arguments[0]}\"] [tabindex=\"0\"]`); \
                     svg?.focus(); return !!svg;";
        assert_eq!(browser.script(focus, &[chart.into()]), true, "{chart} has no focus");
        browser.press(RIGHT);
        browser.until("the value of the key", || browser.text(&tip).contains('W'));
        let first = browser.text(&tip);
        browser.press(RIGHT);
        browser.until("the next value", || browser.text(&tip) != first);
    }
}

fn no_journal() {
    let household = Household::start(&Plan { more: "[journal]\nenabled = false\n", ..Plan::default() });
    let browser = household.open("en-US");
    browser.click("nav-history");
    browser.await_shown("history-off");
    let text = browser.text("history-off");
    assert!(text.contains("enabled = true") || text.contains("[journal]"), "{text}");
    browser.click("nav-now");
    household.send(&reading(512.0));
    browser.until("live", || browser.text("hero-power").contains("512"));
}

fn nothing_yet() {
    let household = Household::silent(&Plan::default());
    let browser = Browser::open("en-US");
    browser.goto(&format!("{}#history", household.url()));
    // Only the counter's count may be there.
    browser.until("a word", || browser.shows("history-empty") || browser.shows("chart-energy"));
    assert!(!browser.shows("history-error"));
}

fn young() {
    let household = Household::start(&Plan::default());
    let browser = Browser::open("en-US");
    household.show(&browser, "#history");
    for name in RANGES {
        range(&browser, name);
        assert!(!browser.shows("history-error"), "{name}");
    }
    assert!(browser.shows("chart-energy svg[role=img]"), "all: no chart");
}

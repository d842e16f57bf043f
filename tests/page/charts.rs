//! Truth of the charts: labels, values, estimates, and a history that cannot be read.

use jiff::{Timestamp, ToSpan as _, Zoned, tz::TimeZone};
use serde_json::json;

use super::{
    addresses::days_ago,
    history::{drawn, range},
    household::{CONSUMER, Household, METER, Plan, ZONE},
    proxy::{Fault, Proxy},
};
use crate::{Test, browser::Browser};

pub const TESTS: &[Test] = &[
    ("labels_of_an_axis_are_shown_whole", labels),
    ("a_tap_shows_a_value_that_stays", tap),
    ("a_day_without_readings_is_hatched_and_not_compared", unread_day),
    ("a_first_day_says_since_when_it_counts", first_day),
    ("a_list_of_series_that_failed_can_be_tried_again", series_failed),
    ("a_balance_that_fails_leaves_the_meter_s_own_amounts", without_balance),
    ("a_finger_finds_each_day_of_a_month_on_a_phone", fingers),
    ("a_view_that_waits_for_its_answers_says_so", waiting),
    ("what_the_program_refuses_is_told_in_the_readers_language", refused),
];

/// Rows of a meter and a consumer, from `days` ago until now, as far as `is_read` says so.
pub fn rows(days: i64, step: i64, per_day: [f64; 3], is_read: impl Fn(&Zoned) -> bool) -> String {
    let zone = TimeZone::get(ZONE).unwrap();
    let now = Timestamp::now().as_second() / step * step;
    let mut text = "time,section,name,value,unit,obis\n".to_owned();
    for second in (now - days * 86_400..now).step_by(usize::try_from(step).unwrap()) {
        let time = Timestamp::from_second(second).unwrap();
        if !is_read(&time.to_zoned(zone.clone())) {
            continue;
        }
        let [import, export, count] =
            per_day.map(|amount| amount * (second - now + days * 86_400) as f64 / 86_400.0);
        text += &format!(
            "{time},{METER},POWER_IMPORT,{import:.3},kWh,1.8.0\n{time},{METER},POWER_EXPORT,{export:.3},kWh,2.8.0\n\
             {time},{METER},CURRENT_POWER_SUM,{:.1},W,16.7.0\n{time},{CONSUMER},count,{count:.3},kWh,\n",
            200.0 + (second / 60 % 7) as f64
        );
    }
    text
}

/// Texts in charts that reach beyond their picture.
fn clipped(browser: &Browser) -> serde_json::Value {
    let body = "const bad = []; \
                for (const text of document.querySelectorAll('[data-test^=chart-] svg text')) { \
                const [a, b] = [text, text.closest('svg')].map((e) => e.getBoundingClientRect()); \
                if (a.width && (a.left < b.left || a.right > b.right + 1)) bad.push(text.textContent); } return bad;";
    browser.script(body, &[])
}

fn labels() {
    // A large plant: 12,000 kWh a month are fed in.
    let recorded = rows(700, 21_600, [9.0, 400.0, 1.0], |_| true);
    let household = Household::silent(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = Browser::open("de-DE");
    household.show(&browser, "#history");
    for width in [1280, 320] {
        browser.size(width, 900);
        for kind in ["week", "year", "all"] {
            range(&browser, kind);
            assert_eq!(clipped(&browser), json!([]), "{kind} at {width}");
        }
        range(&browser, "year");
        let axis = "return document.querySelector('[data-test=chart-energy] svg').textContent;";
        let axis = browser.script(axis, &[]);
        assert!(axis.as_str().unwrap().contains("−10.000"), "{axis}");
    }
}

fn tap() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let browser = Browser::open("en-US");
    browser.size(400, 900);
    household.show(&browser, "#history");
    range(&browser, "week");
    browser.click("prev");
    drawn(&browser);
    for chart in ["chart-power", "chart-energy"] {
        let tip = format!("{chart} .tooltip");
        browser.tap(&format!("{chart} svg[role=img]"), -60, 0);
        browser.until("the value below the finger", || browser.text(&tip).contains('W'));
        let first = browser.text(&tip);
        browser.tap(&format!("{chart} svg[role=img]"), 80, 0);
        browser.until("another one", || browser.text(&tip).contains('W') && browser.text(&tip) != first);
        browser.tap("totals", 0, 0);
        browser.until("none", || !browser.shows(&tip));
    }
}

fn unread_day() {
    let today = Zoned::now().with_time_zone(TimeZone::get(ZONE).unwrap()).date();
    let unread = [4, 3].map(|days| today - i64::from(days).days());
    let recorded = rows(8, 900, [9.6, 2.4, 4.8], |at| !unread.contains(&at.date()));
    let household = Household::silent(&Plan { recorded: &recorded, ..Plan::default() });
    let browser = Browser::open("en-US");
    household.show(&browser, "#history");
    range(&browser, "day");
    let back = |days: u32| {
        for _ in 0..days {
            browser.click("prev");
            drawn(&browser);
        }
        browser.text("totals")
    };
    let bars = |kind: &str| browser.count(&format!("[data-test=chart-energy] svg > rect.{kind}"));
    // Yesterday and the day before were read, and are compared.
    let read = back(1);
    assert!(read.contains("the day before") && !read.contains('≈'), "{read}");
    assert_eq!((bars("guess"), bars("column") > 0, browser.shows("chart-energy .marks")), (0, true, false));
    // The day before that follows an unread one.
    let after = back(1);
    assert!(after.contains("kWh") && !after.contains("the day before"), "{after}");
    for _ in unread {
        let totals = back(1);
        assert_eq!(totals.matches('≈').count(), 3, "import, export and consumer: {totals}");
        assert!(!totals.contains("the day before"), "{totals}");
        assert_eq!(bars("column"), 0, "solid bars");
        assert!((69..=75).contains(&bars("guess")), "{}", bars("guess"));
        assert!(
            browser.text("chart-energy .marks").contains("estimates"),
            "{}",
            browser.text("chart-energy .marks")
        );
        browser.script("document.querySelector('[data-test=chart-energy] details').open = true;", &[]);
        browser.await_shown("chart-energy tbody tr");
        let cells = "return Array.from(document.querySelectorAll('[data-test=chart-energy] tbody td')) \
                     .filter((cell) => cell.textContent.includes('kWh') && !cell.textContent.startsWith('≈')).length;";
        assert_eq!(browser.script(cells, &[]), 0);
    }
}

fn first_day() {
    let household = Household::start(&Plan::default());
    let browser = household.open("en-US");
    let said = || {
        browser.text("today-import").contains("since ") && !browser.text("today-import").contains("yesterday")
    };
    browser.until("since when", said);
    browser.click("nav-history");
    drawn(&browser);
    let totals = browser.text("totals");
    assert!(totals.starts_with("Since "), "{totals}");
}

fn series_failed() {
    let household = Household::start(&Plan { year: true, ..Plan::default() });
    let proxy = Proxy::start(&household);
    let browser = Browser::open("en-US");
    for fault in [Fault::Refused("/series"), Fault::Dropped("/series")] {
        proxy.fail(fault);
        browser.goto("about:blank");
        browser.goto(&format!("{}#history", proxy.url()));
        for _ in 0..2 {
            browser.await_shown("history-error");
            assert!(!browser.shows("history-empty") && !browser.shows("range-day"), "{fault:?}");
            browser.click("retry");
        }
        browser.await_shown("alarm");
        proxy.fail(Fault::None);
        browser.click("retry");
        drawn(&browser);
        assert!(browser.shows("chart-power") && !browser.shows("history-error"), "{fault:?}");
        browser.until("no alarm", || !browser.shows("alarm"));
    }
    // The browser itself logs requests that fail; the page logs nothing.
    let page: Vec<_> = browser.console().into_iter().filter(|entry| entry["source"] != "network").collect();
    assert!(page.is_empty(), "{page:#?}");
}

fn without_balance() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let proxy = Proxy::start(&household);
    let browser = Browser::open("en-US");
    proxy.fail(Fault::Refused("/balance"));
    browser.goto(&format!("{}#history/week", proxy.url()));
    drawn(&browser);
    assert!(browser.shows("chart-energy") && !browser.shows("history-error"));
    assert!(browser.text("tile-import strong").ends_with("kWh"), "{}", browser.text("totals"));
    assert!(!browser.shows("tile-consumption"), "nobody knows it");
    assert!(browser.text("totals .used").contains("Wallbox"), "{}", browser.text("totals"));
}

fn fingers() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let browser = Browser::open("de-DE");
    browser.size(390, 844);
    let month = days_ago(70).strftime("%Y-%m").to_string();
    household.show(&browser, &format!("#history/month/{month}?compare=before"));
    drawn(&browser);
    // WCAG 2.2, 2.5.8: a target has 24 pixels.
    let wide = "return [...document.querySelectorAll('[data-test=chart-energy] line.zero')].map((line) => \
                line.getBoundingClientRect().width)[0] / arguments[0];";
    let days = days_ago(70).days_in_month();
    let wide = browser.script(wide, &[days.into()]);
    assert!(wide.as_f64() >= Some(24.0), "{wide} pixels a day");
    let frame =
        "const frame = document.querySelector('[data-test=chart-energy] svg[role=img]').parentElement; ";
    let at = |to: &str| {
        let body = format!(
            "{frame} frame.scrollLeft = {to}; return new Promise((done) => requestAnimationFrame(() => \
             requestAnimationFrame(() => done(frame.scrollLeft))));"
        );
        browser.script(&body, &[]).as_f64().unwrap()
    };
    let seen = |css: &str| {
        let body = format!(
            "{frame} const {{ left, right }} = frame.getBoundingClientRect(); \
             return [...frame.querySelectorAll('{css}')].filter((e) => {{ const box = e.getBoundingClientRect(); \
             return box.width && box.left >= left - 1 && box.right <= right + 1; }}).length;"
        );
        browser.script(&body, &[]).as_u64().unwrap()
    };
    let labels = browser.count("[data-test=chart-energy] .axis text");
    assert!(at("frame.scrollLeft") > 100.0, "the end of the month is not what is seen first");
    for to in ["0", "200", "9999"] {
        at(to);
        assert_eq!(seen(".axis text"), labels, "the axis at {to}");
        assert!(seen("rect.column") > 4, "the bars at {to}");
    }
    // The page itself does not scroll, and a finger on the chart does not leave the month.
    assert_eq!(super::languages::overflow(&browser, 390), Vec::<serde_json::Value>::new());
    browser.swipe("chart-energy svg[role=img]", 120, 0);
    assert_eq!(
        browser.script("return location.hash;", &[]),
        format!("#history/month/{month}?compare=before")
    );
    // A mouse needs less.
    browser.size(1280, 900);
    drawn(&browser);
    assert_eq!(browser.count("[data-test=chart-energy] .plot .scroll"), 0);
}

fn waiting() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let proxy = Proxy::start(&household);
    let browser = Browser::open("de-DE");
    browser.goto(&proxy.url());
    browser.until("live", || browser.text("hero-power") == "459");
    for (view, path) in [
        ("history", "/history/"),
        ("readings", "/registers"),
        ("costs", "/tariffs"),
        ("insights", "/insights"),
    ] {
        proxy.fail(Fault::Held(path));
        browser.script("location.hash = arguments[0];", &[view.into()]);
        let body = "const view = document.querySelector(`[data-test=view-${arguments[0]}]`); \
                    const { content, height, width, backgroundColor, visibility } = getComputedStyle(view, '::before'); \
                    return !view.hidden && content !== 'none' && visibility === 'visible' && parseFloat(height) >= 3 && \
                    parseFloat(width) > 300 && backgroundColor !== getComputedStyle(document.documentElement).backgroundColor;";
        let is_seen = || browser.script(body, &[view.into()]) == true;
        browser.until(&format!("a sign that {view} waits"), is_seen);
        proxy.fail(Fault::None);
        browser.until(&format!("{view} without the sign"), || !is_seen());
        browser.settle();
    }
}

fn refused() {
    let household = Household::start(&Plan { pv: true, ..Plan::default() });
    let proxy = Proxy::start(&household);
    for (locale, words) in
        [("de-DE", "Das Journal lässt sich nicht lesen."), ("fr-FR", "Le journal n’est pas lisible.")]
    {
        let browser = Browser::open(locale);
        browser.goto(&proxy.url());
        browser.until("live", || browser.text("hero-power") == "459");
        for (view, path, at) in [
            ("history", "/history/", "history-error"),
            ("readings", "/registers", "readings-failed"),
            ("costs", "/tariffs", "costs-failed"),
            ("insights", "/insights", "insights-failed"),
        ] {
            proxy.fail(Fault::Refused(path));
            browser.script("location.hash = arguments[0];", &[view.into()]);
            browser.until(&format!("the reason in {view}, {locale}"), || browser.text(at).contains(words));
            proxy.fail(Fault::None);
        }
    }
}
